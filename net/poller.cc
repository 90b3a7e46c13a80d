#include "net/poller.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <system_error>
#include <utility>

#include "base/clock.h"

namespace sluice::net {
namespace {

constexpr uint32_t kEdges = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET;
constexpr uint32_t kEnded = EPOLLRDHUP | EPOLLHUP | EPOLLERR;

int new_epoll_set() {
  const int fd = ::epoll_create1(EPOLL_CLOEXEC);
  if (fd < 0) throw std::system_error(errno, std::system_category(), "epoll_create1");
  return fd;
}

}  // namespace

Poller::Poller(boost::asio::io_context& context, std::function<void()> turn_ended)
    : context_(context), turn_ended_(std::move(turn_ended)), epoll_(context, new_epoll_set()) {
  wait();
}

bool Poller::add(int fd, Pollable& socket) {
  socket.ready_ = 0;
  socket.short_reads_lie_ = false;
  epoll_event event{};
  event.events = kEdges;
  event.data.ptr = &socket;
  return ::epoll_ctl(epoll_.native_handle(), EPOLL_CTL_ADD, fd, &event) == 0;
}

void Poller::remove(Pollable& socket) {
  for (size_t i = 0; i < batch_; ++i) {
    if (events_[i].data.ptr == &socket) events_[i].data.ptr = nullptr;
  }
  if (!std::exchange(socket.called_soon_, false)) return;
  std::replace(soon_.begin(), soon_.end(), &socket, static_cast<Pollable*>(nullptr));
  std::replace(running_.begin(), running_.end(), &socket, static_cast<Pollable*>(nullptr));
}

void Poller::call_soon(Pollable& socket) {
  if (std::exchange(socket.called_soon_, true)) return;
  soon_.push_back(&socket);
  wait();
}

// For the next turn: at once if somebody is to be called, else when the kernel has news.
void Poller::wait() {
  if (in_turn_) return;
  if (!soon_.empty()) {
    if (std::exchange(posted_, true)) return;
    boost::asio::post(context_, [this] {
      posted_ = false;
      turn();
    });
  } else if (!std::exchange(waiting_, true)) {
    epoll_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                      [this](const boost::system::error_code& error) {
                        waiting_ = false;
                        if (!error) turn();
                      });
  }
}

void Poller::turn() {
  in_turn_ = true;
  turn_us_ = base::monotonic_us();
  std::swap(soon_, running_);
  const int got = ::epoll_wait(epoll_.native_handle(), events_.data(), kBatch, 0);
  batch_ = got > 0 ? static_cast<size_t>(got) : 0;
  for (size_t i = 0; i < batch_; ++i) {
    auto* socket = static_cast<Pollable*>(events_[i].data.ptr);
    if (socket == nullptr) continue;
    const uint32_t events = events_[i].events;
    if ((events & (EPOLLIN | EPOLLPRI | kEnded)) != 0) socket->ready_ |= Pollable::kRead;
    if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) socket->ready_ |= Pollable::kWrite;
    if ((events & (EPOLLPRI | kEnded)) != 0) socket->short_reads_lie_ = true;
    socket->socket_ready();
  }
  batch_ = 0;
  for (size_t i = 0; i < running_.size(); ++i) {
    Pollable* socket = std::exchange(running_[i], nullptr);
    if (socket == nullptr) continue;
    socket->called_soon_ = false;
    socket->socket_ready();
  }
  running_.clear();
  in_turn_ = false;
  turn_ended_();
  wait();
}

}  // namespace sluice::net
