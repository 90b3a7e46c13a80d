// Two streams over a socket pair, in clear and over TLS: the same must hold for both.
#include "net/stream.h"

#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <chrono>
#include <functional>
#include <optional>
#include <random>
#include <utility>

#include "net/tls_context.h"
#include "tests/unit/net/certificates.h"

namespace sluice::net {
namespace {

namespace asio = boost::asio;
using ErrorCode = Stream::ErrorCode;
using namespace std::chrono_literals;

// Has a name, so that the client may verify it as one.
constexpr char kHost[] = "localhost";

// A stream with an owner that is told by what it asked with.
struct Peer final : StreamEvents {
  using Told = std::function<void()>;

  explicit Peer(Poller& poller) : stream(poller, *this) {}
  void when_readable(Told told) {
    on_read = std::move(told);
    stream.wait_read();
  }
  void when_writable(Told told) {
    on_write = std::move(told);
    stream.wait_write();
  }
  void stream_ready(bool read, bool write) override {
    ASSERT_TRUE(read || write);
    ASSERT_TRUE((!read || on_read) && (!write || on_write)) << "called without being asked";
    if (write) std::exchange(on_write, nullptr)();
    if (read && on_read) std::exchange(on_read, nullptr)();
  }

  Stream stream;
  Told on_read, on_write;
};

struct Pair {
  Pair(asio::io_context& context, Poller& poller, int buffer_bytes = 0)
      : server_end(poller), client_end(poller) {
    int sockets[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
    for (int socket : sockets) {
      if (buffer_bytes == 0) break;
      ::setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &buffer_bytes, sizeof(buffer_bytes));
    }
    open(context, server, sockets[0]);
    open(context, client, sockets[1]);
  }
  static void open(asio::io_context& context, Stream& stream, int socket) {
    ErrorCode error;
    asio::local::stream_protocol::socket own(context, asio::local::stream_protocol(), socket);
    stream.open(std::move(own), error);
    EXPECT_FALSE(error) << error.message();
  }
  Peer server_end, client_end;
  Stream& server = server_end.stream;
  Stream& client = client_end.stream;
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
  Poller poller_{context_, [] {}};
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

// Writes `text` in random pieces.
class Writer {
 public:
  Writer(Peer& peer, std::string text, uint64_t seed)
      : peer_(peer), text_(std::move(text)), random_(seed) {}
  void step() {
    ErrorCode error;
    while (sent_ < text_.size()) {
      const size_t piece = std::min<size_t>(1 + random_() % 60'000, text_.size() - sent_);
      // After would_block the same bytes, and here more behind them.
      const size_t size = std::max(piece, blocked_);
      const size_t n = peer_.stream.write(text_.data() + sent_, size, error);
      sent_ += n;
      blocked_ = error == asio::error::would_block ? size : 0;
      if (blocked_ > 0) return peer_.when_writable([this] { step(); });
      ASSERT_FALSE(error) << error.message();
    }
  }
  bool done() const { return sent_ == text_.size(); }

 private:
  Peer& peer_;
  const std::string text_;
  std::mt19937_64 random_;
  size_t sent_ = 0;
  size_t blocked_ = 0;
};

// Reads into buffers of random size, once each time that it is told.
class Reader {
 public:
  Reader(Peer& peer, uint64_t seed) : peer_(peer), random_(seed), buffer_(70'000, '\0') {}
  void step() {
    peer_.when_readable([this] {
      const size_t size = 1 + random_() % (random_() % 2 == 0 ? 100 : buffer_.size());
      ErrorCode error;
      const size_t n = peer_.stream.read(buffer_.data(), size, error);
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
  Peer& peer_;
  std::mt19937_64 random_;
  std::string buffer_;
  std::string text_;
  ErrorCode end_;
};

TEST_P(StreamTest, BytesOfAnyCutArriveInBothDirectionsAtATime) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  for (int buffer_bytes : {0, 5000}) {
    Pair pair(context_, poller_, buffer_bytes);
    connect(pair);
    const std::string up = pattern(3'000'000, seed), down = pattern(2'000'000, seed + 1);
    Writer client_writes(pair.client_end, up, seed + 2);
    Writer server_writes(pair.server_end, down, seed + 3);
    Reader client_reads(pair.client_end, seed + 4), server_reads(pair.server_end, seed + 5);
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
  }
}

TEST_P(StreamTest, ReadingWithoutBytesWouldBlockAndTheEndIsToldEachTime) {
  Pair pair(context_, poller_);
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
  bool told = false;
  pair.server_end.when_readable([&] { told = true; });
  EXPECT_TRUE(run_until([&] { return told; }));
}

// The end comes while the bytes before it have been announced, but not read: no edge follows.
TEST_P(StreamTest, TheEndBehindAShortReadIsTold) {
  Pair pair(context_, poller_);
  connect(pair);
  ErrorCode error;
  ASSERT_EQ(pair.client.write("last words", 10, error), 10u);
  pair.client.close();
  context_.restart();
  context_.run_for(20ms);  // the poller knows of both
  Reader reader(pair.server_end, 3);
  reader.step();
  ASSERT_TRUE(run_until([&] { return bool(reader.end()); }));
  EXPECT_EQ(reader.text(), "last words");
  EXPECT_EQ(reader.end(), asio::error::eof);
}

TEST_P(StreamTest, WhoAsksTwiceIsToldOnceAndWhoDoesNotAskNever) {
  Pair pair(context_, poller_);
  connect(pair);
  ErrorCode error;
  ASSERT_EQ(pair.client.write("x", 1, error), 1u);
  int told = 0;
  pair.server_end.when_readable([&] { ++told; });
  pair.server_end.stream.wait_read();
  ASSERT_TRUE(run_until([&] { return told > 0; }));
  ASSERT_EQ(pair.client.write("y", 1, error), 1u);
  context_.restart();
  context_.run_for(20ms);  // Peer complains if it is called without being asked
  EXPECT_EQ(told, 1);
  // What came meanwhile is not lost.
  pair.server_end.when_readable([&] { ++told; });
  EXPECT_TRUE(run_until([&] { return told == 2; }));
}

TEST_P(StreamTest, ACloseWithinACallEndsTheCallsOfItsTurn) {
  Pair one(context_, poller_), other(context_, poller_);
  connect(one);
  connect(other);
  int told = 0;
  const auto close_both = [&] {
    ++told;
    one.server.close();
    other.server.close();
  };
  one.server_end.when_readable(close_both);
  other.server_end.when_readable(close_both);
  ErrorCode error;
  one.client.write("x", 1, error);
  other.client.write("x", 1, error);
  ASSERT_TRUE(run_until([&] { return told > 0; }));
  context_.restart();
  context_.run_for(20ms);
  EXPECT_EQ(told, 1);
}

TEST_P(StreamTest, AWriteToAnEndedConnectionIsAnErrorAndNoSignal) {
  Pair pair(context_, poller_);
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
  Pair pair(context_, poller_);
  connect(pair);
  const std::string text = pattern(16'000, 9);
  ErrorCode error;
  ASSERT_EQ(pair.client.write(text.data(), text.size(), error), text.size());
  std::string got;
  char bytes[100];
  std::function<void()> ready = [&] {
    const size_t n = pair.server.read(bytes, sizeof(bytes), error);
    got.append(bytes, n);
    pair.server_end.when_readable(ready);
  };
  pair.server_end.when_readable(ready);
  ASSERT_TRUE(run_until([&] { return got.size() == text.size(); })) << got.size();
  EXPECT_TRUE(got == text);
}

// The reader's turn is due already when its connection is closed and another one begins in the same
// stream: what was to be read is no business of it any more.
TEST_P(TlsStreamTest, AReaderOfAClosedConnectionDoesNotReadFromTheNext) {
  Pair first(context_, poller_);
  connect(first);
  ErrorCode error;
  char bytes[8];
  bool told = false;
  first.client.write("older", 5, error);
  ASSERT_EQ(first.server.read(bytes, 1, error), 1u);
  first.server_end.when_readable([&] { told = true; });
  int next[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, next), 0);
  Pair::open(context_, first.server, next[0]);
  first.server.start_tls(server_tls_->accept(first.server.native_handle()));
  ASSERT_EQ(::write(next[1], "x", 1), 1);
  context_.restart();
  context_.run_for(20ms);
  EXPECT_FALSE(told);
  ::close(next[1]);
}

TEST_P(TlsStreamTest, AServerForAnotherNameIsRefusedAndBothSidesLearnIt) {
  for (const std::string host : {"example.org", "127.0.0.1"}) {
    Pair pair(context_, poller_);
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
  Pair pair(context_, poller_);
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
  Pair pair(context_, poller_);
  pair.client.start_tls(client_tls_->connect(pair.client.native_handle(), kHost));
  bool called = false;
  auto kept = std::make_shared<int>(1);
  pair.client.async_handshake([&called, kept](const Status&) { called = true; });
  pair.client.close();
  context_.restart();
  context_.run_for(20ms);
  EXPECT_FALSE(called);
  EXPECT_EQ(kept.use_count(), 1);
}

// TLS 1.3 lets either side ask for new keys at any time; the answer is written by who reads.
TEST_P(TlsStreamTest, NewKeysAreAgreedOnWhileBothSidesAreBusy) {
  Pair pair(context_, poller_, 5000);
  auto raw = client_tls_->connect(pair.client.native_handle(), kHost);
  pair.server.start_tls(server_tls_->accept(pair.server.native_handle()));
  TlsSession& client_session = *raw;
  pair.client.start_tls(std::move(raw));
  std::optional<Status> server, client;
  pair.server.async_handshake([&](const Status& status) { server = status; });
  pair.client.async_handshake([&](const Status& status) { client = status; });
  ASSERT_TRUE(run_until([&] { return server && client; }));
  const std::string text = pattern(500'000, 11);
  Writer server_writes(pair.server_end, text, 12), client_writes(pair.client_end, text, 13);
  Reader server_reads(pair.server_end, 14);
  server_writes.step();  // blocks: nobody reads it, so the answer to new keys cannot be sent
  ASSERT_EQ(SSL_key_update(client_session.native_handle(), SSL_KEY_UPDATE_REQUESTED), 1);
  server_reads.step();
  client_writes.step();
  context_.restart();
  context_.run_for(50ms);
  Reader client_reads(pair.client_end, 15);
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
