#include "bench/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <sstream>

#include "base/clock.h"
#include "bench/interrupt.h"

namespace sluice::bench {
namespace {

constexpr int64_t kStopTimeoutUs = 10'000'000;
constexpr useconds_t kPollUs = 5'000;
constexpr int kExecFailed = 127;

// Runs in the child, between fork and exec: nothing that allocates.
[[noreturn]] void become(char* const* words, int log_fd, pid_t parent) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(kExecFailed);  // the parent was gone before the line above
  sigset_t none;
  sigemptyset(&none);
  ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
  const int null_fd = ::open("/dev/null", O_RDONLY);
  ::dup2(null_fd, STDIN_FILENO);
  ::dup2(log_fd, STDOUT_FILENO);
  ::dup2(log_fd, STDERR_FILENO);
  ::execvp(words[0], words);
  ::_exit(kExecFailed);
}

std::string tail_of(const std::string& path) {
  constexpr size_t kTailBytes = 1500;
  std::ifstream file(path);
  std::stringstream content;
  content << file.rdbuf();
  std::string text = content.str();
  if (text.size() > kTailBytes) text.erase(0, text.size() - kTailBytes);
  return text;
}

}  // namespace

Result<std::unique_ptr<Process>> Process::start(const std::string& name,
                                                const std::vector<std::string>& words,
                                                const std::string& log_path) {
  std::vector<char*> raw;
  for (const std::string& word : words) raw.push_back(const_cast<char*>(word.c_str()));
  raw.push_back(nullptr);
  const int log_fd = ::open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (log_fd < 0) return base::errno_error(errno, log_path);
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid == 0) become(raw.data(), log_fd, parent);
  const int fork_error = errno;
  ::close(log_fd);
  if (pid < 0) return base::errno_error(fork_error, "start " + name);
  return std::unique_ptr<Process>(new Process(name, log_path, pid));
}

bool Process::running() {
  if (pid_ < 0) return false;
  int status = 0;
  if (::waitpid(pid_, &status, WNOHANG) != pid_) return true;
  exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  pid_ = -1;
  return false;
}

Result<int> Process::wait(int64_t timeout_us) {
  const int64_t deadline_us = base::monotonic_us() + timeout_us;
  while (running()) {
    if (interrupted()) return Error(ErrorClass::kUnavailable, "interrupted");
    if (base::monotonic_us() > deadline_us) return failure("did not end in time");
    ::usleep(kPollUs);
  }
  return exit_code_;
}

void Process::stop() {
  if (!running()) return;
  ::kill(pid_, SIGTERM);
  const int64_t deadline_us = base::monotonic_us() + kStopTimeoutUs;
  while (running()) {
    if (base::monotonic_us() > deadline_us) ::kill(pid_, SIGKILL);
    ::usleep(kPollUs);
  }
}

Error Process::failure(const std::string& what) const {
  if (exit_code_ == kExecFailed) {
    return Error(ErrorClass::kNotFound, name_ + ": cannot be run; is it installed and built?");
  }
  return Error(ErrorClass::kUnavailable,
               name_ + ": " + what + "; the end of its log:\n" + tail_of(log_path_));
}

Status wait_until_ready(Process& process, int64_t timeout_us, const std::function<bool()>& ready) {
  const int64_t deadline_us = base::monotonic_us() + timeout_us;
  while (!ready()) {
    if (interrupted()) return Error(ErrorClass::kUnavailable, "interrupted");
    if (!process.running()) return process.failure("ended while starting");
    if (base::monotonic_us() > deadline_us) return process.failure("not ready in time");
    ::usleep(kPollUs);
  }
  return {};
}

int64_t peak_memory_bytes(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    long long kib = 0;
    if (std::sscanf(line.c_str(), "VmHWM: %lld kB", &kib) == 1) return kib * 1024;
  }
  return 0;
}

}  // namespace sluice::bench
