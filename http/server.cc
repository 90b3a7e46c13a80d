#include "http/server.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <future>
#include <map>
#include <thread>

#include "http/access.h"
#include "http/pace.h"
#include "http/session.h"
#include "http/viewers.h"

namespace sluice::http {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

constexpr int kConnectionsMax = 64;
// A connection that says nothing is cheap, but not free.
constexpr int kAcceptsAtOnce = 500;
constexpr auto kAcceptInterval = std::chrono::milliseconds(1);
// A handler may block (FLUSH waits for the drain); the others must still answer /healthz.
constexpr size_t kHandlerThreads = 8;
// Requests that may block at once (POST); one pool thread always stays for those that only read.
constexpr int kPostsMax = 7;

// Path → method → handler.
using Routes = std::map<std::string, std::map<std::string, Handler, std::less<>>, std::less<>>;
using Streams = std::map<std::string, std::unique_ptr<Viewers>, std::less<>>;

// nullptr: that method is not served there.
const Handler* handler_of(const std::map<std::string, Handler, std::less<>>& methods,
                          std::string_view method) {
  const auto found = methods.find(method);
  return found == methods.end() ? nullptr : &found->second;
}

class ServerImpl final : public Server, public Dispatcher {
 public:
  ServerImpl(std::string host, std::shared_ptr<const base::Secret> token, int requests_per_second)
      : host_(std::move(host)),
        token_(std::move(token)),
        turns_(requests_per_second,
               requests_per_second == 0
                   ? Pace::Clock::duration::zero()
                   : Pace::Clock::duration(std::chrono::seconds(1)) / requests_per_second),
        pool_(kHandlerThreads) {}
  ~ServerImpl() override { stop(); }

  // `inherited`: as in ServerOptions.
  Status listen(const HostPort& where, int inherited);

  void route(std::string_view method, std::string_view path, Handler handler) override {
    routes_[std::string(path)][std::string(method)] = std::move(handler);
  }
  EventStream& stream(std::string_view path, size_t viewers_max,
                      std::function<std::string()> first) override;
  void start() override;
  void stop_accepting() override;
  void stop() override;
  unsigned short port() const override { return port_; }

  void dispatch(const Credentials& credentials, Request request,
                std::function<void(Outcome)> done) override;
  Idle::iterator idle(Session& session) override;
  void busy(Idle::iterator place) override { idle_.erase(place); }
  Pace::Clock::duration take_turn() override { return turns_.take(); }
  bool is_crowded() const override { return connections_ > kConnectionsMax; }
  void session_ended() override;

 private:
  void accept();
  void accept_after(Pace::Clock::duration wait);
  void follow(Viewers& viewers, std::function<void(Outcome)> done);
  void on_accepted(boost::system::error_code failure, tcp::socket socket);

  const std::string host_;
  const std::shared_ptr<const base::Secret> token_;  // null: none
  bool is_loopback_ = true;                          // constant after listen()
  Routes routes_;        // constant after start()
  unsigned short port_ = 0;
  std::atomic<int> posts_{0};
  // I/O thread, like the next four.
  Pace turns_;
  Pace accepts_{kAcceptsAtOnce, kAcceptInterval};
  int connections_ = 0;
  bool accepting_ = false;
  Idle idle_;  // the one that has been idle for longest first
  asio::io_context context_{1};
  // With all connections in handlers it waits for nothing, and would end.
  const asio::executor_work_guard<asio::io_context::executor_type> work_{context_.get_executor()};
  Streams streams_;  // constant after start()
  tcp::acceptor acceptor_{context_};
  asio::steady_timer retry_{context_};
  asio::thread_pool pool_;
  std::thread thread_;
};

Status ServerImpl::listen(const HostPort& where, int inherited) {
  boost::system::error_code failure;
  tcp::resolver resolver(context_);
  const auto found = resolver.resolve(where.host, where.port, tcp::resolver::passive, failure);
  const std::string name = where.host + ":" + where.port;
  if (failure) {
    return Error(ErrorClass::kInvalid, "admin.address " + name + ": " + failure.message());
  }
  const tcp::endpoint endpoint = found.begin()->endpoint();
  if (inherited >= 0) {
    acceptor_.assign(endpoint.protocol(), inherited, failure);
  } else {
    acceptor_.open(endpoint.protocol(), failure);
    if (!failure) acceptor_.set_option(tcp::acceptor::reuse_address(true), failure);
    if (!failure) acceptor_.bind(endpoint, failure);
    if (!failure) acceptor_.listen(asio::socket_base::max_listen_connections, failure);
  }
  if (failure) {
    return Error(ErrorClass::kUnavailable, "cannot listen on " + name + ": " + failure.message() +
                                               "; choose another admin.address");
  }
  is_loopback_ = endpoint.address().is_loopback();
  port_ = acceptor_.local_endpoint().port();
  return {};
}

void ServerImpl::start() {
  if (!acceptor_.is_open() || thread_.joinable()) return;
  accept();
  thread_ = std::thread([this] { context_.run(); });
}

void ServerImpl::stop_accepting() {
  if (!thread_.joinable()) return;
  std::promise<void> closed;
  asio::post(context_, [this, &closed] {
    boost::system::error_code ignored;
    acceptor_.close(ignored);
    retry_.cancel();
    closed.set_value();
  });
  closed.get_future().wait();
}

void ServerImpl::stop() {
  context_.stop();
  if (thread_.joinable()) thread_.join();
  for (const auto& [path, viewers] : streams_) viewers->clear();
  pool_.join();  // handlers that block look at their daemon's own stop flag
}

void ServerImpl::accept() {
  if (!acceptor_.is_open()) return;
  accepting_ = true;
  acceptor_.async_accept([this](boost::system::error_code failure, tcp::socket socket) {
    on_accepted(failure, std::move(socket));
  });
}

void ServerImpl::on_accepted(boost::system::error_code failure, tcp::socket socket) {
  accepting_ = false;
  if (failure == asio::error::operation_aborted) return;
  // Out of descriptors, most likely: breathe instead of spinning.
  if (failure) return accept_after(std::chrono::milliseconds(100));
  ++connections_;
  std::make_shared<Session>(std::move(socket), *this)->start();
  if (connections_ <= kConnectionsMax)
    accept_after(accepts_.take());  // else: when one of them ends
}

void ServerImpl::accept_after(Pace::Clock::duration wait) {
  if (wait <= Pace::Clock::duration::zero()) return accept();
  accepting_ = true;
  retry_.expires_after(wait);
  retry_.async_wait([this](boost::system::error_code aborted) {
    if (!aborted) accept();
  });
}

// One is too many: the one that has been idle for longest goes, unless all others are being worked
// on.
ServerImpl::Idle::iterator ServerImpl::idle(Session& session) {
  const auto place = idle_.insert(idle_.end(), &session);
  if (connections_ > kConnectionsMax && idle_.size() > 1) idle_.front()->close();
  return place;
}

void ServerImpl::session_ended() {
  // A pool thread may hold the last reference when the server stops; then nobody accepts anyway.
  if (context_.stopped()) return;
  asio::post(context_, [this] {
    --connections_;
    if (!accepting_ && connections_ <= kConnectionsMax) accept_after(accepts_.take());
  });
}

EventStream& ServerImpl::stream(std::string_view path, size_t viewers_max,
                                std::function<std::string()> first) {
  auto& viewers = streams_[std::string(path)];
  viewers = std::make_unique<Viewers>(context_, viewers_max, std::move(first));
  return *viewers;
}

void ServerImpl::follow(Viewers& viewers, std::function<void(Outcome)> done) {
  if (viewers.is_full()) {
    return done({error_response(503, "too many follow this stream; close one, or GET /status")});
  }
  asio::post(pool_, [&viewers, done = std::move(done)] {
    done({Response{.body = viewers.first()}, &viewers});
  });
}

void ServerImpl::dispatch(const Credentials& credentials, Request request,
                          std::function<void(Outcome)> done) {
  const auto refuse = [&done](int status, std::string_view why) {
    done({error_response(status, why)});
  };
  const AccessPolicy policy{host_, is_loopback_, token_ ? token_->value() : ""};
  if (const auto refusal = check_access(policy, credentials)) {
    return refuse(refusal->status, refusal->message);
  }
  const auto stream = streams_.find(request.path);
  if (stream != streams_.end() && request.method == "GET") {
    return follow(*stream->second, std::move(done));
  }
  const auto path = routes_.find(request.path);
  if (path == routes_.end() && stream == streams_.end()) {
    return refuse(404, "no such path: " + request.path);
  }
  const auto handler = path == routes_.end() ? nullptr : handler_of(path->second, request.method);
  if (handler == nullptr) {
    return refuse(405, request.method + " is not served on " + request.path);
  }
  const bool may_block = request.method == "POST";
  if (may_block && posts_.fetch_add(1) >= kPostsMax) {
    posts_.fetch_sub(1);
    return refuse(503, "too many requests are being worked on; try again");
  }
  asio::post(pool_,
             [this, may_block, handler, request = std::move(request), done = std::move(done)] {
               Response response = (*handler)(request);
               if (may_block) posts_.fetch_sub(1);
               done({std::move(response)});
             });
}

// admin.address = "": nobody listens.
class NoServer final : public Server {
  struct NoStream final : EventStream {
    size_t viewers() const override { return 0; }
    void publish(const std::string&) override {}
  };

  void route(std::string_view, std::string_view, Handler) override {}
  EventStream& stream(std::string_view, size_t, std::function<std::string()>) override {
    return stream_;
  }
  void start() override {}
  void stop_accepting() override {}
  void stop() override {}
  unsigned short port() const override { return 0; }

  NoStream stream_;
};

}  // namespace

Status check(const ServerOptions& options) {
  if (options.address.empty()) return {};
  const auto where = parse_host_port(options.address);
  return where ? Status() : where.error().at("admin.address");
}

Result<std::unique_ptr<Server>> Server::create(const ServerOptions& options) {
  if (options.address.empty()) return std::unique_ptr<Server>(new NoServer());
  const auto where = parse_host_port(options.address);
  if (!where) return where.error().at("admin.address");
  auto server =
      std::make_unique<ServerImpl>(where->host, options.token, options.requests_per_second);
  SLUICE_TRY(server->listen(*where, options.inherited));
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace sluice::http
