#include "proxy/sale/standings.h"

#include <cstdio>
#include <utility>

#include "base/crc32c.h"
#include "base/decimal.h"
#include "proxy/sale/operation_text.h"

namespace sluice::proxy::sale {
namespace {

constexpr std::string_view kFileName = "standings";
constexpr size_t kFileBytesMax = 16 << 20;  // 4,096 shelves need half of it
constexpr std::string_view kTitle = "sluice standings 1";

std::string checksum_line(std::string_view text) {
  char hex[16];
  std::snprintf(hex, sizeof hex, "%08x", base::crc32c(text));
  return "crc " + std::string(hex) + "\n";
}

}  // namespace

Standings::Standings(std::string dir, base::FileSystem& fs, Shelves shelves,
                     std::function<void(const Error&)> failed)
    : dir_(std::move(dir)),
      fs_(fs),
      failed_(std::move(failed)),
      shelves_(shelves),
      wanted_(std::move(shelves)),
      writer_([this] { write_on(); }) {}

void Standings::stop() {
  if (!writer_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  writer_.join();
}

Result<std::unique_ptr<Standings>> Standings::open(const std::string& dir, base::FileSystem& fs,
                                                   std::function<void(const Error&)> failed) {
  const std::string path = dir + "/" + std::string(kFileName);
  const auto text = base::read_file(fs, path, kFileBytesMax);
  if (!text && text.error().cls() != ErrorClass::kNotFound) return text.error();
  Shelves shelves;
  if (text) {
    auto decoded = decode(*text);
    if (!decoded) {
      return Error(ErrorClass::kCorrupt,
                   path + ": " + decoded.error().message() +
                       "; it tells what a Redis that comes back with an older history may not "
                       "bring back. Put it back from a backup; or, if this Redis is the one that "
                       "was sold with last, delete it");
    }
    shelves = *std::move(decoded);
  }
  return std::unique_ptr<Standings>(new Standings(dir, fs, std::move(shelves), std::move(failed)));
}

// "shelf forgotten epoch:sequence epoch:sequence …", a line a shelf.
std::string Standings::encode(const Shelves& shelves) {
  std::string text = std::string(kTitle) + "\n";
  for (const auto& [number, shelf] : shelves) {
    text += std::to_string(number) + " " + std::to_string(shelf.forgotten);
    for (const auto& [epoch, sequence] : shelf.notes) {
      text += " " + std::to_string(epoch) + ":" + std::to_string(sequence);
    }
    text += "\n";
  }
  return text + checksum_line(text);
}

Result<Standings::Shelves> Standings::decode(std::string_view text) {
  const auto damaged = [](std::string_view what) {
    return Error(ErrorClass::kCorrupt, "damaged: " + std::string(what));
  };
  const size_t end = text.rfind("crc ");
  if (end == std::string_view::npos || text.substr(end) != checksum_line(text.substr(0, end))) {
    return damaged("the checksum is wrong");
  }
  std::string_view rest = text.substr(0, end);
  if (take_until(rest, '\n') != kTitle) return damaged("it is not of this version");
  Shelves shelves;
  while (!rest.empty()) {
    std::string_view line = take_until(rest, '\n');
    uint32_t number = 0;
    if (!base::parse_decimal(take_until(line, ' '), number)) return damaged("a shelf's number");
    Shelf& shelf = shelves[number];
    if (!base::parse_decimal(take_until(line, ' '), shelf.forgotten)) return damaged("an epoch");
    while (!line.empty()) {
      std::string_view note = take_until(line, ' ');
      uint64_t epoch = 0, sequence = 0;
      if (!base::parse_decimal(take_until(note, ':'), epoch) ||
          !base::parse_decimal(note, sequence)) {
        return damaged("a note");
      }
      shelf.notes[epoch] = sequence;
    }
  }
  return shelves;
}

void Standings::note(uint32_t shelf, uint64_t epoch, uint64_t lane_sequence,
                     std::function<void()> done) {
  {
    const std::lock_guard lock(mutex_);
    Shelf& wanted = wanted_[shelf];
    wanted.notes[epoch] = lane_sequence;
    while (wanted.notes.size() > kNotesMax) {
      wanted.notes.erase(wanted.notes.begin());
      wanted.forgotten = wanted.notes.begin()->first;
    }
    waiting_.push_back(std::move(done));
  }
  changed_.notify_one();
}

std::string Standings::of(uint32_t shelf) const {
  const std::lock_guard lock(mutex_);
  const auto found = shelves_.find(shelf);
  std::string text;
  if (found == shelves_.end()) return text;
  for (const auto& [epoch, sequence] : found->second.notes) {
    text += (text.empty() ? "" : " ") + std::to_string(epoch) + ":" + std::to_string(sequence);
  }
  return text;
}

uint64_t Standings::forgotten(uint32_t shelf) const {
  const std::lock_guard lock(mutex_);
  const auto found = shelves_.find(shelf);
  return found == shelves_.end() ? 0 : found->second.forgotten;
}

// All that came meanwhile goes into one write.
void Standings::write_on() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (stopping_) return;
    const Shelves next = wanted_;
    const auto done = std::exchange(waiting_, {});
    lock.unlock();
    const Status saved = save(next);
    if (!saved) return failed_(saved.error().at("standings"));
    lock.lock();
    shelves_ = next;
    lock.unlock();
    for (const auto& each : done) each();
    lock.lock();
  }
}

Status Standings::save(const Shelves& shelves) {
  return base::replace_file(fs_, dir_, kFileName, encode(shelves));
}

}  // namespace sluice::proxy::sale
