#include "proxy/front/worker.h"

#include <chrono>
#include <utility>

#include "base/clock.h"
#include "proxy/front/client_inquiry.h"
#include "proxy/front/session.h"
#include "resp/names.h"

namespace sluice::proxy::front {
namespace {

constexpr auto kPausePollInterval = std::chrono::milliseconds(5);
constexpr size_t kCommandNameMax = 64;
// At the end: whether what clients were sent has reached them.
constexpr auto kFinishPollInterval = std::chrono::milliseconds(2);

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
        if (catalog) learn_commands(**catalog);
        access_.take_catalog(std::move(catalog));
        access_changed();
      }),
      wants_catalog_(services.users != nullptr),
      pinned_pool_(thread, services.redis, upstream_buffer_, services.pinned_open,
                   services.limits.pinned_connections),
      patrol_(thread, kPatrolEvery),
      pacer_(thread, kPaceEvery),
      finish_timer_(thread.context()) {
  pipe(2, 0);
}

Worker::~Worker() {
  pause_timer_.cancel();
  finish_timer_.cancel();
  close_all();
}

upstream::Pipe& Worker::pipe(int protocol, int64_t database) {
  std::unique_ptr<upstream::Pipe>& pipe = pipes_[{protocol, database}];
  if (pipe == nullptr) {
    pipe = std::make_unique<upstream::Pipe>(thread_, services_.redis, upstream_buffer_,
                                            upstream::LinkSetup{protocol, database, false});
    pipe->on_lost([this] { scripts_.connection_lost(); });
    if (protocol == 2 && database == 0)
      pipe->on_ready([this, opened = pipe.get()] { connected(*opened); });
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

// It may be another server than before.
void Worker::connected(upstream::Pipe& pipe) {
  if (wants_catalog_) catalog_loader_.load(pipe);
  knows_client_line_ = false;
  if (!hello_) return;
  const std::string_view hello[] = {"HELLO", "2"};
  errands_.send(pipe, hello, [this](std::string_view reply) {
    static_cast<void>(learn_hello(reply));  // what was known stays, until it is heard again
  });
}

CommandKind Worker::kind_of(std::string_view name) const {
  const CommandKind kind = classify(name);
  const bool blocks = kind == CommandKind::kForward && !learned_blocking_.empty() &&
                      learned_blocking_.contains(resp::lower(name.substr(0, kCommandNameMax)));
  return blocks ? CommandKind::kBlocking : kind;
}

const upstream::CommandCatalog* Worker::catalog() {
  const std::string& error = access_.catalog_error();
  // Once more if the server was busy: what is known may be of another one.
  const bool busy = !error.empty() && refuses("-" + error);
  if (!std::exchange(wants_catalog_, true) || busy) load_catalog();
  return access_.catalog();
}

void Worker::learn_commands(const upstream::CommandCatalog& catalog) {
  learned_blocking_.clear();
  std::set<std::string, std::less<>> containers;
  for (const upstream::CommandInfo& command : catalog.all()) {
    if (!command.subcommands.empty()) containers.insert(command.name);
    if (command.blocks && classify(command.name) == CommandKind::kForward)
      learned_blocking_.insert(command.name);
  }
  services_.clients.know_containers(std::move(containers));
  // Those who wait for the end of a CLIENT PAUSE since it was not known whether they write.
  for (const auto& weak : std::exchange(paused_, {})) {
    if (const auto session = weak.lock()) session->look_again();
  }
}

Status Worker::learn_hello(std::string_view reply) {
  auto hello = ServerHello::parse(reply);
  if (!hello) return hello.error();
  hello_ = *std::move(hello);
  return {};
}

void Worker::learn_client_line(std::string_view reply) {
  // One that may not be asked is not asked again; one that is busy is.
  knows_client_line_ = !refuses(reply);
  if (auto line = ClientLine::learn(reply)) services_.clients.describe_like(*std::move(line));
}

void Worker::adopt(boost::asio::generic::stream_protocol::socket socket,
                   const net::TlsContext* tls) {
  auto session = std::make_shared<Session>(*this, std::move(socket), tls);
  if (session->start()) sessions_.insert(std::move(session));
  if (finishing_) finish_sessions();
}

void Worker::finish() {
  finishing_ = true;
  finish_sessions();
}

// By polling: the kernel does not tell when a client's has taken all that it was sent.
void Worker::finish_sessions() {
  const std::vector<std::shared_ptr<Session>> sessions(sessions_.begin(), sessions_.end());
  for (const std::shared_ptr<Session>& session : sessions) session->finish();
  if (sessions_.empty()) return;
  finish_timer_.expires_after(kFinishPollInterval);
  finish_timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) finish_sessions();
  });
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
