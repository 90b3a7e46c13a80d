#include "proxy/sale/sale_thread.h"

#include <spdlog/spdlog.h>

#include <chrono>
#include <utility>

namespace sluice::proxy::sale {
namespace {

// How long the last beat may take: without it the next start waits until the one before is old.
constexpr auto kLastBeat = std::chrono::milliseconds(500);

}  // namespace

SaleThread::SaleThread(upstream::IoThread& thread, upstream::Inbox& inbox,
                       const upstream::Endpoint& redis, Shared& shared, FlusherPort& flusher,
                       size_t threads, SoldOutBoard& sold_out, Coalescer::Deliver deliver,
                       std::function<void()> wake_all)
    : thread_(thread),
      shared_(shared),
      redis_(thread, redis),
      shelves_(shared.shelves, threads, thread.index(), shared.lane),
      coalescer_(thread, inbox, redis_, shared, flusher, shelves_, gate_, sold_out,
                 std::move(deliver)),
      gate_(thread, inbox, redis_, shared, shelves_, refusals_, coalescer_,
            {[this](const std::string& replication_id) { beat_.connected(replication_id); },
             std::move(wake_all)}),
      beat_(thread, redis_, shared, shelves_, gate_),
      retention_(thread, redis_, shared, shelves_, coalescer_),
      stop_timer_(thread.context()) {}

void SaleThread::know_shelf(uint32_t shelf, uint64_t lane_sequence, uint64_t journal_sequence) {
  shelves_.at(shelf).know(lane_sequence, journal_sequence);
}

void SaleThread::start() {
  coalescer_.start();
  retention_.start();
  redis_.start({[this] { came_up(); }, [this](const Error& why) { lost(why); }});
}

void SaleThread::came_up() {
  if (!std::exchange(is_up_, true)) shared_.redis_connections.fetch_add(1);
  gate_.connected();
}

void SaleThread::lost(const Error& why) {
  if (std::exchange(is_up_, false)) shared_.redis_connections.fetch_sub(1);
  if (closed_) return beat_.lost();  // by us; Coalescer::end() answers what is left
  if (gate_.ready() && !stopping_ && thread_.index() == 0)
    spdlog::warn("{}; purchases are refused until it is back", why.message());
  beat_.lost();
  gate_.lost(why.message());
  coalescer_.lost();
}

void SaleThread::stop(std::function<void()> stopped) {
  stopping_ = true;
  retention_.stop();
  coalescer_.stop([this, stopped = std::move(stopped)] {
    stop_timer_.expires_after(kLastBeat);
    stop_timer_.async_wait([this, stopped](auto) { close(stopped); });
    beat_.stop([this] { stop_timer_.cancel(); });
  });
}

void SaleThread::close(std::function<void()> stopped) {
  if (std::exchange(closed_, true)) return;
  gate_.stop();
  redis_.close();
  coalescer_.end();
  stopped();
}

}  // namespace sluice::proxy::sale
