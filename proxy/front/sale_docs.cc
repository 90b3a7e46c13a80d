#include "proxy/front/sale_docs.h"

#include "proxy/front/permission.h"
#include "resp/writer.h"

namespace sluice::proxy::front {
namespace {

void append_set_header(std::string& out, size_t elements, int protocol) {
  if (protocol < 3) return resp::append_array_header(out, elements);
  out += "~" + std::to_string(elements) + "\r\n";
}

}  // namespace

// Ten fields, as COMMAND INFO of Redis 7.0 has them. No key positions: an item is not a key.
void append_command_info(std::string& out, const sale::CommandSpec& spec, std::string_view name,
                         int protocol) {
  resp::append_array_header(out, 10);
  resp::append_bulk(out, name);
  resp::append_integer(out, spec.arity());
  append_set_header(out, 2, protocol);
  resp::append_simple(out, spec.writes ? "write" : "readonly");
  resp::append_simple(out, "fast");
  for (int i = 0; i < 3; ++i) resp::append_integer(out, 0);
  const auto categories = sale_categories(spec);
  append_set_header(out, categories.size(), protocol);
  for (std::string_view category : categories)
    resp::append_simple(out, "@" + std::string(category));
  resp::append_array_header(out, 0);
  resp::append_array_header(out, 0);
  resp::append_array_header(out, 0);
}

void append_command_docs(std::string& out, const sale::CommandSpec& spec, std::string_view name,
                         int protocol) {
  resp::append_bulk(out, name);
  resp::append_map_header(out, 4, protocol);
  resp::append_bulk(out, "summary");
  resp::append_bulk(out, spec.summary);
  resp::append_bulk(out, "since");
  resp::append_bulk(out, "0.1.0");
  resp::append_bulk(out, "group");
  resp::append_bulk(out, "module");
  resp::append_bulk(out, "module");
  resp::append_bulk(out, "sluice");
}

}  // namespace sluice::proxy::front
