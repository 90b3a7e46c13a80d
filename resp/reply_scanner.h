// Finds where replies end in the byte stream that Redis sends, RESP2 and RESP3, without keeping or
// copying a byte: a reply of 500 MiB passes through in the chunks in which it arrives.
//
// Iterative: nesting costs 16 bytes a level, and beyond kDepthMax nothing. Resumable at every byte.
// Specification: https://github.com/redis/redis-specifications (protocol/RESP3.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace sluice::resp {

class ReplyScanner {
 public:
  // Replies that are nested deeper are said to be, and end where they end; but a streamed aggregate
  // down there breaks the stream.
  static constexpr size_t kDepthMax = 128;

  struct Slice {
    size_t bytes = 0;    // belong together, from the front of the chunk
    size_t replies = 0;  // that end within these bytes (of a push: 1 when it is whole)
    bool push = false;   // the bytes are of one out-of-band push, not of replies
    bool deep = false;   // of a reply nested deeper than kDepthMax
    bool broken = false; // not RESP: the stream is lost, the connection must be closed; no scan
                         // takes anything any more
  };

  // Takes from `chunk` the bytes of up to `replies_max` (>= 1) replies, the last one perhaps only
  // in part, or else of one push. Call again with the rest of the chunk.
  Slice scan(std::string_view chunk, size_t replies_max);

  // Redis sends pushes also within an aggregate (a subscriber's own PUBLISH in its MULTI). They are
  // no elements of it; but those that answer a SUBSCRIBE in MULTI are.
  void count_inner_pushes(bool count) { inner_pushes_count_ = count; }

  // No reply and no push has been begun without being ended.
  bool at_border() const { return at_border_; }

  void reset();

 private:
  enum class Step { kType, kNumber, kLine, kBulk };
  struct Frame {
    int64_t left;    // elements still to come; of a streamed aggregate: -1
    bool attribute;  // or another that is no element of the one around it: one follows
  };

  size_t take(std::string_view rest);
  size_t take_number(std::string_view rest);
  void begin(char type);
  void number_ended();
  void open_aggregate(int64_t elements, bool attribute);
  void element_ended();

  Step step_ = Step::kType;
  char type_ = 0;
  bool at_border_ = true;
  bool push_ = false;
  bool deep_ = false;
  bool reply_ended_ = false;
  bool broken_ = false;
  bool inner_pushes_count_ = false;
  bool negative_ = false;  // of the number being read
  bool streamed_ = false;  // '?' stood in its place
  bool in_streamed_string_ = false;
  int digits_ = 0;
  int64_t number_ = 0;
  int64_t bulk_left_ = 0;  // bytes, with the closing CRLF
  std::vector<Frame> frames_;
};

}  // namespace sluice::resp
