#include "proxy/sale/command_docs.h"

#include <algorithm>

#include "base/error.h"

namespace sluice::proxy::sale {
namespace {

using Kind = CommandKind;

constexpr CommandDocs::Reply kNoItem = {"[\"NOITEM\"]", "there is no such item"};
constexpr CommandDocs::Reply kNoOrder = {"[\"NOORDER\"]",
                                         "there is no such order of this user for this item"};

std::vector<CommandDocs> docs_of_items() {
  return {
      {Kind::kCreate,
       "O(1)",
       "STOCK: units to sell, 1 to 2147483647. LIMIT: units that a buyer may have, 0 to "
       "2147483647. "
       "START, END: milliseconds since 1970; END is later than START. HOLD: milliseconds that an "
       "order may stay unpaid, up to 31536000000 (a year). 0, or not given: none.",
       {{"OK", "it is made, or is there with the same settings"},
        {"-EXISTS", "it is there with other settings, or is being deleted"},
        {"-BUSY", "limits.items is reached, too"}}},
      {Kind::kChange,
       "O(1)",
       "At least one setting; what is not given stays. LIMIT, START, END and HOLD as in "
       "SECKILL.CREATE; 0: none from now on. A HOLD counts for the orders that wait for their "
       "payment, too.",
       {{"OK", "changed"}, kNoItem, {"-ERR", "END would not be later than START"}}},
      {Kind::kRestock,
       "O(1)",
       "delta: -2147483647 to 2147483647, not 0. REQ: the idempotency key; the same REQ adds once.",
       {{"[\"OK\", remaining]", "done, or done before with this REQ"},
        kNoItem,
        {"-ERR", "less than 0 would remain, or the stock be over 2147483647"}}},
      {Kind::kStock,
       "O(1)",
       "",
       {{"name and value, in turn",
         "item, stock, sold, remaining, limit, start, end, state (open or closed), and hold if it "
         "has one"},
        kNoItem}},
      {Kind::kList,
       "O(COUNT)",
       "CURSOR: 0 (default), or what the last call replied. COUNT: about how many items, 10 by "
       "default. An item may come twice, as in SCAN.",
       {{"[cursor, [item, …]]", "cursor \"0\": that was all"}}},
      {Kind::kClose, "O(1)", "", {{"OK", "closed, or was so before"}, kNoItem}},
      {Kind::kReopen,
       "O(1)",
       "",
       {{"OK", "open, or was so before"},
        kNoItem,
        {"-ERR", "it was closed longer ago than journal.retain"}}},
      {Kind::kDelete,
       "O(receipts of the item)",
       "",
       {{"OK", "gone; its orders stay in MySQL"},
        {"[\"OPEN\"]", "it can still sell: close it first, or wait for its END"},
        {"[\"PENDING\", records]",
         "MySQL lacks so many records of it, or another proxy has not followed: ask again"},
        kNoItem}},
  };
}

std::vector<CommandDocs> docs_of_orders() {
  return {
      {Kind::kBuy,
       "O(1)",
       "QTY: units, 1 (default) to 2147483647. REQ: the idempotency key, within one item and user: "
       "the same REQ gets the same order, for as long as the item exists; what was refused is "
       "decided anew. FIELDS: at most 32 names and values (any bytes, at most 1024 each) that come "
       "into the order's row; takes the rest of the command.",
       {{"[\"OK\", order_id, remaining, durability]",
         "bought, or bought before with this REQ. durability: memory, disk, or database"},
        {"[\"SOLDOUT\", remaining]", "fewer than QTY are left"},
        {"[\"LIMIT\", bought, order_id]",
         "the buyer would have more than LIMIT; has so many, and this order last"},
        {"[\"CANCELLED\", order_id]", "the order of this REQ was cancelled or has expired"},
        {"[\"NOTSTARTED\", start]", "it opens at that time, milliseconds since 1970"},
        {"[\"ENDED\", end]", "it has ended at that time"},
        {"[\"CLOSED\"]", "an operator has closed it"},
        kNoItem}},
      {Kind::kPay,
       "O(1)",
       "order_id: as SECKILL.BUY replied it. REQ: the idempotency key of the payment.",
       {{"[\"OK\"]", "paid, or paid before with this REQ"},
        {"[\"ALREADY\"]", "it was paid before"},
        {"[\"EXPIRED\"]", "it was not paid within HOLD; its stock has gone back"},
        {"[\"CANCELLED\"]", "it was cancelled"},
        kNoOrder}},
      {Kind::kCancel,
       "O(1)",
       "order_id: as SECKILL.BUY replied it. REQ: the idempotency key of the cancel. REFUND: a "
       "paid "
       "order, too.",
       {{"[\"OK\", remaining]", "cancelled; its stock has come back, once"},
        {"[\"ALREADY\"]", "it was cancelled before, or has expired"},
        {"[\"PAID\"]", "it is paid: only with REFUND"},
        kNoOrder}},
      {Kind::kOrder,
       "O(1)",
       "order_id: as SECKILL.BUY replied it; or the REQ that it was bought with.",
       {{"[\"FOUND\", order_id, user, qty, status, durability]",
         "status: placed, paid, cancelled, expired, or deadletter while MySQL refuses it"},
        kNoOrder}},
      {Kind::kWaitDb,
       "O(1)",
       "order_id: as SECKILL.BUY replied it. ms: how long to wait at most, 0 to 3600000.",
       {{"[\"OK\"]", "it is a row of MySQL"},
        {"[\"DEADLETTER\", code, text]", "MySQL refuses it, with this error"},
        {"[\"TIMEOUT\"]", "it is no row yet"},
        kNoOrder}},
  };
}

std::vector<CommandDocs> docs_of_operators() {
  return {
      {Kind::kFlush,
       "O(1) here; the flusher drains all that waits",
       "WAIT: milliseconds to wait at most, 0 to 3600000, until all that was accepted before is in "
       "MySQL.",
       {{"OK", "the flusher was told; with WAIT: all of it are rows"},
        {"[\"DEADLETTERS\", n]", "all is drained, but so many orders MySQL refuses"},
        {"[\"BLOCKED\", reason]", "the flusher cannot go on, and why"},
        {"[\"TIMEOUT\", records]", "so many are left"},
        {"-ERR", "the flusher does not answer, or refuses; its words"}}},
      {Kind::kPause,
       "O(1)",
       "INTAKE: purchases get -BUSY, until a restart at most. FLUSH: the drain, over restarts.",
       {{"OK", "paused"}, {"-ERR", "the flusher does not answer, or refuses; its words"}}},
      {Kind::kResume,
       "O(1)",
       "INTAKE or FLUSH: as in SECKILL.PAUSE.",
       {{"OK", "it goes on"}, {"-ERR", "the flusher does not answer, or refuses; its words"}}},
      {Kind::kStatus,
       "O(1)",
       "",
       {{"name and value, in turn", "intake, drain, backlog, counters"}}},
      {Kind::kSlowLog,
       "O(entries)",
       "count: 10 by default, -1: all. From how long on an operation is slow: "
       "slowlog.log_slower_than; how many are kept: slowlog.max_len.",
       {{"[entry, …]", "GET: as SLOWLOG GET of Redis, the latest first"},
        {"an integer", "LEN: how many there are"},
        {"OK", "RESET: all are forgotten"}}},
      {Kind::kHelp, "O(1)", "", {{"[line, …]", "each command with its syntax and summary"}}},
  };
}

const std::vector<CommandDocs>& all_docs() {
  static const std::vector<CommandDocs> docs = [] {
    std::vector<CommandDocs> all = docs_of_items();
    for (const auto& part : {docs_of_orders(), docs_of_operators()})
      all.insert(all.end(), part.begin(), part.end());
    return all;
  }();
  return docs;
}

}  // namespace

const CommandDocs& docs_of(CommandKind kind) {
  const auto& docs = all_docs();
  const auto found = std::find_if(docs.begin(), docs.end(),
                                  [kind](const CommandDocs& each) { return each.kind == kind; });
  SLUICE_ASSERT(found != docs.end(), "a SECKILL command has no row here");
  return *found;
}

std::vector<std::vector<std::string>> command_facts() {
  std::vector<std::vector<std::string>> facts;
  for (const CommandSpec& spec : command_specs()) {
    const CommandDocs& docs = docs_of(spec.kind);
    facts.push_back({"verb", std::string(spec.name), std::string(spec.syntax),
                     std::string(spec.summary), std::string(docs.arguments),
                     std::string(docs.complexity), spec.writes ? "writes" : ""});
    for (const auto& [shape, meaning] : docs.replies)
      facts.push_back({"reply", std::string(shape), std::string(meaning)});
  }
  return facts;
}

}  // namespace sluice::proxy::sale
