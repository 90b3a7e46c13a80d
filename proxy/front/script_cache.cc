#include "proxy/front/script_cache.h"

#include <openssl/sha.h>

#include <array>
#include <functional>
#include <utility>

#include "resp/names.h"

namespace sluice::proxy::front {
namespace {

constexpr size_t kShaLength = 40;

}  // namespace

std::string sha1_hex(std::string_view bytes) {
  std::array<unsigned char, SHA_DIGEST_LENGTH> digest;
  ::SHA1(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest.data());
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  for (unsigned char byte : digest) {
    hex += kDigits[byte >> 4];
    hex += kDigits[byte & 15];
  }
  return hex;
}

void ScriptCache::remember(std::string_view body) {
  if (body.size() + kEntryBytes > bytes_max_) return;
  std::string sha = sha1_hex(body);
  std::lock_guard lock(mutex_);
  if (const auto found = by_sha_.find(sha); found != by_sha_.end()) {
    // Whether Redis has taken it this time nobody knows yet: it stays as old as it was.
    entries_.splice(entries_.begin(), entries_, found->second);
    return;
  }
  entries_.push_front({std::move(sha), std::make_shared<const std::string>(body), outages_});
  by_sha_.emplace(entries_.front().sha, entries_.begin());
  bytes_ += body.size() + kEntryBytes;
  while (bytes_ > bytes_max_) {
    bytes_ -= entries_.back().body->size() + kEntryBytes;
    by_sha_.erase(entries_.back().sha);
    entries_.pop_back();
    ++losses_;
  }
}

std::shared_ptr<const std::string> ScriptCache::find_lost(const std::string& sha) {
  std::lock_guard lock(mutex_);
  const auto found = by_sha_.find(sha);
  if (found == by_sha_.end() || found->second->outages == outages_) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->body;
}

void ScriptCache::clear() {
  std::lock_guard lock(mutex_);
  by_sha_.clear();
  entries_.clear();
  bytes_ = 0;
  ++losses_;
}

size_t ScriptCache::bytes() const {
  std::lock_guard lock(mutex_);
  return bytes_;
}

void ScriptsLoaded::connection_lost() {
  settled_.clear();
  bodies_.clear();
  cache_.connection_lost();
}

// The SHA-1 of a body that was just seen is not computed again.
void ScriptsLoaded::saw_body(std::string_view body) {
  const uint64_t losses = cache_.losses();
  if (std::exchange(losses_, losses) != losses || bodies_.size() >= kNamesMax) bodies_.clear();
  const size_t hash = std::hash<std::string_view>{}(body);
  if (bodies_.contains(hash)) return;
  bodies_.insert(hash);
  cache_.remember(body);
}

ScriptsLoaded::Body ScriptsLoaded::to_load(std::string_view sha, const void* way) {
  if (sha.size() != kShaLength) return nullptr;
  const std::string name = resp::lower(sha);
  if (settled_.contains(name) || loading_.contains({name, way})) return nullptr;
  Body body = cache_.find_lost(name);
  if (body == nullptr) settle(name);
  else loading_.emplace(name, way);
  return body;
}

void ScriptsLoaded::load_ended(std::string_view sha, const void* way, std::string_view reply) {
  const std::string name = resp::lower(sha);
  loading_.erase({name, way});
  if (reply.starts_with('$')) settle(name);
}

void ScriptsLoaded::settle(const std::string& name) {
  if (settled_.size() >= kNamesMax) settled_.clear();
  settled_.insert(name);
}

}  // namespace sluice::proxy::front
