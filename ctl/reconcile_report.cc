#include "ctl/reconcile_report.h"

#include <algorithm>
#include <array>
#include <boost/json.hpp>

#include "ctl/words.h"

namespace sluice::ctl {
namespace {

namespace json = boost::json;

constexpr size_t kColumns = 9;
using Cells = std::array<std::string, kColumns>;

struct Sums {
  uint64_t differ = 0;
  uint64_t fixable = 0;  // items with at least one difference that --fix repairs
  uint64_t waiting = 0;
  uint64_t dead = 0;
  uint64_t unknown = 0;  // items of which it cannot be told
};

Sums sums_of(const Comparison& comparison) {
  Sums sums;
  sums.unknown = comparison.retired_but_there.size();
  for (const ItemComparison& item : comparison.items) {
    sums.differ += item.differences.empty() ? 0 : 1;
    sums.unknown += item.cannot_tell() ? 1 : 0;
    sums.fixable += std::any_of(item.differences.begin(), item.differences.end(),
                                [](const Difference& one) { return one.fixable; });
    sums.waiting += item.journal.waiting;
    sums.dead += item.mysql.dead.bought.orders;
  }
  return sums;
}

uint64_t live(const Sales& sales) { return sales.bought.orders - sales.over().orders; }

std::string_view name_of(Side side) { return side == Side::kRedis ? "Redis" : "MySQL"; }

Cells journal_cells(const ItemComparison& item) {
  const Sales& all = item.journal.all;
  return {item.name,
          std::to_string(all.given),
          std::to_string(all.sold()),
          std::to_string(all.left()),
          std::to_string(live(all)),
          std::to_string(all.over().orders),
          std::to_string(item.journal.waiting),
          std::to_string(item.mysql.dead.bought.orders),
          item.cannot_tell()         ? "cannot be compared"
          : item.differences.empty() ? "agrees"
                                     : "differs"};
}

Cells redis_cells(const ItemComparison& item) {
  if (!item.redis.exists) return {"  Redis", "-", "-", "-", "-", "-", "", "", ""};
  const RedisItem& redis = item.redis;
  const bool counted = redis.buyers.has_value();
  const int64_t stock = redis.state.stock, sold = redis.state.sold;
  const auto of_state = [&](int64_t number) {
    return redis.edited.empty() ? std::to_string(number) : "?";
  };
  return {"  Redis",
          of_state(stock),
          of_state(sold),
          of_state(stock - sold),
          counted ? std::to_string(live(*redis.buyers)) : "?",
          counted ? std::to_string(redis.buyers->over().orders) : "?",
          "",
          "",
          ""};
}

Cells mysql_cells(const ItemComparison& item) {
  const MysqlItem& mysql = item.mysql;
  const auto of_row = [&](int64_t number) { return mysql.has_row ? std::to_string(number) : "-"; };
  return {"  MySQL",
          of_row(mysql.stock),
          of_row(mysql.sold),
          of_row(mysql.stock - mysql.sold),
          std::to_string(live(mysql.orders)),
          std::to_string(mysql.orders.over().orders),
          "",
          "",
          ""};
}

// The first column is a name, the others are numbers.
void append_cells(std::string& out, const Cells& cells,
                  const std::array<size_t, kColumns>& widths) {
  for (size_t i = 0; i < kColumns; ++i) {
    const std::string padding(widths[i] - cells[i].size(), ' ');
    const bool left = i == 0 || i + 1 == kColumns;
    out += left ? cells[i] + padding : "  " + padding + cells[i];
    if (i + 2 == kColumns) out += "  ";
  }
  while (out.ends_with(' ')) out.pop_back();
  out += '\n';
}

void append_words(std::string& out, const ItemComparison& item) {
  for (const Difference& one : item.differences) {
    out += "    " + std::string(name_of(one.side)) + ": " + one.text;
    out += one.fixable ? "" : " (--fix leaves it)";
    out += '\n';
  }
  for (const std::string& what : item.uncompared) out += "    not compared: " + what + "\n";
  for (const std::string& note : item.notes) out += "    " + note + "\n";
}

std::string summary_line(const Comparison& comparison) {
  const Sums sums = sums_of(comparison);
  std::string line = plural(comparison.items.size(), "item") + ": ";
  line += sums.differ == 0 && sums.unknown > 0 ? "none differs"
          : sums.differ == 0                   ? "all agree"
          : sums.differ == 1                   ? "1 differs"
                                               : std::to_string(sums.differ) + " differ";
  if (sums.unknown > 0) line += "; " + std::to_string(sums.unknown) + " cannot be compared";
  line += "; " + plural(sums.waiting, "record") + " waiting to be drained, " +
          plural(sums.dead, "order") + " dead-lettered";
  if (!comparison.retired.empty()) {
    line += "; not compared: " + plural(comparison.retired.size(), "item") +
            " retired from the journal";
  }
  return line + "\n";
}

std::string fix_lines(const FixReport& fix) {
  if (!fix.tried) return "";
  std::string lines =
      "fix: MySQL: " + plural(fix.orders, "order") + " and " + plural(fix.items.size(), "item") +
      " put right; Redis: " + plural(fix.rebuilt.size(), "item") + " rebuilt by the proxies\n";
  if (!fix.not_rebuilt.empty()) {
    lines += "fix: Redis: " + plural(fix.not_rebuilt.size(), "item") +
             " not rebuilt yet; are all proxies that sold them running?\n";
  }
  if (fix.without_fields > 0) {
    lines +=
        "fix: without the FIELDS that they may have had: " + plural(fix.without_fields, "order") +
        ", whose segments are deleted\n";
  }
  for (const std::string& refused : fix.refused) lines += "fix: MySQL refused " + refused + "\n";
  return lines;
}

json::object sales_json(const Sales& sales) {
  return {{"given", sales.given},
          {"sold", sales.sold()},
          {"left", sales.left()},
          {"orders", live(sales)},
          {"paid_orders", sales.paid.orders},
          {"expired_orders", sales.expired.orders},
          {"expired_units", sales.expired.units},
          {"cancelled_orders", sales.cancelled.orders},
          {"cancelled_units", sales.cancelled.units}};
}

json::value redis_json(const ItemComparison& item) {
  if (!item.redis.exists) return nullptr;
  const RedisItem& redis = item.redis;
  const int64_t stock = redis.state.stock, sold = redis.state.sold;
  const auto of_state = [&](int64_t number) {
    return redis.edited.empty() ? json::value(number) : json::value(nullptr);
  };
  json::object object{{"given", of_state(stock)},
                      {"sold", of_state(sold)},
                      {"left", of_state(stock - sold)},
                      {"unjournaled_batches", item.unjournaled}};
  if (redis.buyers) {
    for (const auto& [name, value] : sales_json(*redis.buyers)) {
      if (!object.contains(name)) object[name] = value;
    }
  }
  return object;
}

json::value mysql_json(const MysqlItem& mysql) {
  json::object object = sales_json(mysql.orders);
  object["sold"] = mysql.has_row ? json::value(mysql.sold) : json::value(nullptr);
  object["given"] = mysql.has_row ? json::value(mysql.stock) : json::value(nullptr);
  object["left"] = mysql.has_row ? json::value(mysql.stock - mysql.sold) : json::value(nullptr);
  return object;
}

json::array strings_json(const std::vector<std::string>& strings) {
  return json::array(strings.begin(), strings.end());
}

json::object item_json(const ItemComparison& item) {
  const Sales& all = item.journal.all;
  const Sales& drained = item.journal.drained;
  json::array differences;
  for (const Difference& one : item.differences) {
    json::array ids;
    for (const uint64_t order_id : one.orders.first) ids.emplace_back(std::to_string(order_id));
    differences.push_back(json::object{{"side", one.side == Side::kRedis ? "redis" : "mysql"},
                                       {"kind", one.kind},
                                       {"text", one.text},
                                       {"fixable", one.fixable},
                                       {"orders", one.orders.orders},
                                       {"order_ids", std::move(ids)}});
  }
  json::array notes;
  for (const std::string& note : item.notes) notes.emplace_back(note);
  return {{"item", item.name},
          {"agrees", item.differences.empty() && item.uncompared.empty()},
          {"cannot_be_compared", strings_json(item.uncompared)},
          {"journal", sales_json(all)},
          {"redis", redis_json(item)},
          {"mysql", mysql_json(item.mysql)},
          {"waiting", json::object{{"records", item.journal.waiting},
                                   {"orders", all.bought.orders - drained.bought.orders},
                                   {"units", all.bought.units - drained.bought.units}}},
          {"dead_lettered", json::object{{"orders", item.mysql.dead.bought.orders},
                                         {"units", item.mysql.dead.bought.units}}},
          {"differences", std::move(differences)},
          {"notes", std::move(notes)}};
}

}  // namespace

std::string table_text(const Comparison& comparison, const FixReport& fix) {
  std::vector<std::pair<Cells, const ItemComparison*>> rows;  // with whose words follow the row
  rows.push_back(
      {{"item", "given", "sold", "left", "orders", "cancelled", "waiting", "dead-lettered", ""},
       nullptr});
  for (const ItemComparison& item : comparison.items) {
    const bool differs = !item.differences.empty();
    rows.push_back({journal_cells(item), differs ? nullptr : &item});
    if (!differs) continue;
    rows.push_back({redis_cells(item), nullptr});
    rows.push_back({mysql_cells(item), &item});
  }
  std::array<size_t, kColumns> widths{};
  for (const auto& [cells, item] : rows) {
    for (size_t i = 0; i < kColumns; ++i) widths[i] = std::max(widths[i], cells[i].size());
  }
  std::string out;
  for (const auto& [cells, item] : rows) {
    append_cells(out, cells, widths);
    if (item != nullptr) append_words(out, *item);
  }
  const Sums sums = sums_of(comparison);
  for (const uint64_t journal_id : comparison.journals_not_given) {
    out += "note: journal " + std::to_string(journal_id) +
           " has drained into this database too; the files of its proxy are not given\n";
  }
  for (const std::string& name : comparison.retired_but_there) {
    out += name +
           ": cannot be compared: a journal has retired its part of it, and Redis or MySQL's "
           "items still has it; SECKILL.DELETE takes it away\n";
  }
  out += fix_lines(fix) + summary_line(comparison);
  if (sums.fixable > 0 && !fix.tried) {
    out += "The journal's figures are believed; --fix repairs what they prove.\n";
  }
  return out;
}

std::string json_text(const Comparison& comparison, const FixReport& fix) {
  const Sums sums = sums_of(comparison);
  json::array items;
  for (const ItemComparison& item : comparison.items) items.push_back(item_json(item));
  json::array not_given;
  for (const uint64_t id : comparison.journals_not_given)
    not_given.emplace_back(std::to_string(id));
  json::object object{{"items", std::move(items)},
                      {"retired", strings_json(comparison.retired)},
                      {"journals_not_given", std::move(not_given)}};
  if (fix.tried) {
    object["fix"] = json::object{{"mysql_orders", fix.orders},
                                 {"mysql_orders_without_fields", fix.without_fields},
                                 {"mysql_items", strings_json(fix.items)},
                                 {"redis_items", strings_json(fix.rebuilt)},
                                 {"redis_items_not_rebuilt", strings_json(fix.not_rebuilt)},
                                 {"refused", strings_json(fix.refused)}};
  }
  object["summary"] = json::object{{"items", comparison.items.size()},
                                   {"differ", sums.differ},
                                   {"cannot_be_compared", sums.unknown},
                                   {"waiting_records", sums.waiting},
                                   {"dead_lettered_orders", sums.dead}};
  return json::serialize(object) + "\n";
}

}  // namespace sluice::ctl
