#include "flusher/pause_switch.h"

#include <algorithm>
#include <utility>

#include "journal/segment.h"

namespace sluice::flusher {

PauseSwitch::PauseSwitch(std::string dir, base::FileSystem& fs) : dir_(std::move(dir)), fs_(fs) {
  (void)settle();  // tried again, and told of, once the folder is looked at
}

Status PauseSwitch::set(bool on) {
  const std::lock_guard lock(mutex_);
  is_on_ = on;
  Status kept = keep(on);
  const bool no_folder = !kept && kept.error().cls() == ErrorClass::kNotFound;
  is_settled_ = !no_folder;
  return no_folder ? Status() : kept;
}

Status PauseSwitch::settle() {
  const std::lock_guard lock(mutex_);
  if (is_settled_) return {};
  if (is_on_) {
    SLUICE_TRY(keep(true));
  } else {
    const auto entries = fs_.list(dir_);
    if (!entries) return entries.error();
    is_on_ = std::any_of(entries->begin(), entries->end(),
                         [](const base::DirectoryEntry& entry) { return entry.name == kName; });
  }
  is_settled_ = true;
  return {};
}

Status PauseSwitch::keep(bool on) {
  if (on) {
    return base::replace_file(fs_, dir_, kName,
                              "The drain into MySQL is paused (SECKILL.PAUSE FLUSH, POST /pause), "
                              "until SECKILL.RESUME FLUSH or POST /resume.\n");
  }
  Status removed = fs_.remove(journal::path_in(dir_, kName));
  if (!removed && removed.error().cls() == ErrorClass::kNotFound) return {};
  return removed ? fs_.sync_dir(dir_) : removed;
}

}  // namespace sluice::flusher
