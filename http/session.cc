#include "http/session.h"

#include <algorithm>
#include <boost/asio/dispatch.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <chrono>

#include "base/logging.h"

namespace sluice::http {

namespace beast = boost::beast;

namespace {

// The status to answer a request that could not be read; 0: none, just close.
int status_of(beast::error_code failure) {
  if (failure == beast::http::error::header_limit) return 431;
  if (failure == beast::http::error::body_limit) return 413;
  if (failure == beast::http::error::buffer_overflow) return 413;
  if (failure == beast::http::error::end_of_stream) return 0;
  if (failure == beast::http::error::partial_message) return 0;
  const beast::error_code any_http = beast::http::error::bad_method;
  return failure.category() == any_http.category() ? 400 : 0;
}

// A header that decides who may ask for what, or where the request ends, and was sent more than
// once: whoever stands in between may go by another one of them. "": none.
std::string_view repeated_header(const beast::http::fields& fields) {
  using beast::http::field;
  for (const field name : {field::host, field::origin, field::authorization, field::content_length,
                           field::transfer_encoding}) {
    if (fields.count(name) > 1) return beast::http::to_string(name);
  }
  return {};
}

}  // namespace

Response error_response(int status, std::string_view message) {
  // Whatever bytes a client has sent may be in it, and JSON is UTF-8.
  return {status, "application/json", "{\"error\":" + base::json_string(message) + "}\n"};
}

void Session::read() {
  parser_.emplace();
  parser_->header_limit(kHeaderBytesMax);
  parser_->body_limit(kBodyBytesMax);
  stream_.expires_after(std::chrono::seconds(kIdleTimeoutS));
  idle_ = dispatcher_.idle(*this);
  beast::http::async_read(
      stream_, buffer_, *parser_,
      [self = shared_from_this()](beast::error_code failure, size_t) { self->on_read(failure); });
}

void Session::after(Pace::Clock::duration wait, void (Session::*step)()) {
  if (wait <= Pace::Clock::duration::zero()) return (this->*step)();
  pause_.expires_after(wait);
  pause_.async_wait([self = shared_from_this(), step](boost::system::error_code aborted) {
    if (!aborted) (self.get()->*step)();
  });
}

void Session::on_read(beast::error_code failure) {
  dispatcher_.busy(idle_);
  if (failure) {
    keep_alive_ = false;
    const int status = status_of(failure);
    if (status != 0) respond(error_response(status, failure.message()));
    return;
  }
  stream_.expires_never();  // the handler sets its own deadline
  after(dispatcher_.take_turn(), &Session::answer);
}

void Session::answer() {
  const auto& message = parser_->get();
  if (const auto name = repeated_header(message); !name.empty()) {
    keep_alive_ = false;
    return respond(error_response(400, "more than one " + std::string(name) + "; send one"));
  }
  keep_alive_ = message.keep_alive();
  const std::string_view target(message.target().data(), message.target().size());
  const size_t question = std::min(target.find('?'), target.size());
  Request request{std::string(message.method_string()), std::string(target.substr(0, question)),
                  std::string(target.substr(std::min(question + 1, target.size()))), message.body(),
                  std::string(message[beast::http::field::if_none_match])};
  const auto header = [&](beast::http::field field) { return std::string_view(message[field]); };
  const Credentials credentials{message.method_string(), header(beast::http::field::host),
                                header(beast::http::field::origin),
                                header(beast::http::field::authorization)};
  dispatcher_.dispatch(credentials, std::move(request), [self = shared_from_this()](Outcome got) {
    boost::asio::dispatch(self->stream_.get_executor(), [self, outcome = std::move(got)]() mutable {
      self->take(std::move(outcome));
    });
  });
}

void Session::take(Outcome outcome) {
  if (outcome.viewers == nullptr) return respond(std::move(outcome.response));
  outcome.viewers->add(std::move(stream_), outcome.response.body);
}

void Session::respond(Response response) {
  response_ = {};
  response_.result(static_cast<unsigned>(response.status));
  response_.set(beast::http::field::content_type, response.content_type);
  response_.set(beast::http::field::cache_control, "no-store");
  response_.set("X-Content-Type-Options", "nosniff");
  for (const auto& [name, value] : response.headers) response_.set(name, value);
  if (response.status == 401) response_.set(beast::http::field::www_authenticate, "Bearer");
  keep_alive_ = keep_alive_ && !dispatcher_.is_crowded();
  response_.keep_alive(keep_alive_);
  response_.body() = std::move(response.body);
  response_.prepare_payload();
  stream_.expires_after(std::chrono::seconds(kIdleTimeoutS));
  idle_ = dispatcher_.idle(*this);
  beast::http::async_write(stream_, response_,
                           [self = shared_from_this()](beast::error_code failure, size_t) {
                             self->on_written(self->keep_alive_, failure);
                           });
}

void Session::on_written(bool keep_alive, beast::error_code failure) {
  dispatcher_.busy(idle_);
  if (failure) return;
  if (keep_alive) return after(pace_.take(), &Session::read);
  stream_.socket().shutdown(boost::asio::ip::tcp::socket::shutdown_send, failure);
}

}  // namespace sluice::http
