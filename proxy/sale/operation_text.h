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

// Appends, as a MessagePack string, "quantity,order,request"; as text, since Lua's numbers end at
// 2^53. Also how a buyer's field begins.
void append_order_text(std::string& out, const Operation& op);
// Reads it into order and request; the quantity has a column of its own.
bool parse_order_text(std::string_view text, Operation& op);

// The user's column of an operation on the item as such. '/' is in no user's name.
std::string item_user(Verb verb);

// The FIELDS of all operations as a MessagePack array; empty if none has any.
std::string encode_details(const std::vector<Operation>& operations);

}  // namespace sluice::proxy::sale
