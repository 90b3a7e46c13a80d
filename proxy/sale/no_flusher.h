// A sale without a flusher, for tests and benchmarks of its parts.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "proxy/sale/flusher_port.h"

namespace sluice::proxy::sale {

class NoFlusher final : public FlusherPort {
 public:
  void find_order(std::string_view, std::string_view, uint64_t, Found done) override {
    done(false);
  }
  void flush(int64_t, Drained done) override { done(int64_t{0}); }
  void pause(Done done) override { done({}); }
  void resume(Done done) override { done({}); }
  std::string state() const override { return "none"; }
  int64_t backlog_records() const override { return -1; }
  std::string trouble() const override { return ""; }
};

}  // namespace sluice::proxy::sale
