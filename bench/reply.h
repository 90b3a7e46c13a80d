// What a load generator needs to know of a RESP reply: where it ends and how it turned out.
//
// Independent of resp/ on purpose: the benchmark must not share a parser with the program that it
// measures, and it needs no values, only lengths. Reads RESP2 and RESP3.
#pragma once

#include <cstddef>
#include <string_view>

namespace sluice::bench {

inline constexpr size_t kReplyMalformed = static_cast<size_t>(-1);

// The length of the first whole reply in `bytes`; 0 if more bytes are needed, kReplyMalformed if
// no reply can begin like this.
size_t scan_reply(std::string_view bytes);

enum class OutcomeKind { kAccepted, kRefused, kError };

// `name` is "OK", the outcome ("SOLDOUT") or the error's prefix ("BUSY"); a view into the reply.
struct Outcome {
  OutcomeKind kind;
  std::string_view name;
};

// Of one whole reply: an error is an error, an array whose first element is a string other than OK
// is refused, everything else is accepted.
Outcome outcome_of(std::string_view reply);

// Element `index` of an array of simple values (no nesting before it), as text; empty if absent.
std::string_view array_element(std::string_view reply, size_t index);

}  // namespace sluice::bench
