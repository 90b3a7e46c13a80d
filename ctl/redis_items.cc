#include "ctl/redis_items.h"

#include <algorithm>

#include "base/decimal.h"

namespace sluice::ctl {
namespace {

constexpr size_t kPipelineItems = 256;
constexpr std::string_view kScanCount = "1000";

std::string key_of(const std::string& item, std::string_view part) {
  return "sluice:{" + item + "}:" + std::string(part);
}

std::string_view take_until(std::string_view& text, std::string_view separators) {
  const size_t end = std::min(text.find_first_of(separators), text.size());
  const std::string_view token = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return token;
}

// An edited number is as wrong as any other: 0, which then differs.
void read_field(RedisItem& item, std::string_view field, std::string_view value) {
  uint32_t lane = 0;
  if (field == "stock") {
    item.exists = true;
    base::parse_decimal(value, item.stock);
  } else if (field == "sold") {
    base::parse_decimal(value, item.sold);
  } else if (field == "wait") {
    while (value.starts_with(',')) value.remove_prefix(1);
    while (value.ends_with(',')) value.remove_suffix(1);
    item.waits_for = value;
  } else if (field.starts_with("lane:") && base::parse_decimal(field.substr(5), lane)) {
    base::parse_decimal(value, item.lanes[lane]);
  } else if (field.starts_with("journal:") && base::parse_decimal(field.substr(8), lane)) {
    item.journals[lane] = value;
  }
}

bool add_order(Sales& buyers, std::string_view user, std::string_view order,
               std::string_view quantity, bool cancelled) {
  uint64_t order_id = 0;
  int64_t units = 0;
  if (!base::parse_decimal(order, order_id) || !base::parse_decimal(quantity, units)) return false;
  buyers.bought.add(order_id, user, units);
  if (cancelled) buyers.cancelled.add(order_id, user, units);
  return true;
}

}  // namespace

// "qty,order,request[,c[,request]][;live,last]" under the buyer's name; "qty,request[,c[,request]]"
// under "user/o/order"; "user/r/request" only points to an order, and "user/x/order" is a cancel
// that waits for an order of another lane. (conf/purchase.lua, conf/replay.lua)
bool add_buyer_field(Sales& buyers, std::string_view field, std::string_view value) {
  const std::string_view user = take_until(field, "/");
  std::string_view first = take_until(value, ";");
  const std::string_view quantity = take_until(first, ",");
  if (field.empty()) {
    const std::string_view order = take_until(first, ",");
    take_until(first, ",");  // the request
    return add_order(buyers, user, order, quantity, first.starts_with('c'));
  }
  const std::string_view kind = take_until(field, "/");
  if (kind == "r" || kind == "x") return true;
  take_until(first, ",");
  return kind == "o" && add_order(buyers, user, field, quantity, first.starts_with('c'));
}

Result<std::vector<std::string>> RedisItems::names() {
  std::vector<std::string> names;
  std::string cursor = "0";
  do {
    const auto reply = redis_.call({"SSCAN", "sluice:items", cursor, "COUNT", kScanCount});
    if (!reply) return reply.error();
    if (reply->size() != 2) break;
    cursor = reply->at(0).text();
    const RedisReply found = reply->at(1);
    for (size_t i = 0; i < found.size(); ++i) names.emplace_back(found.at(i).text());
  } while (cursor != "0");
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

void RedisItems::send_read(const std::string& name, std::span<const uint32_t> lanes) {
  redis_.send({"MULTI"});
  redis_.send({"HGETALL", key_of(name, "item")});
  redis_.send({"HLEN", key_of(name, "buyers")});
  for (const uint32_t lane : lanes) {
    redis_.send({"LLEN", key_of(name, "receipts:" + std::to_string(lane))});
  }
  redis_.send({"EXEC"});
}

Result<RedisItem> RedisItems::take_read(std::span<const uint32_t> lanes) {
  for (size_t i = 0; i < 3 + lanes.size(); ++i) {  // OK, and QUEUED for each
    if (const auto queued = redis_.read(); !queued) return queued.error();
  }
  const auto reply = redis_.read();
  if (!reply) return reply.error();
  RedisItem item;
  const RedisReply fields = reply->at(0);  // a key of another type: an error, and no item
  for (size_t i = 0; i + 1 < fields.size(); i += 2) {
    read_field(item, fields.at(i).text(), fields.at(i + 1).text());
  }
  item.buyer_fields = static_cast<uint64_t>(reply->at(1).integer());
  for (size_t i = 0; i < lanes.size(); ++i) {
    item.receipts[lanes[i]] = static_cast<uint64_t>(reply->at(2 + i).integer());
  }
  return item;
}

Result<std::vector<RedisItem>> RedisItems::read(std::span<const std::string> names,
                                                std::span<const uint32_t> lanes) {
  std::vector<RedisItem> items;
  while (items.size() < names.size()) {
    const size_t begin = items.size();
    const size_t end = std::min(begin + kPipelineItems, names.size());
    for (size_t i = begin; i < end; ++i) send_read(names[i], lanes);
    for (size_t i = begin; i < end; ++i) {
      auto item = take_read(lanes);
      if (!item) return item.error();
      items.push_back(std::move(*item));
    }
  }
  return items;
}

// Returns how many fields came. HSCAN gives every field that stays there at least once; one that
// comes twice makes the number differ from HLEN.
Result<uint64_t> RedisItems::scan_buyers(const std::string& name, Sales& buyers) {
  const std::string key = key_of(name, "buyers");
  uint64_t fields = 0;
  std::string cursor = "0";
  do {
    const auto reply = redis_.call({"HSCAN", key, cursor, "COUNT", kScanCount});
    if (!reply) return reply.error();
    if (reply->size() != 2) break;
    cursor = reply->at(0).text();
    const RedisReply found = reply->at(1);
    for (size_t i = 0; i + 1 < found.size(); i += 2) {
      // A field of no known form is an edit: it counts as an order that no journal has.
      const std::string_view field = found.at(i).text();
      if (!add_buyer_field(buyers, field, found.at(i + 1).text())) buyers.bought.add(0, field, 0);
      ++fields;
    }
  } while (cursor != "0");
  return fields;
}

Status RedisItems::read_buyers(const std::string& name, std::span<const uint32_t> lanes,
                               RedisItem& item) {
  constexpr int kAttempts = 3;
  for (int i = 0; i < kAttempts; ++i) {
    Sales buyers;
    auto fields = scan_buyers(name, buyers);
    if (!fields && fields.error().cls() != ErrorClass::kRefused) return fields.error();
    if (!fields) fields = uint64_t{0};  // a key of another type: nobody has bought
    const auto after = read(std::span(&name, 1), lanes);
    if (!after) return after.error();
    if ((*after)[0].lanes != item.lanes) return {};  // sold meanwhile: nothing to compare with
    if ((*after)[0].buyer_fields != *fields || item.buyer_fields != *fields) continue;
    buyers.given = item.stock;
    item.buyers = buyers;
    return {};
  }
  return {};
}

Status RedisItems::ask_rebuild(const std::string& name) {
  const auto flagged = redis_.call({"HDEL", key_of(name, "item"), "check"});
  if (!flagged) return flagged.error();
  const auto waiting = redis_.call({"SADD", "sluice:waiting", name});
  return waiting ? Status() : Status(waiting.error());
}

}  // namespace sluice::ctl
