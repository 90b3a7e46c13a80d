// Whether an operator has paused the drain. It is kept in the journal's folder, so that a pause
// outlives the flusher.
//
// The file `flusher.paused` is the flusher's own; there or not is what counts. It holds a sentence
// for people who find it. Any thread.
#pragma once

#include <atomic>
#include <mutex>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/file.h"

namespace sluice::flusher {

class PauseSwitch {
 public:
  static constexpr std::string_view kName = "flusher.paused";

  // Reads what an earlier run was told, if the folder is there.
  PauseSwitch(std::string dir, base::FileSystem& fs);

  bool is_on() const { return is_on_; }
  // In force at once, and durable when it returns without an error. Without a folder yet,
  // settle() keeps it.
  Status set(bool on);
  // The folder is there: reads what it holds, or keeps there what was set before.
  Status settle();

 private:
  Status keep(bool on);

  const std::string dir_;
  base::FileSystem& fs_;
  std::atomic<bool> is_on_{false};
  std::mutex mutex_;         // of one change at a time
  bool is_settled_ = false;  // guarded by mutex_
};

}  // namespace sluice::flusher
