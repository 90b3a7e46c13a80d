#include "bench/abuser.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>

#include "base/clock.h"
#include "bench/workload.h"

namespace sluice::bench {
namespace {

constexpr uint64_t kPipelineBytes = 1'000'000'000;
// Small, so that its own sending takes no core from the servers in bursts: a real one is elsewhere.
constexpr int kSendBufferBytes = 64 * 1024;
constexpr int kLookUpMs = 20;  // how soon a stop is noticed
constexpr int64_t kTrickleUs = 1'000'000;

}  // namespace

const char* describe(Abuse abuse) {
  switch (abuse) {
    case Abuse::kNeverReads: return "pipelines 1 GB, never reads";
    case Abuse::kTrickles: return "a byte a second";
    case Abuse::kAnnounces: return "*2000000000";
  }
  return "";
}

Abuser::Abuser(Abuse abuse, const Address& address)
    : abuse_(abuse), address_(address), thread_([this] { run(); }) {}

Abuser::~Abuser() {
  stop_ = true;
  thread_.join();
  if (fd_ >= 0) ::close(fd_);
}

void Abuser::run() {
  fd_ = ::socket(address_.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ::setsockopt(fd_, SOL_SOCKET, SO_SNDBUF, &kSendBufferBytes, sizeof(kSendBufferBytes));
  if (fd_ < 0 || ::connect(fd_, address_.raw(), address_.length) != 0) return;
  switch (abuse_) {
    case Abuse::kNeverReads: return pipeline();
    case Abuse::kTrickles: return trickle();
    case Abuse::kAnnounces:
      send("*2000000000\r\n$3\r\nDEL\r\n");
      return wait_for_the_end();
  }
}

bool Abuser::send(std::string_view bytes) {
  while (!bytes.empty() && !stop_) {
    const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0) {
      bytes.remove_prefix(static_cast<size_t>(n));
      sent_.fetch_add(static_cast<uint64_t>(n), std::memory_order_relaxed);
    } else if (errno == EAGAIN) {
      pollfd writable{fd_, POLLOUT, 0};
      ::poll(&writable, 1, kLookUpMs);
    } else if (errno != EINTR) {
      return false;
    }
  }
  return !stop_;
}

void Abuser::pipeline() {
  constexpr size_t kChunkBytes = 64 * 1024;
  std::string chunk;
  while (chunk.size() < kChunkBytes) append_command(chunk, "GET", "sluice-bench:00000000");
  while (sent() < kPipelineBytes) {
    if (!send(chunk)) return;
  }
  wait_for_the_end();
}

void Abuser::trickle() {
  if (!send("*2\r\n$4\r\nECHO\r\n$1000000\r\n")) return;
  int64_t next_us = base::monotonic_us();
  while (!stop_) {
    ::poll(nullptr, 0, kLookUpMs);
    if (base::monotonic_us() < next_us) continue;
    next_us += kTrickleUs;
    if (!send("x")) return;
  }
}

void Abuser::wait_for_the_end() {
  while (!stop_) ::poll(nullptr, 0, kLookUpMs);
}

}  // namespace sluice::bench
