// One client: its bytes in, its commands on their way, its replies out.
//
//   readable ─► parser ─► run of forwardable commands ──► pipe or pinned connection ─┐
//                     └─► everything else: dispatch()  ──► sale, local reply ────────┤
//   write at turn end ◄── output ◄── reply queue (order of the commands) ◄───────────┘
//
// Owned by its worker until close(); handlers under way and the sale keep it alive after that, and
// everything they bring is dropped. This I/O thread only.
//
// When a command must not overtake those before it (it changes to another connection to Redis), or
// a bound is reached, the session stalls: input stays where it is until the turn in which the
// reason has gone. While stalled it reads on only a little, to notice a client that goes away.
#pragma once

#include <array>
#include <boost/asio/generic/stream_protocol.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "net/stream.h"
#include "proxy/front/connection_commands.h"
#include "proxy/front/reply_queue.h"
#include "proxy/front/worker.h"
#include "proxy/sale/reply_sink.h"
#include "proxy/upstream/reply_receiver.h"
#include "resp/request_parser.h"

namespace sluice::proxy::front {

class Session final : public sale::ReplySink,
                      public std::enable_shared_from_this<Session>,
                      upstream::ReplyReceiver,
                      upstream::TurnTask {
 public:
  using Socket = net::Stream::Socket;

  // `tls`: the client is expected to begin with a TLS handshake; null: it speaks in clear.
  Session(Worker& worker, Socket socket, const net::TlsContext* tls = nullptr);
  ~Session() = default;

  // False if the client was turned away at once (limits.clients).
  bool start();
  void close();

  void deliver(uint64_t token, std::string_view reply) override;

 private:
  static constexpr size_t kReadAheadMax = 64 * 1024;
  static constexpr size_t kKeptBufferMax = 64 * 1024;

  // Replies on their way to one client are to stay about this size: who gets large ones has fewer
  // commands in flight. The first guess of the size allows a few hundred.
  static constexpr size_t kWindowBytes = 4 * 1024 * 1024;
  static constexpr size_t kWindowCommandsMin = 16;
  static constexpr size_t kFirstReplyBytes = 16 * 1024;

  // Commands next to each other in the input that go to Redis as they are.
  struct Run {
    std::string_view bytes;
    size_t commands = 0;
  };

  // session.cc: bytes in and out
  void shake_hands();
  void handshake_ended(const std::string& failure);
  void arm_read();
  void readable(size_t got);
  void take_input(std::string_view bytes);
  void end_of_input();
  size_t process(std::string_view data);
  bool stalls();
  size_t window() const;
  void extend(Run& run);
  void flush(Run& run);
  void reply_later() { worker_.thread().at_turn_end(*this); }
  void turn_ended() override;
  void write_output();
  void arm_write();
  void output_grew();
  size_t pending_output() const { return output_.size() - written_ + queue_.held_bytes(); }
  std::string describe() const;

  // upstream::ReplyReceiver
  void reply_bytes(std::string_view bytes, size_t replies) override;
  void replies_lost(size_t replies, bool begun, std::string_view error) override;
  void push_bytes(std::string_view push) override;
  void pinned_lost() override;
  void relay_ended() override;
  void upstream_has_room() override;

  // session_dispatch.cc: what each kind of command needs. False: not yet; the command stays.
  bool dispatch(CommandKind kind);
  bool dispatch_in_multi(CommandKind kind);
  bool dispatch_tied(CommandKind kind);
  void dispatch_relayed();
  bool barrier(CommandKind kind) const;
  void on_hello();
  void on_client();
  void on_select();
  void on_reset();
  void on_sale();
  void on_command();
  void on_info();
  void on_config();
  void on_exec();
  void on_subscribe(CommandKind kind);
  bool blocks(CommandKind kind) const;
  bool subcommand_is(std::string_view name) const;
  void refuse_in_multi();

  void local(std::string_view reply);
  bool take_muted();
  void forward_one(ReplyQueue::Rewrite rewrite = nullptr);
  void send(std::string_view bytes, size_t commands, bool same_run);
  std::string_view command_bytes();

  // The client's own connection to Redis.
  bool tie();
  void untie(bool clean);
  void settle();
  bool stateful() const { return in_multi_ || watching_ || sticky_ || relay_; }
  void use_shared_pipe();
  void show_state();

  Worker& worker_;
  net::Stream socket_;
  const ClientPtr client_;
  resp::RequestParser parser_;
  std::string input_;        // bytes not yet processed
  std::string output_;       // replies, from written_ on
  size_t written_ = 0;
  std::string encoded_;      // an inline command as Redis gets it
  ReplyQueue queue_;
  upstream::Pipe* pipe_ = nullptr;             // of the client's protocol and database
  std::unique_ptr<upstream::Pinned> pinned_;   // while tied
  int64_t database_ = 0;
  size_t reply_bytes_mean_ = kFirstReplyBytes;  // of the last replies, decaying

  bool closed_ = false;
  bool closing_ = false;      // no more input; close once all replies are written
  bool end_of_input_ = false; // the client sends no more; close once all is answered
  bool stalled_ = false;
  std::array<char, 2048> first_bytes_;  // what the read under way fills
  bool read_armed_ = false;
  bool write_armed_ = false;
  bool waits_for_room_ = false;
  bool muted_ = false;        // CLIENT REPLY OFF
  bool mute_next_ = false;    // CLIENT REPLY SKIP

  bool in_multi_ = false;
  bool multi_broken_ = false; // a command was refused: EXEC must fail
  bool watching_ = false;
  bool sticky_ = false;       // tied until the connection closes
  bool relay_ = false;        // subscribed (RESP2) or MONITOR: bytes pass both ways
  bool monitor_ = false;      // relay_ because of MONITOR
  bool relay_ending_ = false; // asked whether that is over; input waits for the answer
  bool settling_ = false;     // once the replies are here, the tie may end
  bool blocked_ = false;      // settling_ for a command that may take for ever
  bool dirty_ = false;        // the pinned connection is not as it was taken
};

}  // namespace sluice::proxy::front
