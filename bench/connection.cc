#include "bench/connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "bench/reply.h"
#include "bench/workload.h"

namespace sluice::bench {

Result<size_t> next_reply(std::string_view bytes) {
  const size_t length = scan_reply(bytes);
  if (length != kReplyMalformed) return length;
  return Error(ErrorClass::kInvalid,
               "the server's answer is not RESP: \"" + std::string(bytes.substr(0, 40)) + "\"");
}

Connection::Connection(const Address& address, size_t pipeline, bool resp3)
    : address_(address), resp3_(resp3), ring_(pipeline) {}

Status Connection::open(int epoll_fd, uint32_t tag) {
  const int family = address_.storage.ss_family;
  fd_ = ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) return base::errno_error(errno, "socket");
  if (family != AF_UNIX) {
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  // Edge-triggered: one registration for the life of the connection, no system call to switch
  // between waiting for reading and for writing.
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.u32 = tag;
  const bool begun = ::connect(fd_, address_.raw(), address_.length) == 0 || errno == EINPROGRESS;
  if (!begun || ::epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd_, &event) != 0) {
    const Error error = base::errno_error(errno, "connect to " + address_.text);
    close();
    return error;
  }
  state_ = State::kConnecting;
  return {};
}

Status Connection::finish_open() {
  int failure = 0;
  socklen_t length = sizeof failure;
  ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &failure, &length);
  if (failure != 0) {
    close();
    return base::errno_error(failure, "connect to " + address_.text);
  }
  state_ = State::kReady;
  if (resp3_) {
    append_command(out_, "HELLO", "3");
    greeting_pending_ = true;
  }
  return flush();
}

void Connection::close() {
  if (fd_ >= 0) ::close(fd_);  // also leaves epoll
  fd_ = -1;
  state_ = State::kClosed;
  out_.clear();
  out_done_ = 0;
  partial_.clear();
  greeting_pending_ = false;
}

void Connection::push(Sent sent) {
  size_t at = head_ + count_++;
  if (at >= ring_.size()) at -= ring_.size();
  ring_[at] = sent;
}

Sent Connection::pop() {
  const Sent sent = ring_[head_];
  if (++head_ == ring_.size()) head_ = 0;
  --count_;
  return sent;
}

Status Connection::flush() {
  while (unsent()) {
    const ssize_t n = ::send(fd_, out_.data() + out_done_, out_.size() - out_done_, MSG_NOSIGNAL);
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) return {};
      return base::errno_error(errno, "send to " + address_.text);
    }
    out_done_ += static_cast<size_t>(n);
  }
  out_.clear();
  out_done_ = 0;
  return {};
}

Result<std::string_view> Connection::read_some(std::vector<char>& scratch) {
  const size_t kept = partial_.size();
  if (scratch.size() < kept + kReadBytes) scratch.resize(kept + kReadBytes);
  std::memcpy(scratch.data(), partial_.data(), kept);
  const size_t space = scratch.size() - kept;
  ssize_t n;
  do {
    n = ::recv(fd_, scratch.data() + kept, space, 0);
  } while (n < 0 && errno == EINTR);
  if (n == 0) {
    return Error(ErrorClass::kUnavailable, address_.text + " closed the connection");
  }
  if (n < 0 && errno != EAGAIN) return base::errno_error(errno, "receive from " + address_.text);
  // A short read emptied the socket: the next edge will come with the next bytes.
  more_ = n > 0 && static_cast<size_t>(n) == space;
  return std::string_view(scratch.data(), kept + static_cast<size_t>(n < 0 ? 0 : n));
}

}  // namespace sluice::bench
