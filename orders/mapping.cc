#include "orders/mapping.h"

#include <cctz/time_zone.h>

#include <algorithm>
#include <chrono>
#include <set>

#include "journal/record.h"
#include "sql/connection.h"

namespace sluice::orders {
namespace {

constexpr std::string_view kNoName = " is no name: 1 to 64 characters, without ` . / \\";
constexpr OwnColumn kMayBeLeftOut[] = {OwnColumn::kRequestId, OwnColumn::kCreatedAt,
                                       OwnColumn::kUpdatedAt, OwnColumn::kFields};

Error invalid_key(const std::string& key, const std::string& what) {
  return Error(ErrorClass::kInvalid, key + ": " + what);
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

std::string quoted(const std::string& text) { return "\"" + text + "\""; }

// Names that are in use, to find one that is given twice; MySQL's do not differ by case.
class ColumnNames {
 public:
  Status add(const std::string& key, const std::string& name) {
    if (!sql::is_identifier(name)) return invalid_key(key, quoted(name) + std::string(kNoName));
    if (names_.insert(lower(name)).second) return {};
    return invalid_key(key, "column " + quoted(name) + " is written already, by another key");
  }
  bool has(const std::string& name) const { return names_.contains(lower(name)); }

 private:
  std::set<std::string> names_;
};

Status take_names(Mapping& mapping, ColumnNames& taken) {
  const std::vector<OwnColumn>& written = mapping.config.written;
  for (size_t i = 0; i < kOwnColumnNames.size(); ++i) {
    const bool is_written =
        written.empty() ||
        std::find(written.begin(), written.end(), static_cast<OwnColumn>(i)) != written.end();
    if (is_written) mapping.names[i] = kOwnColumnNames[i];
  }
  for (const auto& [ours, theirs] : mapping.config.names) {
    const auto found = std::find(kOwnColumnNames.begin(), kOwnColumnNames.end(), ours);
    const std::string key = mapping.config.prefix + "names." + ours;
    if (found == kOwnColumnNames.end()) {
      return invalid_key(key,
                         "there is no such column; there are order_id, item_id, user_id, "
                         "quantity, status, request_id, created_at, updated_at, fields");
    }
    const auto at = static_cast<size_t>(found - kOwnColumnNames.begin());
    const auto column = static_cast<OwnColumn>(at);
    const bool may_be_left_out = std::find(std::begin(kMayBeLeftOut), std::end(kMayBeLeftOut),
                                           column) != std::end(kMayBeLeftOut) ||
                                 (!written.empty() && column != OwnColumn::kOrderId);
    if (theirs.empty() && !may_be_left_out)
      return invalid_key(key, "it cannot be left out; name the column of yours that has it");
    mapping.names[at] = theirs;
  }
  for (size_t i = 0; i < mapping.names.size(); ++i) {
    if (mapping.names[i].empty()) continue;
    SLUICE_TRY(taken.add(mapping.config.prefix + "names." + std::string(kOwnColumnNames[i]),
                         mapping.names[i]));
  }
  return {};
}

Status take_statuses(Mapping& mapping) {
  for (const OrderStatus status : kOrderStatuses)
    mapping.statuses[static_cast<size_t>(status)] = word_of(status);
  for (const auto& [ours, theirs] : mapping.config.statuses) {
    const auto status = status_of_word(ours);
    if (!status) {
      return invalid_key("orders.statuses." + ours,
                         "there is no such status; there are placed, paid, cancelled, expired");
    }
    if (theirs.empty()) return invalid_key("orders.statuses." + ours, "must not be empty");
    mapping.statuses[static_cast<size_t>(*status)] = theirs;
  }
  // What is over must be told from what is live, and what is paid from what is placed.
  const auto differ = [&](OrderStatus a, OrderStatus b) -> Status {
    if (mapping.word(a) != mapping.word(b)) return {};
    return invalid_key("orders.statuses", std::string(word_of(a)) + " and " +
                                              std::string(word_of(b)) + " are both " +
                                              quoted(mapping.word(a)) + "; they must differ");
  };
  for (const OrderStatus over : {OrderStatus::kCancelled, OrderStatus::kExpired}) {
    SLUICE_TRY(differ(OrderStatus::kPlaced, over));
    SLUICE_TRY(differ(OrderStatus::kPaid, over));
  }
  return differ(OrderStatus::kPlaced, OrderStatus::kPaid);
}

Status take_others(const MappingConfig& config, ColumnNames& taken) {
  for (const auto& [field, column] : config.columns)
    SLUICE_TRY(taken.add(config.prefix + "columns." + field, column));
  for (const auto& [column, value] : config.constants)
    SLUICE_TRY(taken.add(config.prefix + "constants." + column, column));
  for (const auto& [column, value] : config.when_over) {
    if (config.constants.contains(column)) continue;
    return invalid_key("orders.when_over." + column,
                       "name what it holds of a live order, too: orders.constants." + column);
  }
  return {};
}

}  // namespace

Result<TableTemplate> TableTemplate::parse(const std::string& text, const std::string& time_zone,
                                           const std::string& prefix) {
  const auto bad = [&](const std::string& what) {
    return invalid_key(prefix + "table", quoted(text) + what);
  };
  static constexpr std::pair<std::string_view, Kind> kPlaces[] = {{"{item}", Kind::kItem},
                                                                  {"{yyyymmdd}", Kind::kDay},
                                                                  {"{yyyymm}", Kind::kMonth},
                                                                  {"{yyyy}", Kind::kYear}};
  cctz::time_zone zone;
  if (!cctz::load_time_zone(time_zone, &zone)) {
    return invalid_key("orders.time_zone", quoted(time_zone) +
                                               " is not known; write a name like "
                                               "\"Europe/Berlin\" or \"UTC\"");
  }
  TableTemplate made;
  made.time_zone_ = time_zone;
  std::string_view rest = text;
  if (const size_t dot = rest.find('.'); dot != rest.npos) {
    made.database_ = rest.substr(0, dot);
    rest.remove_prefix(dot + 1);
    if (!sql::is_identifier(made.database_)) return bad(std::string(kNoName));
  }
  std::string example;
  while (!rest.empty()) {
    const size_t brace = std::min(rest.find('{'), rest.size());
    if (brace > 0) {
      made.parts_.push_back({Kind::kText, std::string(rest.substr(0, brace))});
      example += rest.substr(0, brace);
      rest.remove_prefix(brace);
      continue;
    }
    const auto place = std::find_if(std::begin(kPlaces), std::end(kPlaces),
                                    [&](const auto& each) { return rest.starts_with(each.first); });
    if (place == std::end(kPlaces))
      return bad(": after { comes item}, yyyy}, yyyymm} or yyyymmdd}");
    made.parts_.push_back({place->second, ""});
    made.is_one_ = false;
    example += 'x';
    rest.remove_prefix(place->first.size());
  }
  if (!sql::is_identifier(example)) return bad(std::string(kNoName));
  if (made.database_.empty() && made.is_one_) {
    for (const std::string_view taken :
         {"items", "sluice_checkpoint", "sluice_dead_letter", "sluice_deleted_item",
          "sluice_early_change", "sluice_journal"}) {
      if (lower(text) == taken) return bad(" is another table's");
    }
  }
  return made;
}

std::string TableTemplate::name(std::string_view item, uint64_t order_id) const {
  std::string out;
  if (is_one_) return parts_.front().text;
  cctz::time_zone zone;
  cctz::load_time_zone(time_zone_, &zone);  // was found before; it is kept
  const std::chrono::system_clock::time_point time{
      std::chrono::milliseconds(journal::time_of_id(order_id))};
  for (const Part& part : parts_) {
    switch (part.kind) {
      case Kind::kText:
        out += part.text;
        break;
      case Kind::kItem:
        out += item;
        break;
      case Kind::kYear:
        out += cctz::format("%Y", time, zone);
        break;
      case Kind::kMonth:
        out += cctz::format("%Y%m", time, zone);
        break;
      case Kind::kDay:
        out += cctz::format("%Y%m%d", time, zone);
        break;
    }
  }
  return out;
}

std::string TableTemplate::pattern() const {
  std::string out = "^";
  for (const Part& part : parts_) {
    switch (part.kind) {
      case Kind::kText:
        for (const char c : part.text) {
          const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                                (c >= '0' && c <= '9') || c == '_' ||
                                static_cast<signed char>(c) < 0;
          out.append(is_plain ? "" : "[").append(1, c == '^' ? '.' : c);
          out += is_plain ? "" : "]";
        }
        break;
      case Kind::kItem:
        out += ".+";
        break;
      case Kind::kYear:
        out += "[0-9]{4}";
        break;
      case Kind::kMonth:
        out += "[0-9]{6}";
        break;
      case Kind::kDay:
        out += "[0-9]{8}";
        break;
    }
  }
  return out + "$";
}

Result<Mapping> Mapping::create(const MappingConfig& config) {
  Mapping mapping;
  mapping.config = config;
  auto table = TableTemplate::parse(config.table, config.time_zone, config.prefix);
  if (!table) return table.error();
  mapping.table = std::move(*table);
  ColumnNames taken;
  SLUICE_TRY(take_names(mapping, taken));
  SLUICE_TRY(take_statuses(mapping));
  SLUICE_TRY(take_others(config, taken));
  return mapping;
}

bool Mapping::is_plain(bool field_columns_count) const {
  return table.is_one_table() && table.database().empty() &&
         (config.columns.empty() || !field_columns_count) && config.constants.empty() &&
         std::equal(names.begin(), names.end(), kOwnColumnNames.begin()) &&
         std::all_of(std::begin(kOrderStatuses), std::end(kOrderStatuses),
                     [this](OrderStatus status) { return word(status) == word_of(status); });
}

}  // namespace sluice::orders
