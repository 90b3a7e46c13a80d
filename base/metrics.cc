#include "base/metrics.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>

namespace sluice::base {
namespace {

// The shortest decimal text of a metric value; whole numbers without a point.
std::string number_text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.17g", value);
  for (int digits = 1; digits < 17; ++digits) {
    char shorter[32];
    std::snprintf(shorter, sizeof shorter, "%.*g", digits, value);
    if (std::strtod(shorter, nullptr) == value) return shorter;
  }
  return text;
}

std::string sample(const std::string& name, const std::string& labels, double value) {
  const std::string braces = labels.empty() ? "" : "{" + labels + "}";
  return name + braces + " " + number_text(value) + "\n";
}

std::string histogram_samples(const std::string& name, const std::string& labels,
                              const Histogram& histogram) {
  std::string out;
  const std::string comma = labels.empty() ? "" : labels + ",";
  uint64_t below = 0;
  for (int i = 0; i < Histogram::kBuckets; ++i) {
    below += histogram.bucket(i);
    const double bound = std::ldexp(1.0, i) * histogram.scale();
    out += sample(name + "_bucket", comma + "le=\"" + number_text(bound) + "\"",
                  static_cast<double>(below));
  }
  below += histogram.bucket(Histogram::kBuckets);
  out += sample(name + "_bucket", comma + "le=\"+Inf\"", static_cast<double>(below));
  out += sample(name + "_sum", labels, static_cast<double>(histogram.sum()) * histogram.scale());
  out += sample(name + "_count", labels, static_cast<double>(below));
  return out;
}

}  // namespace

void Histogram::observe(uint64_t value, uint64_t times) {
  buckets_[bucket_of(value)].fetch_add(times, std::memory_order_relaxed);
  sum_.fetch_add(value * times, std::memory_order_relaxed);
}

uint64_t Histogram::count() const {
  uint64_t all = 0;
  for (const auto& bucket : buckets_) all += bucket.load(std::memory_order_relaxed);
  return all;
}

uint64_t Histogram::quantile(double q) const {
  const double wanted = q * static_cast<double>(count());
  uint64_t below = 0;
  for (int i = 0; i <= kBuckets; ++i) {
    below += bucket(i);
    if (below > 0 && static_cast<double>(below) >= wanted) return uint64_t{1} << i;
  }
  return 0;
}

void HistogramTally::move_to(Histogram& histogram) {
  for (size_t i = 0; i < buckets_.size(); ++i) {
    const uint64_t times = std::exchange(buckets_[i], 0);
    if (times > 0) histogram.buckets_[i].fetch_add(times, std::memory_order_relaxed);
  }
  histogram.sum_.fetch_add(std::exchange(sum_, 0), std::memory_order_relaxed);
}

Registry::Entry& Registry::add(std::string_view name, std::string_view help,
                               std::string_view labels) {
  const std::lock_guard lock(mutex_);
  auto entry = std::make_unique<Entry>();
  entry->name = name, entry->help = help, entry->labels = labels;
  // The text format wants all samples of a name in one group.
  const auto last = std::find_if(entries_.rbegin(), entries_.rend(),
                                 [&](const auto& other) { return other->name == name; });
  const auto place = last == entries_.rend() ? entries_.end() : last.base();
  return **entries_.insert(place, std::move(entry));
}

Counter& Registry::counter(std::string_view name, std::string_view help, std::string_view labels) {
  Entry& entry = add(name, help, labels);
  entry.counter = std::make_unique<Counter>();
  return *entry.counter;
}

Gauge& Registry::gauge(std::string_view name, std::string_view help, std::string_view labels) {
  Entry& entry = add(name, help, labels);
  entry.gauge = std::make_unique<Gauge>();
  return *entry.gauge;
}

Histogram& Registry::histogram(std::string_view name, std::string_view help, double scale,
                               std::string_view labels) {
  Entry& entry = add(name, help, labels);
  entry.histogram = std::make_unique<Histogram>(scale);
  return *entry.histogram;
}

void Registry::computed(std::string_view name, std::string_view help, std::function<double()> read,
                        bool monotonic, std::string_view labels) {
  Entry& entry = add(name, help, labels);
  entry.read = std::move(read);
  entry.monotonic = monotonic;
}

std::string Registry::render() const {
  const std::lock_guard lock(mutex_);
  std::string out;
  const std::string* previous = nullptr;
  for (const auto& entry : entries_) {
    if (previous == nullptr || *previous != entry->name) {
      const bool counts = entry->counter != nullptr || entry->monotonic;
      const char* type = entry->histogram ? "histogram" : counts ? "counter" : "gauge";
      out += "# HELP " + entry->name + " " + entry->help + "\n";
      out += "# TYPE " + entry->name + " " + type + "\n";
    }
    previous = &entry->name;
    if (entry->histogram) {
      out += histogram_samples(entry->name, entry->labels, *entry->histogram);
    } else {
      const double value = entry->counter ? static_cast<double>(entry->counter->value())
                           : entry->gauge ? static_cast<double>(entry->gauge->value())
                                          : entry->read();
      out += sample(entry->name, entry->labels, value);
    }
  }
  return out;
}

}  // namespace sluice::base
