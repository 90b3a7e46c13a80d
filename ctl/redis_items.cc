#include "ctl/redis_items.h"

#include <algorithm>
#include <utility>

#include "base/decimal.h"
#include "shelves/shelf_of.h"

namespace sluice::ctl {
namespace {

constexpr size_t kPipelineItems = 256;
constexpr std::string_view kScanCount = "1000";

std::string_view take_until(std::string_view& text, std::string_view separators) {
  const size_t end = std::min(text.find_first_of(separators), text.size());
  const std::string_view token = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return token;
}

// "1,2" of ",1,2,".
std::string_view bare(std::string_view list) {
  while (list.starts_with(',')) list.remove_prefix(1);
  while (list.ends_with(',')) list.remove_suffix(1);
  return list;
}

std::string forget_field(uint32_t lane) { return "@forget:" + std::to_string(lane); }

// "sequence journal incarnation". An edited number is as wrong as any other: 0, which then differs.
void read_lane(RedisItem& item, uint32_t lane, std::string_view value) {
  if (value.empty()) return;
  base::parse_decimal(take_until(value, " "), item.lanes[lane]);
  item.journals[lane] = take_until(value, " ");
}

void read_packed(RedisItem& item, std::string_view packed) {
  item.exists = true;
  item.packed = packed;
  auto state = shelves::unpack(packed);
  if (state) {
    item.state = *state;
  } else {
    item.edited = state.error().message();
  }
}

// "qty,…" and the fate (packed_item.lua), from behind the quantity on.
bool read_order(BuyerField& order, std::string_view id, std::string_view quantity,
                std::string_view rest) {
  order.kind = BuyerField::Kind::kOrder;
  order.request = take_until(rest, ",");
  const std::string_view fate = take_until(rest, ",");
  order.status_request = rest;
  for (const orders::OrderStatus status : orders::kOrderStatuses) {
    if (!fate.empty() && word_of(status).starts_with(fate.front()) && fate.size() == 1)
      order.status = status;
  }
  return base::parse_decimal(id, order.order_id) && base::parse_decimal(quantity, order.quantity);
}

// A key of another type holds nothing of the sale; any other refusal is one.
bool is_of_another_type(const Error& error) {
  return error.cls() == ErrorClass::kRefused &&
         error.message().find("WRONGTYPE") != std::string::npos;
}

}  // namespace

// "qty,order,request", fate and "[;live,last]" under the buyer's name; "qty,request" and fate under
// "user/o/order"; "user/r/request" only points to an order, "user/x/order" is the fate of an order
// that another lane has yet to bring; "/" is there with the item, "/r/request" of a restock.
// (proxy/sale/scripts/purchase.lua, replay.lua)
std::optional<BuyerField> parse_buyer_field(std::string_view field, std::string_view value) {
  BuyerField found;
  if (field == "/") return found;
  found.user = take_until(field, "/");
  std::string_view first = take_until(value, ";");
  const std::string_view quantity = take_until(first, ",");
  if (field.empty()) {
    const std::string_view order = take_until(first, ",");
    return read_order(found, order, quantity, first) ? std::optional(found) : std::nullopt;
  }
  const std::string_view kind = take_until(field, "/");
  if (kind == "o" && read_order(found, field, quantity, first)) return found;
  if (kind != "r" && kind != "x") return std::nullopt;
  if (kind == "r" && found.user.empty()) {
    found.kind = BuyerField::Kind::kRestock;
    found.request = field;
  }
  return found;
}

bool add_buyer_field(Sales& buyers, std::string_view field, std::string_view value) {
  const auto found = parse_buyer_field(field, value);
  if (!found || found->kind != BuyerField::Kind::kOrder) return found.has_value();
  Tally one;
  one.add(found->order_id, found->user, found->quantity);
  buyers.bought += one;
  if (found->status != orders::OrderStatus::kPlaced) of_status(buyers, found->status) += one;
  return true;
}

// "sequence bytes bytes …"; one of no bytes only keeps the list.
void add_receipt(Receipts& receipts, std::string_view text) {
  std::string_view rest = text;
  uint64_t sequence = 0;
  if (!base::parse_decimal(take_until(rest, " "), sequence)) return;
  receipts[sequence] = rest.starts_with("0 0 ") ? std::string_view() : text;
}

// A proxy that sells has been through the gates of all shelves, but for a moment after a flush. So
// the first one almost always tells.
Result<uint32_t> shelf_count(RedisConnection& redis) {
  uint32_t count = 0;
  for (uint32_t begin = 0, end = 1; begin < shelves::kCountMax && count == 0;
       begin = std::exchange(end, shelves::kCountMax)) {
    for (uint32_t shelf = begin; shelf < end; ++shelf)
      redis.send({"HGET", shelves::shelf_key(shelf), "@shelves"});
    std::optional<Error> refused;  // every reply is to be read
    for (uint32_t shelf = begin; shelf < end; ++shelf) {
      const auto reply = redis.read();
      uint32_t found = 0;
      if (!reply && !is_of_another_type(reply.error())) refused = reply.error();
      if (reply && base::parse_decimal(reply->text(), found) && found <= shelves::kCountMax)
        count = found;
    }
    if (refused) return *refused;
  }
  return count;
}

uint32_t RedisItems::shelf_of(std::string_view name) const {
  return shelves::shelf_of(name, shelves_);
}

Status RedisItems::scan_names(uint32_t shelf, std::vector<std::string>& names) {
  std::string cursor = "0";
  do {
    const auto reply =
        redis_.call({"HSCAN", shelves::shelf_key(shelf), cursor, "COUNT", kScanCount});
    if (!reply) return is_of_another_type(reply.error()) ? Status() : Status(reply.error());
    if (reply->size() != 2) break;
    cursor = reply->at(0).text();
    const RedisReply found = reply->at(1);
    for (size_t i = 0; i + 1 < found.size(); i += 2) {
      const std::string_view field = found.at(i).text();
      if (!field.starts_with(shelves::kOwnField)) names.emplace_back(field);
    }
  } while (cursor != "0");
  return {};
}

Result<std::vector<std::string>> RedisItems::names() {
  std::vector<std::string> names;
  for (uint32_t shelf = 0; shelf < shelves_; ++shelf) SLUICE_TRY(scan_names(shelf, names));
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

// Those that are known on the shelves of these items, and those asked for.
Result<RedisItems::LanesByShelf> RedisItems::lanes_by_shelf(std::span<const std::string> names,
                                                            std::span<const uint32_t> lanes) {
  std::map<uint32_t, std::set<uint32_t>> known;
  for (const std::string& name : names) known[shelf_of(name)].insert(lanes.begin(), lanes.end());
  for (const auto& [shelf, unused] : known) {
    redis_.send({"HGET", shelves::shelf_key(shelf), "@lanes"});
  }
  LanesByShelf by_shelf;
  std::optional<Error> refused;  // every reply is to be read
  for (auto& [shelf, of_shelf] : known) {
    const auto reply = redis_.read();
    if (!reply && !is_of_another_type(reply.error())) refused = reply.error();
    std::string_view list = reply ? bare(reply->text()) : std::string_view();
    while (!list.empty()) {
      uint32_t lane = 0;
      if (base::parse_decimal(take_until(list, ","), lane)) of_shelf.insert(lane);
    }
    by_shelf[shelf].assign(of_shelf.begin(), of_shelf.end());
  }
  if (refused) return *refused;
  return by_shelf;
}

void RedisItems::send_read(const std::string& name, std::span<const uint32_t> lanes) {
  const uint32_t shelf = shelf_of(name);
  const std::string key = shelves::shelf_key(shelf);
  std::vector<std::string> fields{name, "@wait"};
  for (const uint32_t lane : lanes) {
    fields.push_back(shelves::lane_field(std::to_string(lane)));
    fields.push_back(forget_field(lane));
  }
  std::vector<std::string_view> words{"HMGET", key};
  words.insert(words.end(), fields.begin(), fields.end());
  redis_.send({"MULTI"});
  redis_.send(words);
  redis_.send({"HLEN", shelves::buyers_key(shelf, name)});
  for (const uint32_t lane : lanes) {
    redis_.send({"LLEN", shelves::receipts_key(shelf, std::to_string(lane))});
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
  item.buyer_fields = static_cast<uint64_t>(reply->at(1).integer());
  for (size_t i = 0; i < lanes.size(); ++i) {
    item.receipts[lanes[i]] = static_cast<uint64_t>(reply->at(2 + i).integer());
  }
  const RedisReply fields = reply->at(0);
  if (fields.size() != 2 + 2 * lanes.size()) return item;  // a key of another type: no item
  if (!fields.at(0).is_nil()) read_packed(item, fields.at(0).text());
  item.waits_for = bare(fields.at(1).text());
  for (size_t i = 0; i < lanes.size(); ++i) {
    read_lane(item, lanes[i], fields.at(2 + 2 * i).text());
    if (!fields.at(3 + 2 * i).is_nil()) item.given_up.insert(lanes[i]);
  }
  return item;
}

Result<std::vector<RedisItem>> RedisItems::read(std::span<const std::string> names,
                                                std::span<const uint32_t> lanes) {
  const auto by_shelf = lanes_by_shelf(names, lanes);
  if (!by_shelf) return by_shelf.error();
  const auto lanes_of = [&](const std::string& name) -> std::span<const uint32_t> {
    return by_shelf->at(shelf_of(name));
  };
  std::vector<RedisItem> items;
  while (items.size() < names.size()) {
    const size_t begin = items.size();
    const size_t end = std::min(begin + kPipelineItems, names.size());
    for (size_t i = begin; i < end; ++i) send_read(names[i], lanes_of(names[i]));
    for (size_t i = begin; i < end; ++i) {
      auto item = take_read(lanes_of(names[i]));
      if (!item) return item.error();
      items.push_back(std::move(*item));
    }
  }
  return items;
}

// Returns how many fields came. HSCAN gives every field that stays there at least once; one that
// comes twice makes the number differ from HLEN.
Result<uint64_t> RedisItems::scan_buyers(
    const std::string& name,
    const std::function<void(std::string_view field, std::string_view value)>& visit) {
  const std::string key = shelves::buyers_key(shelf_of(name), name);
  uint64_t fields = 0;
  std::string cursor = "0";
  do {
    const auto reply = redis_.call({"HSCAN", key, cursor, "COUNT", kScanCount});
    if (!reply) return reply.error();
    if (reply->size() != 2) break;
    cursor = reply->at(0).text();
    const RedisReply found = reply->at(1);
    for (size_t i = 0; i + 1 < found.size(); i += 2) {
      visit(found.at(i).text(), found.at(i + 1).text());
      ++fields;
    }
  } while (cursor != "0");
  return fields;
}

// Whatever changes an item's buyers changes its packed form: a purchase adds fields, and a cancel
// alone takes from what is sold.
Status RedisItems::read_buyers(const std::string& name, RedisItem& item) {
  constexpr int kAttempts = 3;
  for (int i = 0; i < kAttempts; ++i) {
    Sales buyers;
    auto fields = scan_buyers(name, [&](std::string_view field, std::string_view value) {
      // One of no known form is an edit: it counts as an order that no journal has.
      if (!add_buyer_field(buyers, field, value)) buyers.bought.add(0, field, 0);
    });
    if (!fields && !is_of_another_type(fields.error())) return fields.error();
    if (!fields) fields = uint64_t{0};  // nobody has bought
    const auto after = read(std::span(&name, 1), {});
    if (!after) return after.error();
    if ((*after)[0].packed != item.packed) return {};  // sold meanwhile: nothing to compare with
    if ((*after)[0].buyer_fields != *fields || item.buyer_fields != *fields) continue;
    buyers.given = item.state.stock;
    item.buyers = buyers;
    return {};
  }
  return {};
}

Status RedisItems::visit_buyers(const std::string& name,
                                const std::function<void(const BuyerField&)>& visit) {
  const auto fields = scan_buyers(name, [&](std::string_view field, std::string_view value) {
    if (const auto found = parse_buyer_field(field, value)) visit(*found);
  });
  if (fields || is_of_another_type(fields.error())) return {};
  return fields.error();
}

Result<Receipts> RedisItems::receipts(uint32_t shelf, uint32_t lane) {
  const std::string key = shelves::receipts_key(shelf, std::to_string(lane));
  const auto reply = redis_.call({"LRANGE", key, "0", "-1"});
  Receipts receipts;
  if (!reply && !is_of_another_type(reply.error())) return reply.error();
  for (size_t i = 0; reply && i < reply->size(); ++i) add_receipt(receipts, reply->at(i).text());
  return receipts;
}

// The gate that finds the field takes all items away. It is asked by the next purchase, and by the
// beat of a proxy that is idle, since both find an epoch that is not theirs.
Status RedisItems::ask_rebuild(uint32_t shelf) {
  const std::string key = shelves::shelf_key(shelf);
  redis_.send({"MULTI"});
  redis_.send({"HSET", key, "@rebuild", "1"});
  redis_.send({"HINCRBY", key, "@epoch", "1"});
  redis_.send({"EXEC"});
  std::optional<Error> refused;
  for (int i = 0; i < 4; ++i) {
    if (const auto reply = redis_.read(); !reply) refused = reply.error();
  }
  return refused ? Status(*refused) : Status();
}

}  // namespace sluice::ctl
