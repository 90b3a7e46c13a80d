// Input: what a client sends, as it is.
//
// However the stream is cut, the same commands come out and the same error; a multibulk command's
// raw bytes are those that its arguments encode to.
#include "resp/request_parser.h"

#include <string>
#include <vector>

#include "base/error.h"
#include "fuzz/input.h"
#include "fuzz/targets.h"
#include "resp/writer.h"

namespace sluice::fuzz {
namespace {

using State = resp::RequestParser::State;

struct Outcome {
  std::vector<std::vector<std::string>> commands;
  std::string error;
  size_t left = 0;  // bytes behind the last command
};

// Which of the two "too long" errors is told may depend on how much of a line has arrived, as it
// does in Redis; that there is one may not.
bool same_error(const std::string& a, const std::string& b) {
  return a == b || (!a.empty() && !b.empty() && (a + b).find("too big") != std::string::npos);
}

// Forwarded as it came, Redis must read the same command: byte for byte what the arguments encode
// to, but for what stands in the place of a line end, which neither of us looks at.
void check_raw(const resp::RequestParser& parser) {
  if (parser.is_inline()) return;
  std::string encoded;
  resp::append_command(encoded, parser.args());
  const std::string_view raw = parser.raw();
  SLUICE_ASSERT(raw.size() == encoded.size(), "raw bytes of another length than the arguments'");
  for (size_t i = 0; i < raw.size(); ++i)
    SLUICE_ASSERT(raw[i] == encoded[i] || encoded[i] == '\r' || encoded[i] == '\n',
                  "other bytes than the arguments'");
}

Outcome feed(std::string_view stream, Pieces::Cut cut, const resp::RequestLimits& limits) {
  resp::RequestParser parser(limits);
  Pieces pieces(cut, stream);
  Outcome outcome;
  size_t begin = 0, end = 0;  // of what the parser is shown
  while (end < stream.size()) {
    end += pieces.next(stream.size() - end);
    // A new address each time: what the parser keeps must move along.
    const ExactCopy shown(stream.substr(begin, end - begin));
    size_t behind = 0;
    State state;
    while ((state = parser.parse(shown.view().substr(behind))) == State::kCommand) {
      SLUICE_ASSERT(!parser.args().empty(), "a command without a name");
      SLUICE_ASSERT(static_cast<int64_t>(parser.args().size()) <= limits.arguments_max ||
                        parser.is_inline(), "more arguments than the limit");
      check_raw(parser);
      outcome.commands.emplace_back(parser.args().begin(), parser.args().end());
      behind += parser.consumed();
      parser.next();
    }
    if (state == State::kError) {
      outcome.error = parser.error();
      SLUICE_ASSERT(!outcome.error.empty(), "an error without a text");
      return outcome;
    }
    begin += behind + parser.drop_skipped();
  }
  outcome.left = stream.size() - begin;
  return outcome;
}

}  // namespace

void request_parser(std::string_view input) {
  resp::RequestLimits narrow;
  narrow.arguments_max = 4;
  narrow.bulk_bytes_max = 16;
  narrow.line_bytes_max = 64;
  for (const resp::RequestLimits& limits : {resp::RequestLimits(), narrow}) {
    const Outcome whole = feed(input, Pieces::Cut::kWhole, limits);
    for (const Pieces::Cut cut : {Pieces::Cut::kBytes, Pieces::Cut::kRandom}) {
      const Outcome cut_up = feed(input, cut, limits);
      SLUICE_ASSERT(cut_up.commands == whole.commands, "other commands when the stream is cut");
      SLUICE_ASSERT(same_error(cut_up.error, whole.error), "another error when the stream is cut");
      SLUICE_ASSERT(cut_up.left == whole.left, "another rest when the stream is cut");
    }
  }
}

}  // namespace sluice::fuzz
