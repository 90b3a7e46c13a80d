#include "proxy/front/live_config.h"

#include "proxy/front/command_table.h"
#include "resp/names.h"

namespace sluice::proxy::front {
namespace {

constexpr std::string_view kPrefix = "sluice.";

bool equal(char a, char b) { return resp::equals_ignoring_case({&a, 1}, {&b, 1}); }

}  // namespace

// Linear with one point of return: a later '*' never needs an earlier one to be tried again.
bool glob_matches(std::string_view pattern, std::string_view text) {
  size_t p = 0, t = 0, star = std::string_view::npos, star_text = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      star_text = t;
      continue;
    }
    const bool escaped = p + 1 < pattern.size() && pattern[p] == '\\';
    const size_t literal = escaped ? p + 1 : p;
    const bool any = !escaped && p < pattern.size() && pattern[p] == '?';
    if (any || (literal < pattern.size() && equal(pattern[literal], text[t]))) {
      p = literal + 1;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++star_text;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

std::vector<std::pair<std::string, std::string>> LiveConfig::get(std::string_view pattern) const {
  std::lock_guard lock(mutex_);
  std::vector<std::pair<std::string, std::string>> found;
  for (const base::ConfigKey& key : config_.keys()) {
    const std::string name = std::string(kPrefix) + std::string(key.name);
    if (!glob_matches(pattern, name)) continue;
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
  apply_(config_);
  return {};
}

std::vector<std::string> LiveConfig::reload(const base::Config& fresh) {
  std::lock_guard lock(mutex_);
  std::vector<std::string> unchanged;
  for (const base::ConfigKey& key : config_.keys()) {
    const auto now = config_.text(key.name), wanted = fresh.text(key.name);
    if (!now || !wanted || *now == *wanted) continue;
    if (!key.live || !config_.set_text(key.name, *wanted)) unchanged.emplace_back(key.name);
  }
  apply_(config_);
  return unchanged;
}

}  // namespace sluice::proxy::front
