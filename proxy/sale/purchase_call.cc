#include "proxy/sale/purchase_call.h"

#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>
#include <numeric>
#include <utility>

#include "base/error.h"
#include "proxy/sale/msgpack.h"
#include "proxy/sale/operation_text.h"
#include "proxy/sale/order_ids.h"
#include "shelves/shelf_of.h"

namespace sluice::proxy::sale {
namespace {

constexpr int64_t kTimeMax = int64_t{1} << 53;  // Lua's numbers end there

// What the receipt tells of an item that went as foreseen: what remained before, and born.
std::string foreseen_text(const shelves::PackedItem& before) {
  const uint64_t numbers[] = {uint64_t{before.stock} - before.sold, before.born};
  return std::string(reinterpret_cast<const char*>(numbers), sizeof numbers);
}

// Of the ids that the batch gives out: without the proxy, as they are compared between two of them.
std::string lowest_id(const std::vector<Operation>& operations) {
  uint64_t lowest = kTimeMax - 1;
  for (const Operation& op : operations) {
    if (op.verb == Verb::kBuy) lowest = std::min(lowest, OrderIds::place_of(op.order_id));
  }
  return std::to_string(lowest);
}

std::string encode_meta(int64_t time_ms, const std::vector<Operation>& operations,
                        std::string_view kinds, std::span<const ItemForecast> forecasts,
                        const std::vector<size_t>& lengths, const CallPayload& payload) {
  const auto items = static_cast<uint32_t>(lengths.size());
  std::string out;
  append_array_header(out, kMetaColumns);
  append_integer(out, time_ms);
  append_array_header(out, items);
  for (const std::string_view item : payload.items) append_string(out, item);
  append_array_header(out, items);
  for (const size_t length : lengths) append_integer(out, static_cast<int64_t>(length));
  append_string(out, kinds);
  append_array_header(out, static_cast<uint32_t>(operations.size()));
  for (const Operation& op : operations) append_integer(out, op.quantity);
  append_array_header(out, items);
  for (size_t k = 0; k < items; ++k) {
    const bool foreseen = k < forecasts.size() && forecasts[k].foreseen;
    append_string(out, foreseen ? foreseen_text(forecasts[k].before) : "");
  }
  return out;
}

void encode_forecasts(CallPayload& payload, std::span<const ItemForecast> forecasts) {
  payload.before.resize(payload.items.size());
  payload.after.resize(payload.items.size());
  int64_t from_ms = 0, until_ms = kTimeMax;
  for (size_t k = 0; k < forecasts.size(); ++k) {
    const ItemForecast& forecast = forecasts[k];
    if (!forecast.foreseen) continue;
    payload.before[k] = shelves::pack(forecast.before);
    payload.after[k] = shelves::pack(forecast.after());
    from_ms = std::max(from_ms, forecast.before.start_ms);
    if (forecast.before.end_ms != 0) until_ms = std::min(until_ms, forecast.before.end_ms);
  }
  if (from_ms != 0 || until_ms != kTimeMax)
    payload.window = std::to_string(from_ms) + " " + std::to_string(until_ms);
}

}  // namespace

size_t run_length(std::span<const Operation> operations) {
  const auto end = std::find_if(operations.begin(), operations.end(), [&](const Operation& op) {
    return op.item != operations.front().item;
  });
  return static_cast<size_t>(end - operations.begin());
}

std::vector<size_t> run_lengths(std::span<const Operation> operations) {
  std::vector<size_t> lengths;
  while (!operations.empty()) {
    lengths.push_back(run_length(operations));
    operations = operations.subspan(lengths.back());
  }
  return lengths;
}

void group_by_item(std::vector<Operation>& operations) {
  if (run_length(operations) == operations.size()) return;     // of one item, as most batches are
  boost::unordered_flat_map<std::string_view, size_t> groups;  // by item; in order of appearance
  std::vector<size_t> group_of, next;  // of each operation; of each group, where its next one goes
  for (const Operation& op : operations) {
    const size_t group = groups.try_emplace(op.item, groups.size()).first->second;
    group_of.push_back(group);
    next.resize(groups.size());
    ++next[group];
  }
  std::exclusive_scan(next.begin(), next.end(), next.begin(), size_t{0});
  std::vector<Operation> grouped(operations.size());
  for (size_t i = 0; i < operations.size(); ++i) {
    grouped[next[group_of[i]]++] = std::move(operations[i]);
  }
  operations = std::move(grouped);
}

std::string kinds_text(std::span<const Operation> operations) {
  constexpr char kToLowerCase = 'a' - 'A';
  std::string kinds;
  kinds.reserve(operations.size());
  while (!operations.empty()) {
    const auto of_item = operations.first(run_length(operations));
    boost::unordered_flat_set<std::string_view> users(of_item.size());
    for (const Operation& op : of_item) {
      const bool first = of_item.size() == 1 || users.insert(op.user).second;
      kinds += static_cast<char>(static_cast<char>(op.verb) + (first ? 0 : kToLowerCase));
    }
    operations = operations.subspan(of_item.size());
  }
  return kinds;
}

shelves::PackedItem ItemForecast::after() const {
  shelves::PackedItem item = before;
  item.sold += units;
  item.fields += buyers;
  return item;
}

CallPayload encode_call(int64_t time_ms, const std::vector<Operation>& operations,
                        std::string_view kinds, std::span<const ItemForecast> forecasts) {
  const std::vector<size_t> lengths = run_lengths(operations);
  CallPayload payload;
  size_t first = 0;
  for (const size_t length : lengths) {
    payload.items.push_back(operations[first].item);
    payload.counts += {static_cast<char>(length & 0xff), static_cast<char>(length >> 8)};
    first += length;
  }
  payload.lowest = lowest_id(operations);
  encode_forecasts(payload, forecasts);
  std::string& out = payload.receipt;
  const auto end_word = [&] {
    payload.ends.push_back(static_cast<uint32_t>(out.size()));
    out += '\n';
  };
  out = encode_meta(time_ms, operations, kinds, forecasts, lengths, payload);
  end_word();
  for (const Operation& op : operations) {
    out += op.user.empty() ? item_user(op.verb) : op.user;
    end_word();
    append_operation_text(out, op);
    end_word();
  }
  append_details(out, operations);
  payload.ends.push_back(static_cast<uint32_t>(out.size()));
  return payload;
}

CallWords::CallWords(const CallTarget& target, const CallPayload& payload) {
  const size_t items = payload.items.size();
  const auto number = [](uint64_t value) { return std::to_string(value); };
  const std::string writer = " " + std::string(target.writer);
  const uint64_t next = target.lane_sequence + 1;
  owned_.reserve(items + 10);
  words_.reserve(5 * items + payload.ends.size() + 17);
  words_ = {"", "", own(number(2 + items)), own(shelves::shelf_key(target.shelf)),
            own(shelves::receipts_key(target.shelf, target.lane))};
  for (const std::string_view item : payload.items)
    words_.push_back(own(shelves::buyers_key(target.shelf, item)));
  const std::string& lane_field = own(shelves::lane_field(target.lane));
  words_.insert(words_.end(),
                {lane_field, own(number(target.epoch)), own(number(target.lane_sequence) + writer),
                 own(number(next - std::min(next, target.synced))), payload.window, payload.counts,
                 payload.lowest});
  words_.insert(words_.end(), payload.items.begin(), payload.items.end());
  words_.insert(words_.end(), payload.before.begin(), payload.before.end());
  for (size_t k = 0; k < items; ++k)
    words_.insert(words_.end(), {payload.items[k], payload.after[k]});
  words_.insert(words_.end(), {lane_field, own(number(next) + writer),
                               own(number(next) + " " + number(items) + " 0 " +
                                   number(target.synced) + " " + std::string(items, '='))});
  uint32_t from = 0;
  for (const uint32_t end : payload.ends) {
    words_.push_back(std::string_view(payload.receipt).substr(from, end - from));
    from = end + 1;
  }
}

const std::string& CallWords::own(std::string text) {
  SLUICE_ASSERT(owned_.size() < owned_.capacity(), "views into it stay good");
  return owned_.emplace_back(std::move(text));
}

const std::vector<std::string_view>& CallWords::with(std::string_view verb,
                                                     std::string_view script) {
  words_[0] = verb, words_[1] = script;
  return words_;
}

std::string item_operation_mark(Verb verb) { return "\n" + item_user(verb) + "\n"; }

}  // namespace sluice::proxy::sale
