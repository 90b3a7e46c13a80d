// Two streams over a socket pair, in clear and over TLS: the same must hold for both.
#include "net/stream.h"

#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <chrono>
#include <optional>
#include <random>

#include "net/tls_context.h"
#include "tests/unit/net/certificates.h"

namespace sluice::net {
namespace {

namespace asio = boost::asio;
using ErrorCode = Stream::ErrorCode;
using namespace std::chrono_literals;

// Has a name, so that the client may verify it as one.
constexpr char kHost[] = "localhost";

struct Pair {
  explicit Pair(asio::io_context& context, int buffer_bytes = 0)
      : server(Stream::Socket(context)), client(Stream::Socket(context)) {
    int sockets[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sockets), 0);
    for (int socket : sockets) {
      if (buffer_bytes == 0) break;
      ::setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &buffer_bytes, sizeof(buffer_bytes));
    }
    const asio::local::stream_protocol protocol;
    server.socket().assign(protocol, sockets[0]);
    client.socket().assign(protocol, sockets[1]);
    server.socket().native_non_blocking(true);
    client.socket().native_non_blocking(true);
  }
  Stream server;
  Stream client;
};

class StreamTest : public ::testing::TestWithParam<bool> {
 protected:
  StreamTest() {
    server_tls_ = *TlsContext::for_server("listen", authority_.issue("server", "DNS:localhost"));
    client_tls_ = *TlsContext::for_client("redis", {"", "", authority_.path("ca.crt")});
  }

  // Runs the loop until `done`, or for ten seconds.
  template <class Done>
  bool run_until(Done done) {
    const auto end = std::chrono::steady_clock::now() + 10s;
    while (!done()) {
      context_.restart();
      context_.run_one_for(100ms);
      if (std::chrono::steady_clock::now() > end) return false;
    }
    return true;
  }

  // Both handshakes, over TLS.
  void connect(Pair& pair, const std::string& host = kHost) {
    if (!GetParam()) return;
    pair.server.start_tls(server_tls_->accept(pair.server.native_handle()));
    pair.client.start_tls(client_tls_->connect(pair.client.native_handle(), host));
    std::optional<Status> server, client;
    pair.server.async_handshake([&](const Status& status) { server = status; });
    pair.client.async_handshake([&](const Status& status) { client = status; });
    ASSERT_TRUE(run_until([&] { return server && client; }));
    ASSERT_TRUE(*client) << client->error().message();
    ASSERT_TRUE(*server) << server->error().message();
  }

  Authority authority_;
  asio::io_context context_;
  std::shared_ptr<TlsContext> server_tls_, client_tls_;
};

INSTANTIATE_TEST_SUITE_P(Kinds, StreamTest, ::testing::Bool(),
                         [](const auto& kind) { return kind.param ? "Tls" : "Plain"; });

std::string pattern(size_t size, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string text(size, '\0');
  for (char& byte : text) byte = static_cast<char>(random());
  return text;
}

// Writes `text` in random pieces with write() and async_wait_write().
class Writer {
 public:
  Writer(Stream& stream, std::string text, uint64_t seed)
      : stream_(stream), text_(std::move(text)), random_(seed) {}
  void step(const ErrorCode& failure = {}) {
    ASSERT_FALSE(failure) << failure.message();
    ErrorCode error;
    while (sent_ < text_.size()) {
      const size_t piece = std::min<size_t>(1 + random_() % 60'000, text_.size() - sent_);
      // After would_block the same bytes, and here more behind them.
      const size_t size = std::max(piece, blocked_);
      const size_t n = stream_.write(text_.data() + sent_, size, error);
      sent_ += n;
      blocked_ = error == asio::error::would_block ? size : 0;
      if (blocked_ > 0) return stream_.async_wait_write([this](const ErrorCode& e) { step(e); });
      ASSERT_FALSE(error) << error.message();
    }
  }
  bool done() const { return sent_ == text_.size(); }

 private:
  Stream& stream_;
  const std::string text_;
  std::mt19937_64 random_;
  size_t sent_ = 0;
  size_t blocked_ = 0;
};

// Reads into buffers of random size, by both ways that there are.
class Reader {
 public:
  Reader(Stream& stream, uint64_t seed) : stream_(stream), random_(seed), buffer_(70'000, '\0') {}
  void step() {
    const size_t size = 1 + random_() % (random_() % 2 == 0 ? 100 : buffer_.size());
    if (random_() % 2 == 0) {
      stream_.async_read_some(asio::buffer(buffer_.data(), size),
                              [this](const ErrorCode& error, size_t n) { took(error, n); });
      return;
    }
    stream_.async_wait_read([this, size](const ErrorCode& failure) {
      ErrorCode error = failure;
      const size_t n = failure ? 0 : stream_.read(buffer_.data(), size, error);
      took(error, n);
    });
  }
  const std::string& text() const { return text_; }
  const ErrorCode& end() const { return end_; }

 private:
  void took(const ErrorCode& error, size_t n) {
    text_.append(buffer_, 0, n);
    if (error && error != asio::error::would_block) {
      EXPECT_EQ(n, 0u);
      end_ = error;
      return;
    }
    step();
  }
  Stream& stream_;
  std::mt19937_64 random_;
  std::string buffer_;
  std::string text_;
  ErrorCode end_;
};

TEST_P(StreamTest, BytesOfAnyCutArriveInBothDirectionsAtATime) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  for (int buffer_bytes : {0, 5000}) {
    Pair pair(context_, buffer_bytes);
    connect(pair);
    const std::string up = pattern(3'000'000, seed), down = pattern(2'000'000, seed + 1);
    Writer client_writes(pair.client, up, seed + 2), server_writes(pair.server, down, seed + 3);
    Reader client_reads(pair.client, seed + 4), server_reads(pair.server, seed + 5);
    client_reads.step();
    server_reads.step();
    client_writes.step();
    server_writes.step();
    ASSERT_TRUE(run_until([&] {
      return client_reads.text().size() == down.size() && server_reads.text().size() == up.size();
    })) << client_reads.text().size()
        << " " << server_reads.text().size();
    EXPECT_TRUE(server_reads.text() == up);
    EXPECT_TRUE(client_reads.text() == down);
    pair.client.close();
    EXPECT_TRUE(run_until([&] { return bool(server_reads.end()); }));
    EXPECT_EQ(server_reads.end(), asio::error::eof);
    EXPECT_TRUE(run_until([&] { return bool(client_reads.end()); }));
    EXPECT_EQ(client_reads.end(), asio::error::operation_aborted);
  }
}

TEST_P(StreamTest, AsyncWriteWritesAllAndCallsBackOnce) {
  Pair pair(context_, 5000);
  connect(pair);
  const std::string text = pattern(1'000'000, 7);
  int called = 0;
  pair.client.async_write(asio::buffer(text), [&](const ErrorCode& error, size_t n) {
    ++called;
    EXPECT_FALSE(error);
    EXPECT_EQ(n, text.size());
  });
  EXPECT_EQ(called, 0);
  Reader reader(pair.server, 8);
  reader.step();
  ASSERT_TRUE(run_until([&] { return reader.text().size() == text.size() && called > 0; }));
  EXPECT_TRUE(reader.text() == text);
  EXPECT_EQ(called, 1);
}

TEST_P(StreamTest, ReadingWithoutBytesWouldBlockAndTheEndIsToldEachTime) {
  Pair pair(context_);
  connect(pair);
  char byte;
  ErrorCode error;
  EXPECT_EQ(pair.server.read(&byte, 1, error), 0u);
  EXPECT_EQ(error, asio::error::would_block);
  EXPECT_EQ(pair.client.write("x", 1, error), 1u);
  EXPECT_FALSE(error);
  pair.client.close();
  EXPECT_EQ(pair.server.read(&byte, 1, error), 1u);
  EXPECT_FALSE(error);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(pair.server.read(&byte, 1, error), 0u);
    EXPECT_EQ(error, asio::error::eof);
  }
  std::optional<ErrorCode> told;
  pair.server.async_read_some(asio::buffer(&byte, 1),
                              [&](const ErrorCode& end, size_t) { told = end; });
  ASSERT_TRUE(run_until([&] { return told.has_value(); }));
  EXPECT_EQ(*told, asio::error::eof);
}

TEST_P(StreamTest, AWriteToAnEndedConnectionIsAnErrorAndNoSignal) {
  Pair pair(context_);
  connect(pair);
  pair.client.close();
  ErrorCode error;
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(pair.server.write("x", 1, error), 0u);
    EXPECT_TRUE(error);
    EXPECT_NE(error, asio::error::would_block);
  }
}

class TlsStreamTest : public StreamTest {};
INSTANTIATE_TEST_SUITE_P(Kinds, TlsStreamTest, ::testing::Values(true));

// The bytes are in OpenSSL, not in the socket any more: who waited for the socket would wait for
// ever.
TEST_P(TlsStreamTest, WhatIsLeftOfARecordWakesAReaderOfAnEmptySocket) {
  Pair pair(context_);
  connect(pair);
  const std::string text = pattern(16'000, 9);
  ErrorCode error;
  ASSERT_EQ(pair.client.write(text.data(), text.size(), error), text.size());
  std::string got;
  char bytes[100];
  std::function<void(const ErrorCode&)> ready = [&](const ErrorCode&) {
    const size_t n = pair.server.read(bytes, sizeof(bytes), error);
    got.append(bytes, n);
    pair.server.async_wait_read(ready);
  };
  pair.server.async_wait_read(ready);
  ASSERT_TRUE(run_until([&] { return got.size() == text.size(); })) << got.size();
  EXPECT_TRUE(got == text);
}

// The reader's turn is due already when its connection is closed and another one begins in the same
// stream: what was to be read is no business of it any more.
TEST_P(TlsStreamTest, AReaderOfAClosedConnectionDoesNotReadFromTheNext) {
  Pair first(context_), next(context_);
  connect(first);
  ErrorCode error;
  char bytes[8];
  std::optional<ErrorCode> told;
  first.client.write("older", 5, error);
  ASSERT_EQ(first.server.read(bytes, 1, error), 1u);
  first.server.async_read_some(asio::buffer(bytes),
                               [&](const ErrorCode& end, size_t) { told = end; });
  first.server.close();
  first.server.socket().assign(asio::local::stream_protocol(), next.server.socket().release());
  first.server.start_tls(server_tls_->accept(first.server.native_handle()));
  ASSERT_TRUE(run_until([&] { return told.has_value(); }));
  EXPECT_EQ(*told, asio::error::operation_aborted);
}

TEST_P(TlsStreamTest, AServerForAnotherNameIsRefusedAndBothSidesLearnIt) {
  for (const std::string host : {"example.org", "127.0.0.1"}) {
    Pair pair(context_);
    pair.server.start_tls(server_tls_->accept(pair.server.native_handle()));
    pair.client.start_tls(client_tls_->connect(pair.client.native_handle(), host));
    std::optional<Status> server, client;
    pair.server.async_handshake([&](const Status& status) { server = status; });
    pair.client.async_handshake([&](const Status& status) { client = status; });
    ASSERT_TRUE(run_until([&] { return server && client; }));
    EXPECT_FALSE(*server);
    ASSERT_FALSE(*client);
    EXPECT_EQ(client->error().cls(), ErrorClass::kRefused);
    EXPECT_NE(client->error().message().find("mismatch"), std::string::npos)
        << client->error().message();
  }
}

TEST_P(TlsStreamTest, AHandshakeThatEndsInTheMiddleIsAnError) {
  Pair pair(context_);
  pair.client.start_tls(client_tls_->connect(pair.client.native_handle(), kHost));
  std::optional<Status> client;
  pair.client.async_handshake([&](const Status& status) { client = status; });
  char bytes[100];
  ErrorCode error;
  ASSERT_TRUE(run_until([&] { return pair.server.read(bytes, sizeof(bytes), error) > 0; }));
  pair.server.close();
  ASSERT_TRUE(run_until([&] { return client.has_value(); }));
  EXPECT_FALSE(*client);
}

TEST_P(TlsStreamTest, AClosedStreamDropsItsHandshake) {
  Pair pair(context_);
  pair.client.start_tls(client_tls_->connect(pair.client.native_handle(), kHost));
  bool called = false;
  auto kept = std::make_shared<int>(1);
  pair.client.async_handshake([&called, kept](const Status&) { called = true; });
  pair.client.close();
  context_.restart();
  context_.run();
  EXPECT_FALSE(called);
  EXPECT_EQ(kept.use_count(), 1);
}

// TLS 1.3 lets either side ask for new keys at any time; the answer is written by who reads.
TEST_P(TlsStreamTest, NewKeysAreAgreedOnWhileBothSidesAreBusy) {
  Pair pair(context_, 5000);
  auto raw = client_tls_->connect(pair.client.native_handle(), kHost);
  pair.server.start_tls(server_tls_->accept(pair.server.native_handle()));
  TlsSession& client_session = *raw;
  pair.client.start_tls(std::move(raw));
  std::optional<Status> server, client;
  pair.server.async_handshake([&](const Status& status) { server = status; });
  pair.client.async_handshake([&](const Status& status) { client = status; });
  ASSERT_TRUE(run_until([&] { return server && client; }));
  const std::string text = pattern(500'000, 11);
  Writer server_writes(pair.server, text, 12), client_writes(pair.client, text, 13);
  Reader server_reads(pair.server, 14);
  server_writes.step();  // blocks: nobody reads it, so the answer to new keys cannot be sent
  ASSERT_EQ(SSL_key_update(client_session.native_handle(), SSL_KEY_UPDATE_REQUESTED), 1);
  server_reads.step();
  client_writes.step();
  context_.restart();
  context_.run_for(50ms);
  Reader client_reads(pair.client, 15);
  client_reads.step();
  ASSERT_TRUE(run_until([&] {
    return client_reads.text().size() == text.size() && server_reads.text().size() == text.size();
  })) << client_reads.text().size()
      << " " << server_reads.text().size();
  EXPECT_TRUE(client_reads.text() == text);
  EXPECT_TRUE(server_reads.text() == text);
}

}  // namespace
}  // namespace sluice::net
