// What a proxy tells of itself, to people: GET /status, and the same once a second to all who
// follow GET /events.
//
//   once a second, the monitor's thread: counters ─► Samples; ItemBoard ─► ItemWatch
//                                        and, if anybody follows, one text for all of them
//
// It reads atomics, and what others keep under locks that they hold for moments; the owner threads
// do nothing for it but answer SECKILL.STOCK for the items that are shown, while somebody looks.
// Owned by main.cc; after the sale and before the admin listener.
#pragma once

#include <atomic>
#include <boost/json/object.hpp>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/recent_quantiles.h"
#include "http/server.h"
#include "proxy/monitor/banner.h"
#include "proxy/monitor/drain_source.h"
#include "proxy/monitor/health.h"
#include "proxy/monitor/item_watch.h"
#include "proxy/monitor/samples.h"
#include "proxy/sale/flusher_port.h"
#include "proxy/sale/sale.h"

namespace sluice::proxy::monitor {

struct MonitorOptions {
  int64_t journal_bytes_max = 0;  // journal.max_bytes
  int64_t free_bytes_min = 0;     // of the disk, that the journal leaves to others
};

class Monitor {
 public:
  // All that is given by reference outlives it.
  Monitor(MonitorOptions options, sale::Sale& sale, sale::Shared& shared, const Health& health,
          sale::FlusherPort& flusher, DrainSource& drain, ItemWatch::Ask ask);
  ~Monitor() { stop(); }

  // `events`: what is published to, until stop().
  void start(http::EventStream& events);
  void stop();

  // One line of JSON; docs/status.schema.json. Any thread. Somebody looks: the items' numbers are
  // fetched for a while.
  std::string status();
  // The last ten minutes. Any thread.
  std::string history() const;

 private:
  void run(http::EventStream& events);
  void tick(bool is_watched);
  Sample sample();
  Banner banner(const std::vector<WatchedItem>& items) const;
  boost::json::object describe();
  boost::json::object describe_state(const std::vector<WatchedItem>& items);
  boost::json::object describe_backlog(const sale::DrainReport& drain) const;
  boost::json::object describe_journal(const sale::DrainReport& drain) const;
  boost::json::object describe_latency(const boost::json::object* flusher);
  boost::json::array describe_lanes() const;

  const MonitorOptions options_;
  sale::Sale& sale_;
  sale::Shared& shared_;
  const Health& health_;
  sale::FlusherPort& flusher_;
  DrainSource& drain_;
  Samples samples_;
  ItemWatch items_;
  base::RecentQuantiles accept_, redis_;
  std::optional<base::RecentQuantiles> fsync_;
  std::atomic<int64_t> looked_us_{0};  // when status() was asked for last
  int64_t ticked_us_ = 0;              // the monitor's thread
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;   // guarded by mutex_
  std::string_view state_;  // guarded by mutex_, like the next: as it was told last
  int64_t state_since_ms_ = 0;
  std::thread thread_;
};

}  // namespace sluice::proxy::monitor
