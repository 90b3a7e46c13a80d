#include "resp/writer.h"

#include "base/decimal.h"

namespace sluice::resp {
namespace {

void append_line(std::string& out, char type, int64_t number) {
  char text[24];
  text[0] = type;
  char* end = base::put_decimal(text + 1, number);
  *end++ = '\r';
  *end++ = '\n';
  out.append(text, static_cast<size_t>(end - text));
}

}  // namespace

void append_simple(std::string& out, std::string_view text) {
  out.push_back('+');
  out.append(text).append("\r\n");
}

void append_error(std::string& out, std::string_view text) {
  out.push_back('-');
  for (char c : text) out.push_back(c == '\r' || c == '\n' ? ' ' : c);
  out.append("\r\n");
}

void append_integer(std::string& out, int64_t value) { append_line(out, ':', value); }

void append_bulk(std::string& out, std::string_view bytes) {
  append_line(out, '$', static_cast<int64_t>(bytes.size()));
  out.append(bytes).append("\r\n");
}

void append_null(std::string& out, int version) { out.append(version >= 3 ? "_\r\n" : "$-1\r\n"); }

void append_array_header(std::string& out, size_t elements) {
  append_line(out, '*', static_cast<int64_t>(elements));
}

void append_map_header(std::string& out, size_t pairs, int version) {
  if (version >= 3)
    append_line(out, '%', static_cast<int64_t>(pairs));
  else
    append_array_header(out, pairs * 2);
}

void append_verbatim(std::string& out, std::string_view text, int version) {
  if (version < 3) return append_bulk(out, text);
  append_line(out, '=', static_cast<int64_t>(text.size() + 4));
  out.append("txt:").append(text).append("\r\n");
}

void append_command(std::string& out, std::span<const std::string_view> args) {
  append_array_header(out, args.size());
  for (std::string_view arg : args) append_bulk(out, arg);
}

}  // namespace sluice::resp
