#include "proxy/front/server.h"

#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <chrono>
#include <functional>
#include <future>
#include <utility>

#include "base/units.h"

namespace sluice::proxy::front {
namespace asio = boost::asio;
using asio::ip::tcp;
using Local = asio::local::stream_protocol;

namespace {

constexpr int kBacklog = 1024;
constexpr auto kRetryDelay = std::chrono::milliseconds(100);

Result<tcp::endpoint> parse_address(const std::string& text) {
  const Error malformed(ErrorClass::kInvalid, "listen.address: \"" + text +
                                                  "\" is not IP:PORT; write for example "
                                                  "\"127.0.0.1:6479\" or \"[::1]:6479\"");
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos) return malformed;
  const auto port = base::parse_integer(text.substr(colon + 1));
  if (!port || *port < 0 || *port > 65535) return malformed;
  std::string host = text.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']')
    host = host.substr(1, host.size() - 2);
  if (host == "localhost") host = "127.0.0.1";
  boost::system::error_code error;
  const auto ip = asio::ip::make_address(host.empty() ? "0.0.0.0" : host, error);
  if (error) return malformed;
  return tcp::endpoint(ip, static_cast<unsigned short>(*port));
}

// A socket file that nobody listens on is left over from a process that was killed.
bool is_stale(asio::io_context& context, const std::string& path) {
  struct stat status;
  if (::stat(path.c_str(), &status) != 0 || !S_ISSOCK(status.st_mode)) return false;
  Local::socket probe(context);
  boost::system::error_code error;
  probe.connect(Local::endpoint(path), error);
  return error == asio::error::connection_refused;
}

// Returns when the thread has done it.
void run_on(upstream::IoThread& thread, std::function<void()> task) {
  std::packaged_task<void()> packaged(std::move(task));
  auto done = packaged.get_future();
  asio::post(thread.context(), std::move(packaged));
  done.wait();
}

}  // namespace

Status check(const ListenOptions& options) {
  if (!options.address.empty()) {
    const auto endpoint = parse_address(options.address);
    if (!endpoint) return endpoint.error();
  }
  if (options.unix_socket.size() >= sizeof(sockaddr_un::sun_path)) {
    return Error(ErrorClass::kInvalid, "listen.unix_socket: the path is longer than " +
                                           std::to_string(sizeof(sockaddr_un::sun_path) - 1) +
                                           " bytes; choose a shorter one");
  }
  return {};
}

bool is_local(const ListenOptions& options) {
  if (options.address.empty()) return true;
  const auto endpoint = parse_address(options.address);
  return endpoint && endpoint->address().is_loopback();
}

Result<std::unique_ptr<Server>> Server::create(
    const ListenOptions& options, std::vector<std::unique_ptr<upstream::IoThread>>& threads,
    Services& services) {
  SLUICE_TRY(check(options));
  std::unique_ptr<Server> server(new Server(options, threads, services));
  if (!options.address.empty()) SLUICE_TRY(server->listen_tcp());
  if (!options.unix_socket.empty()) SLUICE_TRY(server->listen_unix());
  return server;
}

Server::Server(const ListenOptions& options,
               std::vector<std::unique_ptr<upstream::IoThread>>& threads, Services& services)
    : options_(options),
      threads_(threads),
      tcp_(threads[0]->context()),
      unix_(threads[0]->context()),
      tcp_retry_(threads[0]->context()),
      unix_retry_(threads[0]->context()) {
  for (auto& thread : threads_) workers_.push_back(std::make_unique<Worker>(*thread, services));
}

Server::~Server() { close_unix(); }

// The file of an inherited socket is that of whoever passed it.
void Server::close_unix() {
  if (!unix_.is_open()) return;
  boost::system::error_code ignored;
  unix_.close(ignored);
  if (options_.inherited_unix < 0) ::unlink(options_.unix_socket.c_str());
}

Status Server::listen_tcp() {
  auto endpoint = parse_address(options_.address);
  if (!endpoint) return endpoint.error();
  boost::system::error_code error;
  if (options_.inherited_tcp >= 0) {
    tcp_.assign(endpoint->protocol(), options_.inherited_tcp, error);
  } else {
    tcp_.open(endpoint->protocol(), error);
    if (!error) tcp_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) tcp_.bind(*endpoint, error);
    if (!error) tcp_.listen(kBacklog, error);
  }
  if (error) {
    return Error(ErrorClass::kUnavailable, "listen.address " + options_.address + ": " +
                                               error.message() +
                                               "; stop what uses it, or choose another address "
                                               "with listen.address");
  }
  port_ = tcp_.local_endpoint(error).port();
  return {};
}

Status Server::listen_unix() {
  const std::string& path = options_.unix_socket;
  boost::system::error_code error;
  Local::acceptor acceptor(threads_[0]->context());
  if (options_.inherited_unix >= 0) {
    acceptor.assign(Local(), options_.inherited_unix, error);
  } else {
    if (is_stale(threads_[0]->context(), path)) ::unlink(path.c_str());
    acceptor.open(Local(), error);
    if (!error) acceptor.bind(Local::endpoint(path), error);
    if (!error) acceptor.listen(kBacklog, error);
  }
  if (error) {
    return Error(ErrorClass::kUnavailable, "listen.unix_socket " + path + ": " + error.message() +
                                               "; stop what uses it, or choose another path with "
                                               "listen.unix_socket");
  }
  unix_ = std::move(acceptor);
  return {};
}

void Server::start() {
  asio::post(threads_[0]->context(), [this] {
    if (tcp_.is_open()) accept(tcp_, tcp_retry_, options_.tls.get());
    if (unix_.is_open()) accept(unix_, unix_retry_, nullptr);
  });
}

upstream::IoThread& Server::next_thread() {
  next_ = (next_ + 1) % threads_.size();
  return *threads_[next_];
}

template <class Acceptor>
void Server::accept(Acceptor& acceptor, asio::steady_timer& retry, const net::TlsContext* tls) {
  upstream::IoThread& thread = next_thread();
  Worker* worker = workers_[thread.index()].get();
  using Socket = typename Acceptor::protocol_type::socket;
  acceptor.async_accept(
      asio::any_io_executor(thread.context().get_executor()),
      [this, &acceptor, &retry, &thread, worker, tls](const boost::system::error_code& error,
                                                      Socket socket) {
        if (error == asio::error::operation_aborted) return;
        if (error) {
          if (stopping_) return;
          // No descriptor left, most likely: the clients there are must be able to end first.
          spdlog::error("cannot accept a client: {}", error.message());
          retry.expires_after(kRetryDelay);
          retry.async_wait([this, &acceptor, &retry, tls](const boost::system::error_code& failed) {
            if (!failed) accept(acceptor, retry, tls);
          });
          return;
        }
        asio::post(thread.context(), [worker, tls, socket = std::move(socket)]() mutable {
          worker->adopt(std::move(socket), tls);
        });
        if (!stopping_) accept(acceptor, retry, tls);
      });
}

void Server::users_changed() {
  for (size_t i = 0; i < threads_.size(); ++i)
    asio::post(threads_[i]->context(), [worker = workers_[i].get()] { worker->users_changed(); });
}

void Server::finish() {
  run_on(*threads_[0], [this] {
    stopping_ = true;
    boost::system::error_code ignored;
    tcp_.close(ignored);
    close_unix();
    tcp_retry_.cancel();
    unix_retry_.cancel();
  });
  for (size_t i = 0; i < threads_.size(); ++i)
    asio::post(threads_[i]->context(), [worker = workers_[i].get()] { worker->finish(); });
}

void Server::stop() {
  for (size_t i = 0; i < threads_.size(); ++i)
    run_on(*threads_[i], [this, i] { workers_[i]->close_all(); });
}

}  // namespace sluice::proxy::front
