#include "http/viewers.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <utility>

namespace sluice::http {
namespace {

namespace beast = boost::beast;

// "retry": how soon a browser comes again after it was cut off.
constexpr std::string_view kHead =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"
    "X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\nretry: 1000\n\n";

std::string event_of(const std::string& data) { return "data: " + data + "\n\n"; }

}  // namespace

void Viewers::publish(const std::string& data) {
  if (viewers() == 0) return;
  auto text = std::make_shared<const std::string>(event_of(data));
  boost::asio::post(context_, [this, text = std::move(text)] {
    for (auto each = viewers_.begin(); each != viewers_.end();) {
      const Place viewer = each++;
      if ((*viewer)->is_writing)
        (*viewer)->next = text;
      else
        send(viewer, text);
    }
  });
}

void Viewers::add(beast::tcp_stream stream, const std::string& first) {
  if (is_full()) return;
  count_.fetch_add(1, std::memory_order_relaxed);
  viewers_.push_back(std::make_shared<Viewer>(std::move(stream)));
  send(std::prev(viewers_.end()),
       std::make_shared<const std::string>(std::string(kHead) + event_of(first)));
}

// The list keeps the viewer until its write is over; then only this handler may drop it.
void Viewers::send(Place viewer, const Text& text) {
  Viewer& to = **viewer;
  to.is_writing = true;
  to.stream.expires_after(std::chrono::seconds(kEventTimeoutS));
  boost::asio::async_write(to.stream, boost::asio::buffer(*text),
                           [this, viewer, kept = *viewer, text](beast::error_code failure, size_t) {
                             kept->is_writing = false;
                             kept->stream.expires_never();
                             if (failure) return drop(viewer);
                             if (kept->next) send(viewer, std::exchange(kept->next, nullptr));
                           });
}

void Viewers::drop(Place viewer) {
  viewers_.erase(viewer);
  count_.fetch_sub(1, std::memory_order_relaxed);
}

}  // namespace sluice::http
