// Counts the purchases that one owner thread answers, and passes the numbers on once a turn: before
// its clients' replies are written, so that they find them counted. A client of another thread may
// have its reply a moment earlier, by no more than the rest of the owner's turn.
#pragma once

#include <array>
#include <cstdint>
#include <utility>

#include "base/metrics.h"
#include "proxy/sale/verdict.h"
#include "proxy/sale/shared.h"
#include "proxy/upstream/io_thread.h"

namespace sluice::proxy::sale {

class PurchaseTally final : upstream::TurnTask {
 public:
  PurchaseTally(upstream::IoThread& thread, SaleMetrics& metrics)
      : thread_(thread), metrics_(metrics) {}
  ~PurchaseTally() { thread_.forget(*this); }

  // A purchase has got a verdict of this kind.
  void count(Verdict::Kind verdict) {
    ++verdicts_[static_cast<unsigned char>(verdict) % verdicts_.size()];
    thread_.at_turn_end(*this);
  }
  // Its reply goes out, so long after it came.
  void took(int64_t took_us) {
    seconds_.observe(static_cast<uint64_t>(took_us));
    thread_.at_turn_end(*this);
  }

 private:
  void turn_ended() override {
    for (size_t i = 0; i < verdicts_.size(); ++i) {
      if (const uint64_t times = std::exchange(verdicts_[i], 0))
        metrics_.result(static_cast<Verdict::Kind>(i)).add(times);
    }
    seconds_.move_to(metrics_.purchase_seconds);
  }

  upstream::IoThread& thread_;
  SaleMetrics& metrics_;
  std::array<uint64_t, 128> verdicts_{};  // by letter
  base::HistogramTally seconds_;
};

}  // namespace sluice::proxy::sale
