#include "proxy/sale/lanes.h"

#include <spdlog/spdlog.h>

#include <set>
#include <utility>

#include "base/decimal.h"

namespace sluice::proxy::sale {

Lanes::Lanes(std::string dir, base::FileSystem& fs, uint64_t proxy_id, Peers peers,
             std::function<void(const Error&)> failed)
    : dir_(std::move(dir)),
      fs_(fs),
      proxy_id_(proxy_id),
      failed_(std::move(failed)),
      alone_(peers.empty()),
      peers_(peers),
      wanted_(std::move(peers)),
      writer_([this] { write_on(); }) {}

void Lanes::stop() {
  if (!writer_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  writer_.join();
}

Result<std::unique_ptr<Lanes>> Lanes::open(const std::string& dir, base::FileSystem& fs,
                                           uint64_t proxy_id,
                                           std::function<void(const Error&)> failed) {
  auto peers = journal::read_peers(dir, fs);
  if (!peers) return peers.error();
  return std::unique_ptr<Lanes>(new Lanes(dir, fs, proxy_id, *std::move(peers), std::move(failed)));
}

bool Lanes::is_journal_id(std::string_view text) {
  uint64_t id = 0;
  return base::parse_decimal(text, id) && id != 0;
}

Lanes::Peers Lanes::peers() const {
  const std::lock_guard lock(mutex_);
  return peers_;
}

std::string Lanes::known() const {
  const std::lock_guard lock(mutex_);
  std::set<uint64_t> ids{proxy_id_};
  for (const auto& [id, journal] : peers_) ids.insert(id);
  std::string text = ",";
  for (const uint64_t id : ids) text += std::to_string(id) + ",";
  return text;
}

void Lanes::learn(uint64_t id, const std::string& journal) {
  {
    const std::lock_guard lock(mutex_);
    const auto [known, is_new] = wanted_.emplace(id, journal);
    const bool tells_more = known->second == kUnknownJournal && journal != kUnknownJournal;
    if (tells_more) known->second = journal;
    if (!is_new && !tells_more) {
      if (journal != kUnknownJournal && known->second != journal)
        complain(id, known->second, journal);
      return;
    }
  }
  spdlog::info("proxy {} (journal {}) sells through this Redis too", id, journal);
  changed_.notify_one();
}

void Lanes::complain(uint64_t id, const std::string& known, const std::string& journal) {
  if (std::exchange(complaints_[id], journal) == journal) return;
  spdlog::error(
      "proxy {0} has journal {1} now, and may have sold with journal {2} before; if that is gone "
      "for good: sluice-ctl peers forget {0}",
      id, journal, known);
}

void Lanes::forget(uint64_t id) {
  {
    const std::lock_guard lock(mutex_);
    complaints_.erase(id);
    if (wanted_.erase(id) == 0) return;
  }
  spdlog::warn("proxy {} was given up with sluice-ctl peers forget: nothing waits for it", id);
  changed_.notify_one();
}

void Lanes::write_on() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || wanted_ != peers_; });
    if (stopping_) return;
    const Peers next = wanted_;
    lock.unlock();
    const Status saved = journal::write_peers(dir_, fs_, next);
    if (!saved) return failed_(saved.error().at("peers"));
    lock.lock();
    peers_ = next;
    alone_ = peers_.empty();
  }
}

std::string proxies_text(std::string_view lanes) {
  std::string text = lanes.find(',') == std::string_view::npos ? "proxy " : "proxies ";
  for (const char c : lanes) text += c == ',' ? std::string(", ") : std::string(1, c);
  return text;
}

std::string forget_hint(std::string_view lanes) {
  std::string text = "running? if gone for good: sluice-ctl peers forget ";
  for (const char c : lanes) text += c == ',' ? ' ' : c;
  return text;
}

}  // namespace sluice::proxy::sale
