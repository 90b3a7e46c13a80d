#include "proxy/front/pause.h"

#include <algorithm>

#include "proxy/sale/command.h"

namespace sluice::proxy::front {
bool may_write(CommandKind kind, std::span<const std::string_view> args,
               const upstream::CommandCatalog* catalog) {
  if (kind == CommandKind::kSale) {
    const sale::CommandSpec* spec = sale::find_command(args[0]);
    return spec != nullptr && spec->writes;
  }
  // Whoever ends the pause must get through.
  if (kind == CommandKind::kClient) return false;
  if (catalog == nullptr) return true;
  const upstream::CommandInfo* command = catalog->lookup(args);
  return command != nullptr && command->may_write;
}

void Pause::begin(Mode mode, int64_t end_us) {
  std::lock_guard lock(mutex_);
  end_us_ = active() ? std::max(end_us_, end_us) : end_us;
  mode_ = std::max(mode_.load(), mode);
}

void Pause::end() {
  std::lock_guard lock(mutex_);
  mode_ = Mode::kNone;
  ++ended_;
}

void Pause::end_in_time(int64_t now_us) {
  if (active() && now_us >= end_us_) {
    mode_ = Mode::kNone;
    ++ended_;
  }
}

uint64_t Pause::ended(int64_t now_us) {
  std::lock_guard lock(mutex_);
  end_in_time(now_us);
  return ended_;
}

bool Pause::holds(bool writes, int64_t now_us) {
  Mode mode = Mode::kNone;
  {
    std::lock_guard lock(mutex_);
    end_in_time(now_us);
    mode = mode_;
  }
  return mode == Mode::kAll || (mode == Mode::kWrite && writes);
}

}  // namespace sluice::proxy::front
