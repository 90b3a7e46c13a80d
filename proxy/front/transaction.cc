#include "proxy/front/transaction.h"

#include <utility>

#include "resp/reply_scanner.h"
#include "resp/request_parser.h"

namespace sluice::proxy::front {

void Transaction::queued(Change change, size_t bytes) {
  changes_.push_back({commands_, std::move(change)});
  bytes_ += bytes;
  queued(1);
}

std::string Transaction::finish(std::string_view reply, const bool& muted) const {
  const size_t header_end = reply.find("\r\n");
  int64_t elements = -1;
  const bool ran = reply.starts_with('*') && header_end != std::string_view::npos &&
                   resp::parse_strict_integer(reply.substr(1, header_end - 1), elements) &&
                   elements == static_cast<int64_t>(commands_);
  if (!ran) return std::string(reply);  // an error, or null: a watched key has changed
  std::string out(reply.substr(0, header_end + 2));
  std::string_view rest = reply.substr(header_end + 2);
  resp::ReplyScanner scanner;
  auto next = changes_.begin();
  for (size_t i = 0; i < commands_; ++i) {
    auto slice = scanner.scan(rest, 1);
    while (slice.push) {  // no element
      out.append(rest.substr(0, slice.bytes));
      rest.remove_prefix(slice.bytes);
      slice = scanner.scan(rest, 1);
    }
    const std::string_view element = rest.substr(0, slice.bytes);
    rest.remove_prefix(slice.bytes);
    if (next == changes_.end() || next->index != i) {
      if (!muted) out.append(element);
      continue;
    }
    const std::string changed = next->change(element);
    ++next;
    if (!muted) out.append(changed);
  }
  if (!muted) out.append(rest);
  return out;
}

}  // namespace sluice::proxy::front
