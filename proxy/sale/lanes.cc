#include "proxy/sale/lanes.h"

#include <spdlog/spdlog.h>

#include <charconv>
#include <cstdio>
#include <set>
#include <utility>

#include "base/crc32c.h"
#include "base/decimal.h"

namespace sluice::proxy::sale {
namespace {

constexpr size_t kFileBytesMax = 64 << 10;  // 1,024 proxies need half of it
constexpr std::string_view kTitle = "sluice peers 1";

std::string checksum(std::string_view text) {
  char hex[16];
  std::snprintf(hex, sizeof hex, "%08x", base::crc32c(text));
  return hex;
}

std::string encode(const Lanes::Peers& peers) {
  std::string text = std::string(kTitle) + "\n";
  for (const auto& [id, journal] : peers) text += std::to_string(id) + " " + journal + "\n";
  return text + "crc " + checksum(text) + "\n";
}

Result<Lanes::Peers> decode(std::string_view text) {
  const auto damaged = [](std::string_view what) {
    return Error(ErrorClass::kCorrupt, "damaged: " + std::string(what));
  };
  const size_t end = text.rfind("crc ");
  if (end == std::string_view::npos ||
      text.substr(end) != "crc " + checksum(text.substr(0, end)) + "\n") {
    return damaged("the checksum is wrong");
  }
  Lanes::Peers peers;
  bool titled = false;
  for (std::string_view rest = text.substr(0, end); !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(line.size() + 1);
    if (!titled) {
      if (line != kTitle) return damaged("it is not of this version");
      titled = true;
      continue;
    }
    uint64_t id = 0;
    const auto [space, failure] = std::from_chars(line.data(), line.data() + line.size(), id);
    if (failure != std::errc() || space == line.data() + line.size() || *space != ' ') {
      return damaged("\"" + std::string(line) + "\" is not a peer");
    }
    peers.emplace(id, std::string(space + 1, line.data() + line.size()));
  }
  return peers;
}

}  // namespace

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

Lanes::~Lanes() {
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
  const std::string path = dir + "/peers";
  const auto text = base::read_file(fs, path, kFileBytesMax);
  if (!text && text.error().cls() != ErrorClass::kNotFound) return text.error();
  Peers peers;
  if (text) {
    auto decoded = decode(*text);
    if (!decoded) {
      return Error(ErrorClass::kCorrupt,
                   path + ": " + decoded.error().message() +
                       "; it names the proxies that may have sold through the same Redis. Put it "
                       "back from a backup, or start all the others, see that they are ready, and "
                       "delete it");
    }
    peers = *std::move(decoded);
  }
  return std::unique_ptr<Lanes>(
      new Lanes(dir, fs, proxy_id, std::move(peers), std::move(failed)));
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
    const Status saved = save(next);
    if (!saved) return failed_(saved.error().at("peers"));
    lock.lock();
    peers_ = next;
    alone_ = peers_.empty();
  }
}

Status Lanes::save(const Peers& peers) {
  const std::string next = dir_ + "/peers.next";
  SLUICE_TRY(base::write_file(fs_, next, encode(peers)));
  SLUICE_TRY(fs_.rename(next, dir_ + "/peers"));
  return fs_.sync_dir(dir_);
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
