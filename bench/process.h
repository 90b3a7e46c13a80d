// A server that the benchmark has started: ended by its pid, never outliving the benchmark.
//
// Owned by Stack, which destroys its processes in reverse order of start. One thread.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"

namespace sluice::bench {

class Process {
 public:
  // Output goes to `log_path`. `words[0]` is looked up in PATH. kNotFound if there is no such
  // program. The child gets a process group of its own, so that Ctrl-C reaches the benchmark
  // alone and the servers are stopped in order, and SIGKILL if the benchmark itself is killed.
  static Result<std::unique_ptr<Process>> start(const std::string& name,
                                                const std::vector<std::string>& words,
                                                const std::string& log_path);
  ~Process() { stop(); }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  bool running();
  // Of the running process.
  pid_t pid() const { return pid_; }
  const std::string& name() const { return name_; }
  // Waits for the process to end by itself; its exit code. kUnavailable after the time, or if the
  // benchmark is interrupted.
  Result<int> wait(int64_t timeout_us);
  // SIGTERM, and SIGKILL if that was not enough for 10 s.
  void stop();
  // `what` and the end of the log, as an error.
  Error failure(const std::string& what) const;

 private:
  Process(std::string name, std::string log_path, pid_t pid)
      : name_(std::move(name)), log_path_(std::move(log_path)), pid_(pid) {}

  const std::string name_;
  const std::string log_path_;
  pid_t pid_;           // -1 once it has been waited for
  int exit_code_ = -1;  // 128 + signal if it was killed
};

// Asks `ready` every few milliseconds until it says yes; an error if the process ends, the time is
// over or the benchmark is interrupted.
Status wait_until_ready(Process& process, int64_t timeout_us, const std::function<bool()>& ready);

// The most memory that the process has had so far; 0 if it is not known.
int64_t peak_memory_bytes(pid_t pid);

}  // namespace sluice::bench
