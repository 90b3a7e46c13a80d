#include "proxy/monitor/item_watch.h"

#include <algorithm>
#include <boost/json/value.hpp>
#include <cmath>

#include "base/decimal.h"
#include "proxy/upstream/reply_value.h"

namespace sluice::proxy::monitor {
namespace {

constexpr double kHalfLifeS = 30;
constexpr double kRateOf = 0.3;  // of a new second in what is shown as the rate
constexpr int kDiffersAfter = 3;

int64_t number_of(const upstream::ReplyValue& pairs, std::string_view name) {
  const upstream::ReplyValue* value = pairs.field(name);
  int64_t number = 0;
  if (value == nullptr) return 0;
  return value->type == ':'                         ? value->integer
         : base::parse_decimal(value->text, number) ? number
                                                    : 0;
}

int64_t number_of(const boost::json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value != nullptr && value->is_int64() ? value->get_int64() : 0;
}

}  // namespace

std::optional<Stock> parse_stock(std::string_view reply) {
  upstream::ReplyValue value;
  if (!upstream::read_value(reply, value) || value.field("stock") == nullptr) return std::nullopt;
  return Stock{number_of(value, "stock"), number_of(value, "sold"), number_of(value, "remaining"),
               std::string(value.word("state"))};
}

ItemWatch::ItemWatch(Ask ask, DrainSource& drain) : ask_(std::move(ask)), drain_(drain) {}

std::vector<const ItemWatch::Entry*> ItemWatch::ranked(const Board& board) {
  std::vector<const Entry*> all;
  for (const auto& [name, entry] : board.entries) all.push_back(&entry);
  const size_t shown = std::min(kShown, all.size());
  std::partial_sort(all.begin(), all.begin() + static_cast<ptrdiff_t>(shown), all.end(),
                    [](const Entry* a, const Entry* b) { return a->weight > b->weight; });
  all.resize(shown);
  return all;
}

void ItemWatch::weigh(const std::vector<sale::ItemBoard::Sold>& sold, double seconds,
                      bool is_settled) {
  std::map<std::string, double> units;
  for (const sale::ItemBoard::Sold& each : sold) {
    units[each.item] += static_cast<double>(each.units);
    board_->entries[each.item].item.name = each.item;
  }
  const double kept = std::exp2(-seconds / kHalfLifeS);
  for (auto& [name, entry] : board_->entries) {
    const auto found = units.find(name);
    const double rate = found == units.end() ? 0 : found->second / seconds;
    entry.weight = entry.weight * kept + rate * seconds;
    double& shown = entry.item.sold_per_s;
    shown = shown < 0.05 && rate == 0 ? 0 : shown + (rate - shown) * kRateOf;
    entry.is_quiet = rate == 0 && is_settled;
    if (!entry.is_quiet) entry.differs = 0;
  }
  // Those that sold least go first.
  while (board_->entries.size() > kKept) {
    board_->entries.erase(std::min_element(
        board_->entries.begin(), board_->entries.end(),
        [](const auto& a, const auto& b) { return a.second.weight < b.second.weight; }));
  }
}

void ItemWatch::look(const std::vector<sale::ItemBoard::Sold>& sold, double seconds,
                     bool is_watched, bool is_settled) {
  std::vector<std::string> names, to_ask;
  bool asks_mysql = false;
  {
    const std::lock_guard lock(board_->mutex);
    weigh(sold, seconds, is_settled);
    if (!is_watched) return;
    for (const Entry* entry : ranked(*board_)) names.push_back(entry->item.name);
    for (const std::string& name : names) {
      if (!std::exchange(board_->entries[name].is_asked, true)) to_ask.push_back(name);
    }
    if (++looks_ >= kMysqlEveryLooks && !names.empty() && drain_.is_configured()) {
      asks_mysql = !std::exchange(board_->mysql_asked, true);
      if (asks_mysql) looks_ = 0;
    }
  }
  for (const std::string& name : to_ask) ask_redis(name);
  if (asks_mysql) ask_mysql(names);
}

void ItemWatch::ask_redis(const std::string& name) {
  ask_(name, [board = board_, name](const std::string& reply) {
    const std::lock_guard lock(board->mutex);
    const auto found = board->entries.find(name);
    if (found == board->entries.end()) return;
    if (reply.find("NOITEM") != std::string::npos) return (void)board->entries.erase(found);
    found->second.is_asked = false;
    if (auto stock = parse_stock(reply)) found->second.item.redis = std::move(stock);
    judge(found->second);
  });
}

void ItemWatch::ask_mysql(const std::vector<std::string>& names) {
  drain_.find_items(names, [board = board_, names](const Result<boost::json::object>& rows) {
    const std::lock_guard lock(board->mutex);
    board->mysql_asked = false;
    take_rows(*board, names, rows);
  });
}

void ItemWatch::take_rows(Board& board, const std::vector<std::string>& names,
                          const Result<boost::json::object>& rows) {
  for (const std::string& name : names) {
    const auto found = board.entries.find(name);
    if (found == board.entries.end()) continue;
    Entry& entry = found->second;
    const auto* row = rows ? rows->if_contains(name) : nullptr;
    entry.item.mysql.reset();
    if (row != nullptr && row->is_object()) {
      entry.item.mysql = WatchedItem::Row{number_of(row->get_object(), "stock"),
                                          number_of(row->get_object(), "sold")};
    }
    const bool both = entry.item.mysql && entry.item.redis;
    const int64_t difference = both ? entry.item.redis->sold - entry.item.mysql->sold : 0;
    const bool same = difference != 0 && difference == entry.difference && entry.is_quiet;
    entry.differs = same ? entry.differs + 1 : 0;
    entry.difference = difference;
    judge(entry);
  }
}

void ItemWatch::judge(Entry& entry) {
  const auto& redis = entry.item.redis;
  if (!redis) return;
  const bool oversold = redis->remaining < 0 || redis->sold > redis->stock ||
                        (entry.item.mysql && entry.item.mysql->sold > redis->stock);
  entry.item.guard = oversold ? "OVERSOLD" : entry.differs >= kDiffersAfter ? "DIFFERS" : "OK";
}

std::vector<WatchedItem> ItemWatch::top() const {
  std::vector<WatchedItem> items;
  const std::lock_guard lock(board_->mutex);
  for (const Entry* entry : ranked(*board_)) items.push_back(entry->item);
  return items;
}

}  // namespace sluice::proxy::monitor
