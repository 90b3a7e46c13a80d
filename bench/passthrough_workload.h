// GET or SET of values of a given size over a range of keys: what a proxy costs when it only
// passes commands on. Run it against Sluice and against the Redis behind it.
#pragma once

#include <memory>
#include <string>

#include "base/error.h"
#include "bench/workload.h"

namespace sluice::bench {

struct PassthroughOptions {
  std::string address;
  bool set = false;  // false: GET
  uint64_t keys = 10'000;
  size_t value_bytes = 16;
};

class PassthroughWorkload : public Workload {
 public:
  // Writes every key once, so that a GET finds something.
  static Result<std::unique_ptr<PassthroughWorkload>> create(const PassthroughOptions& options);

  void append_request(uint64_t index, std::string& out) override;
  Outcome judge(uint64_t index, std::string_view reply) override;

 private:
  explicit PassthroughWorkload(const PassthroughOptions& options) : keys_(options.keys) {}

  const uint64_t keys_;
  RequestTemplate request_;
};

}  // namespace sluice::bench
