#include "http/server.h"

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
#include "http/session.h"

namespace sluice::http {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

constexpr int kConnectionsMax = 64;
// A handler may block (FLUSH waits for the drain); the others must still answer /healthz.
constexpr size_t kHandlerThreads = 8;
// Requests that may block at once (POST); one pool thread always stays for those that only read.
constexpr int kPostsMax = 7;

// Path → method → handler.
using Routes = std::map<std::string, std::map<std::string, Handler, std::less<>>, std::less<>>;

class ServerImpl final : public Server, public Dispatcher {
 public:
  explicit ServerImpl(AccessPolicy policy) : policy_(std::move(policy)), pool_(kHandlerThreads) {}
  ~ServerImpl() override { stop(); }

  // `inherited`: as in ServerOptions.
  Status listen(const HostPort& where, int inherited);

  void route(std::string_view method, std::string_view path, Handler handler) override {
    routes_[std::string(path)][std::string(method)] = std::move(handler);
  }
  void start() override;
  void stop_accepting() override;
  void stop() override;
  unsigned short port() const override { return port_; }

  void dispatch(const Credentials& credentials, Request request,
                std::function<void(Response)> done) override;
  void session_ended() override;

 private:
  void accept();
  void on_accepted(boost::system::error_code failure, tcp::socket socket);

  AccessPolicy policy_;  // constant after listen()
  Routes routes_;        // constant after start()
  unsigned short port_ = 0;
  std::atomic<int> posts_{0};
  int connections_ = 0;     // I/O thread
  bool accepting_ = false;  // I/O thread
  asio::io_context context_{1};
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
  policy_.loopback = endpoint.address().is_loopback();
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
  if (failure) {  // out of descriptors, most likely: breathe instead of spinning
    retry_.expires_after(std::chrono::milliseconds(100));
    retry_.async_wait([this](boost::system::error_code aborted) {
      if (!aborted) accept();
    });
    return;
  }
  ++connections_;
  std::make_shared<Session>(std::move(socket), *this)->start();
  if (connections_ < kConnectionsMax) accept();  // else: when one of them ends
}

void ServerImpl::session_ended() {
  // A pool thread may hold the last reference when the server stops; then nobody accepts anyway.
  if (context_.stopped()) return;
  asio::post(context_, [this] {
    --connections_;
    if (!accepting_) accept();
  });
}

void ServerImpl::dispatch(const Credentials& credentials, Request request,
                          std::function<void(Response)> done) {
  if (const auto refusal = check_access(policy_, credentials)) {
    return done(error_response(refusal->status, refusal->message));
  }
  const auto path = routes_.find(request.path);
  if (path == routes_.end()) return done(error_response(404, "no such path: " + request.path));
  const auto handler = path->second.find(request.method);
  if (handler == path->second.end()) {
    return done(error_response(405, request.method + " is not served on " + request.path));
  }
  const bool may_block = request.method == "POST";
  if (may_block && posts_.fetch_add(1) >= kPostsMax) {
    posts_.fetch_sub(1);
    return done(error_response(503, "too many requests are being worked on; try again"));
  }
  asio::post(pool_, [this, may_block, &call = handler->second, request = std::move(request),
                     done = std::move(done)] {
    Response response = call(request);
    if (may_block) posts_.fetch_sub(1);
    done(std::move(response));
  });
}

// admin.address = "": nobody listens.
class NoServer final : public Server {
  void route(std::string_view, std::string_view, Handler) override {}
  void start() override {}
  void stop_accepting() override {}
  void stop() override {}
  unsigned short port() const override { return 0; }
};

}  // namespace

Status check(const ServerOptions& options) {
  if (options.address.empty()) return {};
  const auto where = parse_host_port(options.address);
  if (!where) return where.error().at("admin.address");
  const auto token = read_token(options.token_file);
  return token ? Status() : token.error();
}

Result<std::unique_ptr<Server>> Server::create(const ServerOptions& options) {
  if (options.address.empty()) return std::unique_ptr<Server>(new NoServer());
  const auto where = parse_host_port(options.address);
  if (!where) return where.error().at("admin.address");
  auto token = read_token(options.token_file);
  if (!token) return token.error();
  auto server = std::make_unique<ServerImpl>(AccessPolicy{where->host, true, std::move(*token)});
  SLUICE_TRY(server->listen(*where, options.inherited));
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace sluice::http
