#include "journal/peers.h"

#include <charconv>
#include <cstdio>

#include "base/crc32c.h"
#include "journal/segment.h"

namespace sluice::journal {
namespace {

constexpr std::string_view kPeersName = "peers";
constexpr size_t kPeersBytesMax = 64 << 10;  // 1,024 proxies need half of it
constexpr std::string_view kPeersTitle = "sluice peers 1";

std::string peers_checksum(std::string_view text) {
  char hex[16];
  std::snprintf(hex, sizeof hex, "%08x", base::crc32c(text));
  return hex;
}

std::string encode_peers(const Peers& peers) {
  std::string text = std::string(kPeersTitle) + "\n";
  for (const auto& [id, journal] : peers) text += std::to_string(id) + " " + journal + "\n";
  return text + "crc " + peers_checksum(text) + "\n";
}

Result<Peers> decode_peers(std::string_view text) {
  const auto damaged = [](std::string_view what) {
    return Error(ErrorClass::kCorrupt, "damaged: " + std::string(what));
  };
  const size_t end = text.rfind("crc ");
  if (end == std::string_view::npos ||
      text.substr(end) != "crc " + peers_checksum(text.substr(0, end)) + "\n") {
    return damaged("the checksum is wrong");
  }
  Peers peers;
  bool titled = false;
  for (std::string_view rest = text.substr(0, end); !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(line.size() + 1);
    if (!titled) {
      if (line != kPeersTitle) return damaged("it is not of this version");
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

Result<Peers> read_peers(const std::string& dir, base::FileSystem& fs) {
  const std::string path = path_in(dir, kPeersName);
  const auto text = base::read_file(fs, path, kPeersBytesMax);
  if (!text && text.error().cls() == ErrorClass::kNotFound) return Peers();
  if (!text) return text.error();
  auto peers = decode_peers(*text);
  if (peers) return peers;
  return Error(ErrorClass::kCorrupt,
               path + ": " + peers.error().message() +
                   "; it names the proxies that may have sold through the same Redis. Put it "
                   "back from a backup, or start all the others, see that they are ready, and "
                   "delete it");
}

Status write_peers(const std::string& dir, base::FileSystem& fs, const Peers& peers) {
  return base::replace_file(fs, dir, kPeersName, encode_peers(peers));
}

}  // namespace sluice::journal
