// JSON text of records and their fields, for the column `fields` and for the dead letters.
//
// A field's value may be any bytes, JSON text may not. A value that is valid UTF-8 becomes a JSON
// string; any other becomes the object {"base64": "…"} with all its bytes, which no string can be
// mistaken for. A field given twice appears once, with its last value.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "journal/record.h"

namespace sluice::orders {

// RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
bool is_utf8(std::string_view text);

void append_base64(std::string& out, std::string_view bytes);

// "create", "buy", …
std::string_view type_word(journal::RecordType type);

// Appends `"text"`, escaped. `text` must be UTF-8.
void append_json_string(std::string& out, std::string_view text);

// Appends the object of all fields that `left_out` does not name; nothing at all if none is left.
void append_json_fields(std::string& out, std::string_view fields,
                        const std::function<bool(std::string_view)>& left_out);

// A record with all that it holds: {"type":"buy","sequence":7,…}.
std::string record_json(const journal::Record& record);

// Reads back what record_json wrote for a kBuy; kCorrupt for anything else. Views in `record` point
// into `storage`.
Result<journal::Record> parse_record_json(std::string_view json, std::string& storage);

}  // namespace sluice::orders
