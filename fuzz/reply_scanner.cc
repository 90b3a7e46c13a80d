// Input: what Redis sends, as it is.
//
// However the stream is cut, replies and pushes end at the same places; and where a reply follows
// the specification to the letter, the scanner finds its end where a plain recursive reading does.
#include "resp/reply_scanner.h"

#include <string>
#include <vector>

#include "base/error.h"
#include "fuzz/input.h"
#include "fuzz/targets.h"
#include "resp/request_parser.h"

namespace sluice::fuzz {
namespace {

using resp::ReplyScanner;

struct End {
  size_t offset;
  bool push;
  bool operator==(const End&) const = default;
};

struct Outcome {
  std::vector<End> ends;
  bool broken = false;
  size_t scanned = 0;  // bytes taken until then
  bool at_border = true;
};

Outcome scan(std::string_view stream, Pieces::Cut cut) {
  ReplyScanner scanner;
  Pieces pieces(cut, stream);
  Outcome outcome;
  while (outcome.scanned < stream.size()) {
    const size_t size = pieces.next(stream.size() - outcome.scanned);
    const ExactCopy piece(stream.substr(outcome.scanned, size));
    for (size_t at = 0; at < size;) {
      const ReplyScanner::Slice slice = scanner.scan(piece.view().substr(at), 1);
      SLUICE_ASSERT(slice.bytes > 0 && at + slice.bytes <= size, "a slice of no or too many bytes");
      SLUICE_ASSERT(slice.replies <= 1, "more replies than were asked for");
      at += slice.bytes;
      if (slice.replies == 1) outcome.ends.push_back({outcome.scanned + at, slice.push});
      if (!slice.broken) continue;
      outcome.broken = true;
      outcome.scanned += at;
      return outcome;
    }
    outcome.scanned += size;
  }
  outcome.at_border = scanner.at_border();
  return outcome;
}

// The same in slices of several replies: nothing is lost or told twice.
void check_batches(std::string_view stream, const Outcome& expected) {
  ReplyScanner scanner;
  size_t at = 0, ends = 0;
  while (at < expected.scanned) {
    const ReplyScanner::Slice slice = scanner.scan(stream.substr(at), 3);
    SLUICE_ASSERT(slice.replies <= 3 && ends + slice.replies <= expected.ends.size(),
                  "more replies than there are");
    at += slice.bytes;
    for (size_t i = 0; i < slice.replies; ++i, ++ends)
      SLUICE_ASSERT(expected.ends[ends].push == slice.push && expected.ends[ends].offset <= at,
                    "a reply told before its end, or as what it is not");
  }
  SLUICE_ASSERT(ends == expected.ends.size(), "fewer replies than there are");
}

// A recursive reading of what RESP2 and RESP3 allow to the letter, streamed types left out.
class Reference {
 public:
  explicit Reference(std::string_view stream) : stream_(stream) {}

  // Behind the element at `at`; npos: not to the letter, not whole, or nested far too deeply.
  size_t end_of(size_t at, size_t depth) const {
    const size_t line_end = stream_.find("\r\n", at);
    if (line_end == std::string_view::npos) return line_end;
    const std::string_view line = stream_.substr(at + 1, line_end - at - 1);
    if (line.find_first_of("\r\n") != std::string_view::npos) return std::string_view::npos;
    const size_t behind = line_end + 2;
    const char type = stream_[at];
    if (std::string_view("+-:_#,(").find(type) != std::string_view::npos) return behind;
    int64_t count = 0;
    if (!resp::parse_strict_integer(line, count) || count > 1'000'000)
      return std::string_view::npos;
    if (count == -1 && (type == '$' || type == '*')) return behind;
    if (count < 0) return std::string_view::npos;
    const size_t size = static_cast<size_t>(count);
    switch (type) {
      case '$': case '=': case '!':
        return behind + size + 2 <= stream_.size() ? behind + size + 2 : std::string_view::npos;
      case '*': case '~': return end_of_elements(behind, size, depth);
      case '>': return depth == 0 ? end_of_elements(behind, size, depth) : std::string_view::npos;
      case '%': return end_of_elements(behind, size * 2, depth);
      case '|': {
        const size_t element = end_of_elements(behind, size * 2, depth);
        if (element >= stream_.size() || stream_[element] == '>') return std::string_view::npos;
        return end_of(element, depth);
      }
      default: return std::string_view::npos;
    }
  }

 private:
  static constexpr size_t kDepthMax = 2 * ReplyScanner::kDepthMax;

  size_t end_of_elements(size_t at, size_t count, size_t depth) const {
    if (count > 0 && depth == kDepthMax) return std::string_view::npos;
    for (size_t i = 0; i < count && at != std::string_view::npos; ++i)
      at = at < stream_.size() ? end_of(at, depth + 1) : std::string_view::npos;
    return at;
  }

  const std::string_view stream_;
};

}  // namespace

void reply_scanner(std::string_view input) {
  const Outcome whole = scan(input, Pieces::Cut::kWhole);
  for (const Pieces::Cut cut : {Pieces::Cut::kBytes, Pieces::Cut::kRandom}) {
    const Outcome cut_up = scan(input, cut);
    SLUICE_ASSERT(cut_up.ends == whole.ends, "replies end elsewhere when the stream is cut");
    SLUICE_ASSERT(cut_up.broken == whole.broken && cut_up.scanned == whole.scanned,
                  "the stream breaks elsewhere when it is cut");
    SLUICE_ASSERT(cut_up.at_border == whole.at_border, "another end when the stream is cut");
  }
  check_batches(input, whole);

  const Reference reference(input);
  size_t at = 0;
  for (size_t i = 0; at < input.size(); ++i) {
    const bool push = input[at] == '>';
    at = reference.end_of(at, 0);
    if (at == std::string_view::npos) return;
    SLUICE_ASSERT(i < whole.ends.size() && (whole.ends[i] == End{at, push}),
                  "a reply ends elsewhere than the specification says");
  }
}

}  // namespace sluice::fuzz
