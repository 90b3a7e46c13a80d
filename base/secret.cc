#include "base/secret.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <fstream>
#include <utility>

#include "base/file.h"

namespace sluice::base {
namespace {

constexpr size_t kSecretBytesMax = 1024;
constexpr size_t kMarkAndLineEndMax = 3 + 2;

}  // namespace

Result<std::string> read_secret(std::string_view key, const std::string& path) {
  if (path.empty()) return std::string();
  const auto refused = [&](std::string_view why) {
    return invalid(std::string(key) + ": " + std::string(why));
  };
  std::ifstream file(path);
  std::string line(kSecretBytesMax + kMarkAndLineEndMax, '\0');
  file.read(line.data(), static_cast<std::streamsize>(line.size()));
  if (file.bad() || (file.fail() && !file.eof())) {
    return refused("cannot read " + path + "; the secret is its first line");
  }
  line.resize(static_cast<size_t>(file.gcount()));
  line.resize(std::min(line.find('\n'), line.size()));
  if (line.ends_with('\r')) line.pop_back();
  line.erase(0, line.size() - without_byte_order_mark(line).size());
  if (line.size() > kSecretBytesMax) {
    return refused("the first line of " + path + " is longer than 1024 bytes");
  }
  if (line.find_first_not_of(" \t\r") == std::string::npos) {
    return refused("the first line of " + path + " is empty; write the secret there");
  }
  return line;
}

Result<std::shared_ptr<Secret>> Secret::open(std::string_view key, const std::string& path) {
  if (path.empty()) return std::shared_ptr<Secret>();
  auto value = read_secret(key, path);
  if (!value) return value.error();
  return std::shared_ptr<Secret>(new Secret(key, path, std::move(*value)));
}

std::string Secret::value() const {
  const std::lock_guard lock(mutex_);
  return value_;
}

Result<bool> Secret::reload() {
  auto value = read_secret(key_, path_);
  if (!value) return value.error();
  const std::lock_guard lock(mutex_);
  return std::exchange(value_, *value) != *value;
}

bool Secret::reload_and_tell() {
  const auto changed = reload();
  if (!changed)
    spdlog::error("the secret before stays: {}", changed.error().message());
  else if (*changed)
    spdlog::info("{}: there is another secret now, for new connections", key_);
  return changed.ok();
}

}  // namespace sluice::base
