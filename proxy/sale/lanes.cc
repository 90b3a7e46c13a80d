#include "proxy/sale/lanes.h"

#include <charconv>
#include <cstdio>

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

template <class Ids>
std::string list_text(const Ids& ids) {
  std::string text = ",";
  for (const uint64_t id : ids) text += std::to_string(id) + ",";
  return text;
}

}  // namespace

Result<std::unique_ptr<Lanes>> Lanes::open(const std::string& dir, base::FileSystem& fs,
                                           uint64_t proxy_id) {
  std::unique_ptr<Lanes> lanes(new Lanes(dir, fs, proxy_id));
  const std::string path = dir + "/peers";
  const auto text = base::read_file(fs, path, kFileBytesMax);
  if (!text && text.error().cls() == ErrorClass::kNotFound) return lanes;
  if (!text) return text.error();
  auto peers = decode(*text);
  if (!peers) {
    return Error(ErrorClass::kCorrupt,
                 path + ": " + peers.error().message() +
                     "; it names the proxies that may have sold through the same Redis. Put it "
                     "back from a backup, or start all the others, see that they are ready, and "
                     "delete it");
  }
  lanes->peers_ = *std::move(peers);
  lanes->alone_ = lanes->peers_.empty();
  return lanes;
}

bool Lanes::is_journal_id(std::string_view text) {
  uint64_t id = 0;
  return base::parse_decimal(text, id) && id != 0;
}

Lanes::Peers Lanes::peers() const {
  const std::lock_guard lock(mutex_);
  return peers_;
}

Status Lanes::save(const Peers& peers) {
  const std::string next = dir_ + "/peers.next";
  SLUICE_TRY(base::write_file(fs_, next, encode(peers)));
  SLUICE_TRY(fs_.rename(next, dir_ + "/peers"));
  SLUICE_TRY(fs_.sync_dir(dir_));
  const std::lock_guard lock(mutex_);
  peers_ = peers;
  alone_ = peers_.empty();
  return {};
}

std::string Lanes::known() const {
  const std::lock_guard lock(mutex_);
  std::set<uint64_t> ids{proxy_id_};
  for (const auto& [id, journal] : peers_) ids.insert(id);
  return list_text(ids);
}

std::string Lanes::forgotten() const {
  const std::lock_guard lock(mutex_);
  return list_text(forgotten_);
}

void Lanes::set_forgotten(const std::set<uint64_t>& lanes) {
  const std::lock_guard lock(mutex_);
  forgotten_ = lanes;
}

Lanes::Standing Lanes::standing() const {
  const std::lock_guard lock(mutex_);
  return standing_;
}

void Lanes::set_standing(Standing standing) {
  const std::lock_guard lock(mutex_);
  standing_ = std::move(standing);
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
