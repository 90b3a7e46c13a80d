#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <chrono>

#include "http/access.h"
#include "http/server.h"

namespace sluice::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using asio::ip::tcp;

constexpr uint64_t kResponseBytesMax = 4 << 20;

// Asynchronous inside, so that one deadline covers connecting, writing and reading.
class Exchange {
 public:
  Exchange(const HostPort& where, int64_t timeout_ms)
      : where_(where), stream_(context_), timeout_(timeout_ms) {}

  beast::http::request<beast::http::string_body> request;

  Result<Response> run() {
    tcp::resolver resolver(context_);
    const auto found = resolver.resolve(where_.host, where_.port, failure_);
    if (failure_) return failed("resolving");
    stream_.expires_after(std::chrono::milliseconds(timeout_));
    parser_.body_limit(kResponseBytesMax);
    stream_.async_connect(found, [this](beast::error_code failure, const tcp::endpoint&) {
      if (finished(failure, "connecting")) return;
      write();
    });
    context_.run();
    if (failure_) return failed(step_);
    const auto& message = parser_.get();
    return Response{static_cast<int>(message.result_int()),
                    std::string(message[beast::http::field::content_type]), message.body()};
  }

 private:
  void write() {
    beast::http::async_write(stream_, request, [this](beast::error_code failure, size_t) {
      if (finished(failure, "sending")) return;
      read();
    });
  }

  void read() {
    beast::http::async_read(stream_, buffer_, parser_, [this](beast::error_code failure, size_t) {
      finished(failure, "reading the reply");
    });
  }

  bool finished(beast::error_code failure, const char* step) {
    failure_ = failure;
    step_ = step;
    return static_cast<bool>(failure);
  }

  Error failed(const char* step) const {
    return Error(ErrorClass::kUnavailable, "http://" + where_.host + ":" + where_.port + ": " +
                                               step + ": " + failure_.message());
  }

  const HostPort where_;
  asio::io_context context_{1};
  beast::tcp_stream stream_;
  const int64_t timeout_;
  beast::flat_buffer buffer_;
  beast::http::response_parser<beast::http::string_body> parser_;
  beast::error_code failure_;
  const char* step_ = "";
};

}  // namespace

Result<Response> fetch(std::string_view method, std::string_view base_url, std::string_view path,
                       std::string_view token, int64_t timeout_ms) {
  constexpr std::string_view kScheme = "http://";
  if (!base_url.starts_with(kScheme)) {
    return Error(ErrorClass::kInvalid, "\"" + std::string(base_url) +
                                           "\" is not a URL; write it like "
                                           "\"http://127.0.0.1:9480\"");
  }
  std::string_view authority = base_url.substr(kScheme.size());
  if (authority.ends_with('/')) authority.remove_suffix(1);
  const auto where = parse_host_port(authority);
  if (!where) return where.error();

  try {
    Exchange exchange(*where, timeout_ms);
    exchange.request.version(11);
    exchange.request.method_string(std::string(method));
    exchange.request.target(std::string(path));
    exchange.request.set(beast::http::field::host, std::string(authority));
    exchange.request.set(beast::http::field::connection, "close");
    if (!token.empty()) {
      exchange.request.set(beast::http::field::authorization, "Bearer " + std::string(token));
    }
    exchange.request.prepare_payload();
    return exchange.run();
  } catch (const boost::system::system_error& failure) {
    // An event loop takes descriptors of its own; without any left it cannot be made.
    return Error(ErrorClass::kUnavailable, std::string(base_url) + ": " + failure.what());
  }
}

}  // namespace sluice::http
