#include "proxy/front/live_config.h"

#include "proxy/front/glob.h"

namespace sluice::proxy::front {
namespace {

constexpr std::string_view kPrefix = "sluice.";

}  // namespace

std::vector<std::pair<std::string, std::string>> LiveConfig::get(std::string_view pattern) const {
  std::lock_guard lock(mutex_);
  std::vector<std::pair<std::string, std::string>> found;
  for (const base::ConfigKey& key : config_.keys()) {
    const std::string name = std::string(kPrefix) + std::string(key.name);
    if (!glob_matches_ignoring_case(pattern, name)) continue;
    if (auto text = config_.text(key.name)) found.emplace_back(name, *text);
  }
  return found;
}

Status LiveConfig::set(const std::vector<std::pair<std::string_view, std::string_view>>& pairs) {
  std::lock_guard lock(mutex_);
  base::Config changed = config_;
  for (const auto& [name, text] : pairs) {
    const base::ConfigKey* key =
        name.size() > kPrefix.size() ? config_.find(name.substr(kPrefix.size())) : nullptr;
    const std::string quoted = "'" + std::string(name) + "'";
    if (key == nullptr) {
      return Error(ErrorClass::kInvalid,
                   "Unknown option or number of arguments for CONFIG SET - " + quoted);
    }
    const std::string failed = "CONFIG SET failed (possibly related to argument " + quoted + ") - ";
    if (!key->live) {
      return Error(ErrorClass::kInvalid,
                   failed + "can't set immutable config; change the file and restart");
    }
    if (auto status = changed.set_text(key->name, text); !status)
      return Error(ErrorClass::kInvalid, failed + status.error().message());
  }
  config_ = std::move(changed);
  for (const auto& [name, text] : pairs)
    is_set_.insert(config_.find(name.substr(kPrefix.size()))->name);
  apply_(config_);
  return {};
}

LiveConfig::Reloaded LiveConfig::reload(const base::Config& fresh) {
  std::lock_guard lock(mutex_);
  Reloaded reloaded;
  for (const base::ConfigKey& key : config_.keys()) {
    const auto now = config_.text(key.name), wanted = fresh.text(key.name);
    if (!now || !wanted || wanted->empty() || *now == *wanted) continue;
    if (!key.live || !config_.set_text(key.name, *wanted)) {
      reloaded.need_restart.emplace_back(key.name);
    } else if (is_set_.contains(key.name)) {
      reloaded.undone.push_back({std::string(key.name), *now, *wanted});
    }
  }
  is_set_.clear();
  apply_(config_);
  return reloaded;
}

}  // namespace sluice::proxy::front
