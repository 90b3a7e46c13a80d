// Input: commands as a client sends them.
//
// What is accepted is within the documented limits and fits into a journal record: it reads back
// as it was written.
#include <string>

#include "base/error.h"
#include "fuzz/input.h"
#include "fuzz/targets.h"
#include "journal/record.h"
#include "proxy/sale/command.h"
#include "resp/request_parser.h"

namespace sluice::fuzz {
namespace {

using proxy::sale::Operation;
using proxy::sale::Verb;

constexpr size_t kNameBytesMax = 64;
constexpr size_t kFieldsMax = 32;
constexpr size_t kFieldValueBytesMax = 1024;
constexpr int64_t kQuantityMax = INT32_MAX;
constexpr std::string_view kNameLetters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:_.-";

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= kNameBytesMax &&
         text.find_first_not_of(kNameLetters) == std::string_view::npos;
}

void check_fields(std::string_view fields) {
  std::string_view name, value;
  size_t count = 0;
  for (; journal::take_field(fields, name, value); ++count)
    SLUICE_ASSERT(is_name(name) && value.size() <= kFieldValueBytesMax, "a field beyond its limit");
  SLUICE_ASSERT(fields.empty() && count <= kFieldsMax, "fields that do not read back");
}

void check_operation(const Operation& op) {
  SLUICE_ASSERT(is_name(op.item), "an item that is no name");
  SLUICE_ASSERT(op.user.empty() || is_name(op.user), "a user that is no name");
  SLUICE_ASSERT(op.request.empty() || is_name(op.request), "a REQ that is no name");
  const bool takes_quantity = op.verb == Verb::kBuy || op.verb == Verb::kCreate;
  SLUICE_ASSERT(!takes_quantity || (op.quantity >= 1 && op.quantity <= kQuantityMax),
                "a quantity out of range");
  SLUICE_ASSERT(op.verb != Verb::kBuy || !op.user.empty(), "a purchase of nobody");
  SLUICE_ASSERT(op.limit >= 0 && op.limit <= kQuantityMax, "a limit out of range");
  SLUICE_ASSERT(op.end_ms == 0 || op.start_ms < op.end_ms, "an end before the start");
  check_fields(op.fields);
}

void check_journaled(const Operation& op) {
  journal::Record record;
  record.item = op.item;
  record.user = op.user;
  record.request = op.request;
  record.quantity = op.quantity;
  record.fields = op.fields;
  std::string bytes;
  journal::append_record(bytes, record);
  std::string_view left = bytes;
  const auto read = journal::take_record(left);
  SLUICE_ASSERT(read.ok() && *read == record && left.empty(), "a record that does not read back");
}

}  // namespace

void purchase_command(std::string_view input) {
  const ExactCopy copy(input);
  const resp::RequestLimits limits;
  resp::RequestParser parser(limits);
  std::string_view left = copy.view();
  while (parser.parse(left) == resp::RequestParser::State::kCommand) {
    const auto args = parser.args();
    const auto* spec = proxy::sale::find_command(args[0]);
    if (spec != nullptr && proxy::sale::check_arity(*spec, args.size()) && args.size() > 1) {
      const auto op = proxy::sale::parse_operation(*spec, args);
      if (op) {
        check_operation(*op);
        check_journaled(*op);
      } else {
        SLUICE_ASSERT(!op.error().message().empty(), "refused without a word");
      }
    }
    left.remove_prefix(parser.consumed());
    parser.next();
  }
}

}  // namespace sluice::fuzz
