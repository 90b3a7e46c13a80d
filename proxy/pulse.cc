#include "proxy/pulse.h"

#include <boost/asio/post.hpp>

namespace sluice::proxy {

std::string state_text(const monitor::Health& health, const sale::FlusherPort& flusher) {
  const std::string why = health.text();
  const std::string text = why.empty() ? "selling" : "not selling: " + why;
  const sale::DrainReport drain = flusher.report();
  if (drain.backlog_records < 0) return text + "; flusher " + drain.state;
  return text + "; " + std::to_string(drain.backlog_records) + " records not in MySQL yet (" +
         drain.state + ")";
}

Progress::Progress(std::vector<std::unique_ptr<upstream::IoThread>>& threads,
                   const journal::GroupCommit& journal, int64_t commit_us_max)
    : threads_(threads), journal_(journal), commit_us_max_(commit_us_max) {}

bool Progress::made() {
  if (missing_->load() > 0) return false;
  missing_->store(threads_.size());
  for (auto& thread : threads_)
    boost::asio::post(thread->context(), [missing = missing_] { missing->fetch_sub(1); });
  return journal_.busy_us() <= commit_us_max_;
}

}  // namespace sluice::proxy
