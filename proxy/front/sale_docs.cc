#include "proxy/front/sale_docs.h"

#include "proxy/front/command_table.h"
#include "resp/writer.h"

namespace sluice::proxy::front {
namespace {

constexpr SaleDoc kDocs[] = {
    {"seckill.create", -4, true, "Creates an item with its stock, limit and time window."},
    {"seckill.restock", -3, true, "Adds to the stock of an item, also while it sells."},
    {"seckill.buy", -3, true, "Buys: decided at once, answered when the order is recorded."},
    {"seckill.cancel", -4, true, "Cancels an order; its stock comes back once."},
    {"seckill.order", -4, false, "Looks an order up by its id or by its request id."},
    {"seckill.stock", 2, false, "Stock, sold, remaining, limit, window and state of an item."},
    {"seckill.list", -1, false, "Names of the items, in portions."},
    {"seckill.close", 2, true, "Closes an item: nobody buys until it is reopened."},
    {"seckill.reopen", 2, true, "Opens a closed item again."},
    {"seckill.flush", -1, true, "Drains the journal into the database now."},
    {"seckill.pause", 2, true, "Pauses the intake of purchases, or the flushing."},
    {"seckill.resume", 2, true, "Ends SECKILL.PAUSE."},
    {"seckill.status", 1, false, "What the proxy is doing, as names and values."},
    {"seckill.waitdb", 5, false, "Waits until an order is in the database."},
    {"seckill.help", 1, false, "The SECKILL commands and their arguments."},
};

constexpr size_t kDot = 7;  // its place in "seckill.buy"

void append_set_header(std::string& out, size_t elements, int protocol) {
  if (protocol < 3) return resp::append_array_header(out, elements);
  out += "~" + std::to_string(elements) + "\r\n";
}

}  // namespace

std::span<const SaleDoc> sale_docs() { return kDocs; }

const SaleDoc* find_sale_doc(std::string_view name) {
  for (const SaleDoc& doc : kDocs) {
    if (equals_ignoring_case(doc.name, name)) return &doc;
    const bool undotted = name.size() + 1 == doc.name.size() &&
                          equals_ignoring_case(doc.name.substr(0, kDot), name.substr(0, kDot)) &&
                          equals_ignoring_case(doc.name.substr(kDot + 1), name.substr(kDot));
    if (undotted) return &doc;
  }
  return nullptr;
}

// Ten fields, as COMMAND INFO of Redis 7.0 has them. No key positions: an item is not a key.
void append_command_info(std::string& out, const SaleDoc& doc, std::string_view name,
                         int protocol) {
  resp::append_array_header(out, 10);
  resp::append_bulk(out, name);
  resp::append_integer(out, doc.arity);
  append_set_header(out, 2, protocol);
  resp::append_simple(out, doc.writes ? "write" : "readonly");
  resp::append_simple(out, "fast");
  for (int i = 0; i < 3; ++i) resp::append_integer(out, 0);
  append_set_header(out, 2, protocol);
  resp::append_simple(out, doc.writes ? "@write" : "@read");
  resp::append_simple(out, "@fast");
  resp::append_array_header(out, 0);
  resp::append_array_header(out, 0);
  resp::append_array_header(out, 0);
}

void append_command_docs(std::string& out, const SaleDoc& doc, std::string_view name,
                         int protocol) {
  resp::append_bulk(out, name);
  resp::append_map_header(out, 4, protocol);
  resp::append_bulk(out, "summary");
  resp::append_bulk(out, doc.summary);
  resp::append_bulk(out, "since");
  resp::append_bulk(out, "0.1.0");
  resp::append_bulk(out, "group");
  resp::append_bulk(out, "module");
  resp::append_bulk(out, "module");
  resp::append_bulk(out, "sluice");
}

}  // namespace sluice::proxy::front
