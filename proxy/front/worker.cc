#include "proxy/front/worker.h"

#include <chrono>

#include "base/clock.h"
#include "proxy/front/session.h"

namespace sluice::proxy::front {
namespace {

constexpr auto kPausePollInterval = std::chrono::milliseconds(5);

}  // namespace

Worker::Worker(upstream::IoThread& thread, Services& services)
    : thread_(thread),
      services_(services),
      read_buffer_(kReadBytes, '\0'),
      upstream_buffer_(upstream::Link::kReadBytes, '\0'),
      scripts_(services.scripts),
      pause_timer_(thread.context()),
      access_(services.users, thread.index() == 0),
      catalog_loader_([this](Result<upstream::CatalogPtr> catalog) {
        access_.take_catalog(std::move(catalog));
        access_changed();
      }),
      pinned_pool_(thread, services.redis, upstream_buffer_, services.pinned_open,
                   services.limits.pinned_connections),
      patrol_(thread, kPatrolEvery),
      pacer_(thread, kPaceEvery) {
  pipe(2, 0);
}

Worker::~Worker() {
  pause_timer_.cancel();
  close_all();
}

upstream::Pipe& Worker::pipe(int protocol, int64_t database) {
  std::unique_ptr<upstream::Pipe>& pipe = pipes_[{protocol, database}];
  if (pipe == nullptr) {
    const bool first = protocol == 2 && database == 0;
    pipe = std::make_unique<upstream::Pipe>(thread_, services_.redis, upstream_buffer_,
                                            upstream::LinkSetup{protocol, database, first, false});
    pipe->on_lost([this] { scripts_.connection_lost(); });
    if (first && services_.users != nullptr)
      pipe->on_ready([this, opened = pipe.get()] { catalog_loader_.load(*opened); });
    pipe->open();
  }
  return *pipe;
}

void Worker::abandon(const upstream::ReplyReceiver& receiver) {
  for (auto& [setup, pipe] : pipes_) pipe->abandon(receiver);
}

// A module may have brought Redis new commands, too.
void Worker::users_changed() {
  access_.take_users();
  access_changed();
  load_catalog();
}

void Worker::access_changed() {
  // A session may close, and leaves the set then.
  const std::vector<std::shared_ptr<Session>> sessions(sessions_.begin(), sessions_.end());
  for (const std::shared_ptr<Session>& session : sessions) session->access_changed();
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

void Worker::wait_for_pause(std::weak_ptr<Session> session) {
  if (paused_.empty()) {
    pauses_ended_ = services_.pause.ended(base::monotonic_us());
    look_at_pause();
  }
  paused_.push_back(std::move(session));
}

// By polling: UNPAUSE may come on any thread, and a pause ends by itself.
void Worker::look_at_pause() {
  pause_timer_.expires_after(kPausePollInterval);
  pause_timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    Pause& pause = services_.pause;
    const bool ended = pause.ended(base::monotonic_us()) != pauses_ended_ || !pause.active();
    if (!ended) return look_at_pause();
    for (const auto& weak : std::exchange(paused_, {})) {
      if (const auto session = weak.lock()) session->look_again();
    }
  });
}

void Worker::remove(const std::shared_ptr<Session>& session) { sessions_.erase(session); }

void Worker::close_all() {
  while (!sessions_.empty()) {
    const std::shared_ptr<Session> session = *sessions_.begin();
    session->close();
  }
}

}  // namespace sluice::proxy::front
