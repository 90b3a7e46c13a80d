#include "base/secret.h"

#include <spdlog/spdlog.h>

#include <fstream>
#include <utility>

namespace sluice::base {
namespace {

Result<std::string> first_line(std::string_view key, const std::string& path) {
  std::ifstream file(path);
  std::string line;
  if (!file || !std::getline(file, line)) {
    return invalid(std::string(key) + ": cannot read " + path +
                   "; it must hold the password in its first line");
  }
  while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
  return line;
}

}  // namespace

Result<std::shared_ptr<Secret>> Secret::open(std::string_view key, const std::string& path) {
  auto value = first_line(key, path);
  if (!value) return value.error();
  return std::shared_ptr<Secret>(new Secret(key, path, std::move(*value)));
}

std::string Secret::value() const {
  const std::lock_guard lock(mutex_);
  return value_;
}

Result<bool> Secret::reload() {
  auto value = first_line(key_, path_);
  if (!value) return value.error();
  const std::lock_guard lock(mutex_);
  return std::exchange(value_, *value) != *value;
}

bool Secret::reload_and_tell() {
  const auto changed = reload();
  if (!changed) spdlog::error("the password before stays: {}", changed.error().message());
  else if (*changed) spdlog::info("{}: there is another password now, for new connections", key_);
  return changed.ok();
}

}  // namespace sluice::base
