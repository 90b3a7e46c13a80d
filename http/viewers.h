// Those that follow one event stream: one text for all, bounded, the slow ones dropped.
//
//   publish() ─► I/O thread: for each viewer ─ idle ──► write
//                                            ├ writing ─► then; if another comes first, that one
//                                            └ gone, or writing for kEventTimeoutS ─► closed
//
// A viewer's memory is a socket and a share of the text. Owned by the server; I/O thread only,
// but for what is said to be for any.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <list>
#include <memory>
#include <string>

#include "http/server.h"

namespace sluice::http {

constexpr int kEventTimeoutS = 10;

class Viewers final : public EventStream {
 public:
  Viewers(boost::asio::io_context& context, size_t viewers_max, std::function<std::string()> first)
      : context_(context), viewers_max_(viewers_max), first_(std::move(first)) {}

  size_t viewers() const override { return count_.load(std::memory_order_relaxed); }
  void publish(const std::string& data) override;

  bool is_full() const { return count_.load(std::memory_order_relaxed) >= viewers_max_; }
  // Any thread, may block.
  std::string first() const { return first_(); }
  // Takes over the connection; closes it if there is no room any more.
  void add(boost::beast::tcp_stream stream, const std::string& first);
  // The I/O thread has ended.
  void clear() { viewers_.clear(); }

 private:
  using Text = std::shared_ptr<const std::string>;
  struct Viewer {
    explicit Viewer(boost::beast::tcp_stream taken) : stream(std::move(taken)) {}
    boost::beast::tcp_stream stream;
    bool is_writing = false;
    std::shared_ptr<const std::string> next;  // when that is written; nullptr: none
  };
  using Place = std::list<std::shared_ptr<Viewer>>::iterator;

  void send(Place viewer, const Text& text);
  void drop(Place viewer);

  boost::asio::io_context& context_;
  const size_t viewers_max_;
  const std::function<std::string()> first_;
  std::atomic<size_t> count_{0};
  std::list<std::shared_ptr<Viewer>> viewers_;
};

}  // namespace sluice::http
