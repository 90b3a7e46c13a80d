// Appends RESP values to a buffer. What differs between the protocols takes the version (2 or 3).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace sluice::resp {

void append_simple(std::string& out, std::string_view text);  // +text
// -text; line breaks inside become spaces, so that no text can forge a second reply.
void append_error(std::string& out, std::string_view text);
void append_integer(std::string& out, int64_t value);
void append_bulk(std::string& out, std::string_view bytes);
void append_null(std::string& out, int version);  // RESP2: $-1
void append_array_header(std::string& out, size_t elements);
// A map of `pairs`; RESP2: an array of twice as many elements.
void append_map_header(std::string& out, size_t pairs, int version);
// Text for people; RESP2: a bulk string.
void append_verbatim(std::string& out, std::string_view text, int version);
// A request as clients send it: an array of bulk strings.
void append_command(std::string& out, std::span<const std::string_view> args);

}  // namespace sluice::resp
