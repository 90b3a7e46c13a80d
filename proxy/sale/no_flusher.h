// A sale without a flusher, for tests and benchmarks of its parts.
#pragma once

#include <cstdint>
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
  DrainReport report() const override { return {.state = "none"}; }
};

}  // namespace sluice::proxy::sale
