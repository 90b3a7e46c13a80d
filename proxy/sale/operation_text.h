// How an operation's numbers and texts are written in a script's arguments and receipts, and how
// they are read back.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "proxy/sale/operation.h"

namespace sluice::proxy::sale {

// Removes and returns the text up to the separator (or to the end).
std::string_view take_until(std::string_view& text, char separator);

// Removes and returns the line up to the newline. False: there is none.
bool take_line(std::string_view& text, std::string_view& line);

// "quantity,order,request", which is also how a buyer's field begins; of a creation or change
// "limit,start,end,hold,born-low,born-high"; of a reopening or a deletion its number. Halves, since
// Lua's numbers end at 2^53.
void append_operation_text(std::string& out, const Operation& op);
// Into all of that but the quantity, which stands elsewhere too.
bool parse_operation_text(std::string_view text, Operation& op);

// The user's word of an operation on the item as such. '/' is in no user's name.
std::string item_user(Verb verb);

// The FIELDS of all operations as a MessagePack array; nothing if none has any.
void append_details(std::string& out, const std::vector<Operation>& operations);
bool parse_details(std::string_view text, std::vector<Operation>& operations);

}  // namespace sluice::proxy::sale
