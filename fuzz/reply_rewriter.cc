// Input: '2' or '3', the protocol; a command line up to '\n'; then what Redis replies to it.
//
// A whole reply stays one whole reply, whatever our part is added to.
#include "proxy/front/reply_rewrite.h"

#include <string>
#include <vector>

#include "base/error.h"
#include "fuzz/input.h"
#include "fuzz/targets.h"
#include "resp/names.h"
#include "resp/reply_scanner.h"

namespace sluice::fuzz {
namespace {

std::vector<std::string_view> words(std::string_view line) {
  std::vector<std::string_view> found;
  while (!line.empty()) {
    const size_t end = std::min(line.find(' '), line.size());
    if (end > 0) found.push_back(line.substr(0, end));
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return found;
}

bool is_one_reply(std::string_view bytes) {
  resp::ReplyScanner scanner;
  const auto slice = scanner.scan(bytes, 2);
  return slice.bytes == bytes.size() && slice.replies == 1 && !slice.push && scanner.at_border();
}

std::string rewritten(const std::vector<std::string_view>& args, std::string_view reply,
                      int protocol) {
  using namespace proxy::front;
  if (args.empty() || !resp::equals_ignoring_case(args[0], "command"))
    return add_info_section(reply, with_header("purchases:1\r\n"));
  const CommandRewrite what = command_rewrite(args);
  if (what == CommandRewrite::kNone) return std::string(reply);
  const std::vector<std::string> names(args.begin() + std::min<size_t>(2, args.size()), args.end());
  return add_commands(what, names, reply, protocol);
}

}  // namespace

void reply_rewriter(std::string_view input) {
  const ExactCopy copy(input);
  std::string_view rest = copy.view();
  const int protocol = rest.starts_with('3') ? 3 : 2;
  if (!rest.empty()) rest.remove_prefix(1);
  const size_t line_end = std::min(rest.find('\n'), rest.size());
  const auto args = words(rest.substr(0, line_end));
  const std::string_view reply = rest.substr(std::min(line_end + 1, rest.size()));
  const std::string out = rewritten(args, reply, protocol);
  if (!is_one_reply(reply)) return;
  SLUICE_ASSERT(is_one_reply(out), "a whole reply became something else");
  SLUICE_ASSERT(reply[0] != '-' || out == reply, "an error of Redis was changed");
}

}  // namespace sluice::fuzz
