// Counters, gauges and histograms, and their Prometheus text form.
//
// A daemon's main.cc owns one `Registry`; parts keep references to the metrics they touch. Updates
// are relaxed atomics: any thread, no lock, no order between metrics. Durations are observed in
// microseconds and exposed in seconds, Prometheus's base unit.
// Format: https://prometheus.io/docs/instrumenting/exposition_formats/ (text, version 0.0.4).
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::base {

class Counter {
 public:
  void add(uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

class Gauge {
 public:
  void set(int64_t value) { value_.store(value, std::memory_order_relaxed); }
  void add(int64_t delta) { value_.fetch_add(delta, std::memory_order_relaxed); }
  int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> value_{0};
};

// Buckets at powers of two of a raw unit: bucket i counts values <= 2^i. `scale` turns a raw value
// into the exposed one (1e-6 for microseconds shown as seconds, 1 for plain counts).
class Histogram {
 public:
  static constexpr int kBuckets = 26;  // up to 2^25: 33 s in microseconds

  explicit Histogram(double scale) : scale_(scale) {}
  void observe(uint64_t value, uint64_t times = 1);
  uint64_t count() const;
  double scale() const { return scale_; }
  uint64_t bucket(int i) const { return buckets_[i].load(std::memory_order_relaxed); }
  uint64_t sum() const { return sum_.load(std::memory_order_relaxed); }
  // The raw upper bound below which a fraction q of the observations lies; 0 if there are none.
  uint64_t quantile(double q) const;

 private:
  friend class HistogramTally;
  static size_t bucket_of(uint64_t value) {
    const auto index = value <= 1 ? size_t{0} : static_cast<size_t>(std::bit_width(value - 1));
    return index < kBuckets ? index : kBuckets;
  }

  const double scale_;
  std::atomic<uint64_t> sum_{0};
  std::atomic<uint64_t> buckets_[kBuckets + 1] = {};  // the last one: everything larger
};

// What one thread has observed and not yet added to a histogram: plain numbers, for where a
// histogram's atomic ones would be touched for each of many things at once.
class HistogramTally {
 public:
  void observe(uint64_t value) {
    ++buckets_[Histogram::bucket_of(value)];
    sum_ += value;
  }
  // Adds it, and begins anew.
  void move_to(Histogram& histogram);

 private:
  uint64_t sum_ = 0;
  std::array<uint64_t, Histogram::kBuckets + 1> buckets_{};
};

class Registry {
 public:
  // `labels` is the inside of the braces, e.g. `result="accepted"`, or empty. The same name may be
  // registered with several label sets. References live as long as the registry. Call at start-up;
  // calls are synchronised with render().
  Counter& counter(std::string_view name, std::string_view help, std::string_view labels = {});
  Gauge& gauge(std::string_view name, std::string_view help, std::string_view labels = {});
  Histogram& histogram(std::string_view name, std::string_view help, double scale,
                       std::string_view labels = {});
  // A gauge (or, with `monotonic`, a counter) computed when rendered, on the rendering thread.
  void computed(std::string_view name, std::string_view help, std::function<double()> read,
                bool monotonic = false, std::string_view labels = {});

  std::string render() const;

 private:
  struct Entry {
    std::string name, help, labels;
    std::unique_ptr<Counter> counter;
    std::unique_ptr<Gauge> gauge;
    std::unique_ptr<Histogram> histogram;
    std::function<double()> read;
    bool monotonic = false;
  };
  Entry& add(std::string_view name, std::string_view help, std::string_view labels);

  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Entry>> entries_;  // guarded by mutex_
};

}  // namespace sluice::base
