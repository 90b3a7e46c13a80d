// The SECKILL commands as COMMAND, COMMAND INFO and COMMAND DOCS describe them.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace sluice::proxy::front {

struct SaleDoc {
  std::string_view name;  // lower case, with the dot
  int arity;              // as Redis counts: exact, or at least the absolute value
  bool writes;
  std::string_view summary;
};

std::span<const SaleDoc> sale_docs();
// The doc of "seckill.buy" or "SECKILLBUY"; null if there is none.
const SaleDoc* find_sale_doc(std::string_view name);

// `name` is the form that the client asked for.
void append_command_info(std::string& out, const SaleDoc& doc, std::string_view name, int protocol);
void append_command_docs(std::string& out, const SaleDoc& doc, std::string_view name, int protocol);

}  // namespace sluice::proxy::front
