#include "proxy/front/reply_rewrite.h"

#include <cstdint>
#include <vector>

#include "proxy/front/command_table.h"
#include "proxy/front/sale_docs.h"
#include "resp/names.h"
#include "resp/reply_scanner.h"
#include "resp/request_parser.h"
#include "resp/writer.h"

namespace sluice::proxy::front {
namespace {

struct Header {
  char type = 0;
  int64_t number = 0;
  std::string_view rest;  // behind the line
};

bool read_header(std::string_view reply, Header& header) {
  const size_t end = reply.find("\r\n");
  if (end == std::string_view::npos || end < 2) return false;
  header.type = reply[0];
  header.rest = reply.substr(end + 2);
  return resp::parse_strict_integer(reply.substr(1, end - 1), header.number) &&
         header.number >= 0;
}

std::string undotted(std::string_view name) {
  std::string out(name);
  out.erase(out.find('.'), 1);
  return out;
}

// Calls `append(doc, name)` for both forms of every command; returns how many.
template <class Append>
size_t for_each_form(Append append) {
  for (const sale::CommandSpec& doc : sale::command_specs()) {
    append(doc, doc.name);
    append(doc, undotted(doc.name));
  }
  return sale::command_specs().size() * 2;
}

// Redis has arrays of commands, arrays or sets of names, and maps of docs (RESP2: arrays of pairs).
bool has_shape_of(CommandRewrite what, const Header& header) {
  switch (what) {
    case CommandRewrite::kInfo:
    case CommandRewrite::kInfoOfNames: return header.type == '*';
    case CommandRewrite::kNames: return header.type == '*' || header.type == '~';
    case CommandRewrite::kDocs:
    case CommandRewrite::kDocsOfNames:
      return header.type == '%' || (header.type == '*' && header.number % 2 == 0);
    case CommandRewrite::kCount:
    case CommandRewrite::kNone: break;
  }
  return false;
}

// Redis knows nothing of our names: where it said null, our entry goes.
std::string fill_nulls(const Header& header, std::span<const std::string> names, int protocol) {
  std::string out;
  resp::append_array_header(out, static_cast<size_t>(header.number));
  std::string_view rest = header.rest;
  resp::ReplyScanner scanner;
  for (size_t i = 0; i < static_cast<size_t>(header.number) && !rest.empty(); ++i) {
    const auto slice = scanner.scan(rest, 1);
    if (slice.broken) return out.append(rest);
    const sale::CommandSpec* doc = i < names.size() ? sale::find_command(names[i]) : nullptr;
    if (doc != nullptr)
      append_command_info(out, *doc, resp::lower(names[i]), protocol);
    else
      out.append(rest.substr(0, slice.bytes));
    rest.remove_prefix(slice.bytes);
  }
  return out;
}

std::string add_docs(const Header& header, std::span<const std::string> names, bool all,
                     int protocol) {
  std::string added;
  size_t count = 0;
  const auto append = [&](const sale::CommandSpec& doc, std::string_view name) {
    append_command_docs(added, doc, name, protocol);
  };
  if (all) count = for_each_form(append);
  for (const std::string& name : names) {
    if (const sale::CommandSpec* doc = sale::find_command(name)) {
      append(*doc, resp::lower(name));
      ++count;
    }
  }
  const size_t pairs = static_cast<size_t>(header.type == '%' ? header.number : header.number / 2);
  std::string out;
  resp::append_map_header(out, pairs + count, header.type == '%' ? 3 : 2);
  out.append(header.rest);
  return out + added;
}

}  // namespace

std::string with_header(std::string_view section_lines) {
  if (section_lines.starts_with("#")) return std::string(section_lines);
  return "# Sluice\r\n" + std::string(section_lines);
}

std::string add_info_section(std::string_view reply, std::string_view section) {
  Header header;
  if (!read_header(reply, header) || (header.type != '$' && header.type != '='))
    return std::string(reply);
  const size_t size = static_cast<size_t>(header.number);
  if (header.rest.size() != size + 2) return std::string(reply);
  std::string body(header.rest.substr(0, size));
  const bool verbatim = header.type == '=';
  if (verbatim) body.erase(0, 4);  // "txt:"
  if (!body.empty()) body += "\r\n";
  body += section;
  std::string out;
  resp::append_verbatim(out, body, verbatim ? 3 : 2);
  return out;
}

CommandRewrite command_rewrite(std::span<const std::string_view> args) {
  if (args.size() == 1) return CommandRewrite::kInfo;
  const bool more = args.size() > 2;
  if (resp::equals_ignoring_case(args[1], "info"))
    return more ? CommandRewrite::kInfoOfNames : CommandRewrite::kInfo;
  if (resp::equals_ignoring_case(args[1], "docs"))
    return more ? CommandRewrite::kDocsOfNames : CommandRewrite::kDocs;
  if (resp::equals_ignoring_case(args[1], "count") && !more) return CommandRewrite::kCount;
  if (resp::equals_ignoring_case(args[1], "list") && !more) return CommandRewrite::kNames;
  return CommandRewrite::kNone;
}

std::string add_commands(CommandRewrite what, std::span<const std::string> names,
                         std::string_view reply, int protocol) {
  Header header;
  if (!read_header(reply, header)) return std::string(reply);
  if (what == CommandRewrite::kCount) {
    const int64_t ours = static_cast<int64_t>(sale::command_specs().size() * 2);
    if (header.type != ':' || header.number > INT64_MAX - ours) return std::string(reply);
    std::string out;
    resp::append_integer(out, header.number + ours);
    return out;
  }
  if (!has_shape_of(what, header)) return std::string(reply);
  if (what == CommandRewrite::kInfoOfNames) return fill_nulls(header, names, protocol);
  if (what == CommandRewrite::kDocs) return add_docs(header, {}, true, protocol);
  if (what == CommandRewrite::kDocsOfNames) return add_docs(header, names, false, protocol);
  std::string added;
  const size_t count = for_each_form([&](const sale::CommandSpec& doc, std::string_view name) {
    if (what == CommandRewrite::kNames)
      resp::append_bulk(added, name);
    else
      append_command_info(added, doc, name, protocol);
  });
  std::string out(1, header.type);
  out += std::to_string(static_cast<size_t>(header.number) + count) + "\r\n";
  out.append(header.rest);
  return out + added;
}

std::string append_names(std::string_view reply, std::span<const std::string_view> names) {
  Header header;
  if (!read_header(reply, header) || header.type != '*') return std::string(reply);
  std::string out;
  resp::append_array_header(out, static_cast<size_t>(header.number) + names.size());
  out.append(header.rest);
  for (const std::string_view name : names) resp::append_bulk(out, name);
  return out;
}

}  // namespace sluice::proxy::front
