#include "proxy/front/transaction.h"

#include <algorithm>
#include <utility>

#include "proxy/front/pause.h"
#include "resp/reply_scanner.h"
#include "resp/request_parser.h"

namespace sluice::proxy::front {

void Transaction::queued(Change change, size_t bytes) {
  changes_.push_back({commands_, std::move(change)});
  bytes_ += bytes;
  queued(1);
}

void Transaction::note(CommandKind kind, std::span<const std::string_view> args,
                       const upstream::CommandCatalog* catalog) {
  constexpr size_t kNameMax = 64;
  if (writes_) return;
  if (catalog != nullptr || unjudged_.size() == kUnjudgedMax) {
    writes_ = front::may_write(kind, args, catalog);
    return;
  }
  std::vector<std::string> words;
  for (const std::string_view arg : args.first(std::min<size_t>(args.size(), 2)))
    words.emplace_back(arg.substr(0, kNameMax));
  unjudged_.push_back(std::move(words));
}

bool Transaction::may_write(const upstream::CommandCatalog* catalog) {
  if (writes_ || (catalog == nullptr && !unjudged_.empty())) return true;
  for (const auto& words : std::exchange(unjudged_, {})) {
    const std::vector<std::string_view> args(words.begin(), words.end());
    writes_ = writes_ || front::may_write(classify(args[0]), args, catalog);
  }
  return writes_;
}

void Transaction::may_select(int64_t database, int64_t current) {
  if (databases_.empty()) databases_.push_back(current);
  if (std::find(databases_.begin(), databases_.end(), database) != databases_.end()) return;
  databases_.push_back(database);
  bytes_ += sizeof(database);
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
