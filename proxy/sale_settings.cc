#include "proxy/sale_settings.h"

#include <algorithm>

namespace sluice::proxy {
namespace {

journal::FsyncPolicy fsync_policy(const std::string& text) {
  if (text == "always") return journal::FsyncPolicy::kAlways;
  return text == "everysec" ? journal::FsyncPolicy::kEverySecond : journal::FsyncPolicy::kNo;
}

}  // namespace

sale::Settings sale_settings(const Options& options) {
  sale::Settings settings;
  if (options.proxy_id) settings.proxy_id = static_cast<uint64_t>(*options.proxy_id);
  settings.shelves = static_cast<uint32_t>(options.shelves);
  settings.redis = options.redis;

  journal::WriterOptions& journal = settings.journal;
  journal.dir = options.journal_dir;
  journal.fsync = fsync_policy(options.journal_fsync);
  journal.segment_bytes = options.journal_segment_bytes;
  journal.bytes_max = options.journal_max_bytes;

  sale::Limits& limits = settings.limits;
  limits.batch_operations = static_cast<size_t>(options.batch_purchases_max);
  // A batch must fit into one frame, and a frame is at most a quarter of a segment.
  limits.batch_bytes =
      static_cast<size_t>(std::min<int64_t>(256 << 10, options.journal_segment_bytes / 8));
  limits.queued_operations = static_cast<size_t>(options.purchases_in_flight_max);
  limits.items = static_cast<size_t>(options.items_max);
  limits.unknown_after_us = options.redis_timeout_us;
  limits.retain_ms = options.journal_retain_us / 1000;
  limits.sold_out_lease_us = options.sold_out_lease_us;
  limits.sold_out_bytes = static_cast<size_t>(options.sold_out_bytes);

  settings.slow_log_us = options.slow_log_us;
  settings.slow_log_entries = static_cast<size_t>(options.slow_log_entries);
  return settings;
}

}  // namespace sluice::proxy
