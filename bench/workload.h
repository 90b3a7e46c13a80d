// What a load generator sends and how it judges the answers; load.h decides when and where.
//
// Requests are numbered from 0. The same number must always give the same bytes: a request that is
// sent again after a lost connection is the same purchase. Called on the generator's thread only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "bench/reply.h"

namespace sluice::bench {

class Workload {
 public:
  virtual ~Workload() = default;

  virtual void append_request(uint64_t index, std::string& out) = 0;
  // `reply` is one whole reply, valid during the call; so is the outcome's name after it.
  virtual Outcome judge(uint64_t index, std::string_view reply) = 0;
};

// Appends one command as a RESP array of bulk strings.
template <class... Words>
void append_command(std::string& out, const Words&... words) {
  const auto append_word = [&out](std::string_view word) {
    out += '$';
    out += std::to_string(word.size());
    out += "\r\n";
    out += word;
    out += "\r\n";
  };
  out += '*';
  out += std::to_string(sizeof...(words));
  out += "\r\n";
  (append_word(words), ...);
}

// A request encoded once, with places where a zero-padded decimal of fixed width is written for
// each request: encoding costs one copy and the digits.
class RequestTemplate {
 public:
  RequestTemplate() = default;
  // Every run of at least two `mark` characters in `encoded` is one place, in order.
  RequestTemplate(std::string encoded, char mark);

  // Appends the request with `numbers[i]` in place i; digits beyond the width are cut off.
  template <size_t N>
  void append_to(std::string& out, const uint64_t (&numbers)[N]) const {
    const size_t start = out.size();
    out += encoded_;
    for (size_t i = 0; i < N && i < places_count_; ++i) {
      write_digits(out.data() + start + places_[i].offset, places_[i].width, numbers[i]);
    }
  }
  size_t places() const { return places_count_; }

 private:
  static constexpr size_t kPlacesMax = 6;
  struct Place {
    size_t offset;
    size_t width;
  };
  static void write_digits(char* out, size_t width, uint64_t number) {
    for (size_t i = width; i > 0; --i, number /= 10) {
      out[i - 1] = static_cast<char>('0' + number % 10);
    }
  }

  std::string encoded_;
  Place places_[kPlacesMax]{};
  size_t places_count_ = 0;
};

}  // namespace sluice::bench
