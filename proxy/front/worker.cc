#include "proxy/front/worker.h"

#include "proxy/front/session.h"

namespace sluice::proxy::front {

Worker::Worker(upstream::IoThread& thread, Services& services)
    : thread_(thread),
      services_(services),
      read_buffer_(kReadBytes, '\0'),
      upstream_buffer_(upstream::Link::kReadBytes, '\0'),
      pinned_pool_(thread, services.redis, upstream_buffer_, services.pinned_open,
                   services.limits.pinned_connections) {
  pipe(2, 0);
}

Worker::~Worker() { close_all(); }

upstream::Pipe& Worker::pipe(int protocol, int64_t database) {
  std::unique_ptr<upstream::Pipe>& pipe = pipes_[{protocol, database}];
  if (pipe == nullptr) {
    const bool first = protocol == 2 && database == 0;
    pipe = std::make_unique<upstream::Pipe>(thread_, services_.redis, upstream_buffer_,
                                            upstream::LinkSetup{protocol, database, first});
    pipe->open();
  }
  return *pipe;
}

void Worker::abandon(const upstream::ReplyReceiver& receiver) {
  for (auto& [setup, pipe] : pipes_) pipe->abandon(receiver);
}

std::string Worker::redis_version() {
  const std::string& version = pipe(2, 0).redis_version();
  return version.empty() ? "7.0.0" : version;
}

void Worker::adopt(boost::asio::generic::stream_protocol::socket socket,
                   const net::TlsContext* tls) {
  auto session = std::make_shared<Session>(*this, std::move(socket), tls);
  if (session->start()) sessions_.insert(std::move(session));
}

void Worker::remove(const std::shared_ptr<Session>& session) { sessions_.erase(session); }

void Worker::close_all() {
  while (!sessions_.empty()) {
    const std::shared_ptr<Session> session = *sessions_.begin();
    session->close();
  }
}

}  // namespace sluice::proxy::front
