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
// reason has gone. While stalled it reads on only a little, and more only if nothing moves.
#pragma once

#include <array>
#include <boost/asio/generic/stream_protocol.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "proxy/front/connection_commands.h"
#include "proxy/front/cut_reason.h"
#include "proxy/front/patrol.h"
#include "proxy/front/reply_queue.h"
#include "proxy/front/worker.h"
#include "proxy/sale/reply_sink.h"
#include "proxy/upstream/reply_receiver.h"
#include "resp/request_parser.h"

namespace sluice::proxy::front {

class Session final : public sale::ReplySink,
                      public std::enable_shared_from_this<Session>,
                      upstream::ReplyReceiver,
                      upstream::TurnTask,
                      Patrolled {
 public:
  using Socket = boost::asio::generic::stream_protocol::socket;

  Session(Worker& worker, Socket socket);
  ~Session() = default;

  // False if the client was turned away at once (limits.clients).
  bool start();
  void close();

  void deliver(uint64_t token, std::string_view reply) override;

 private:
  static constexpr size_t kReadAheadMin = 64 * 1024;
  // For each look of the pacer: what delays others by no more than a dozen microseconds.
  static constexpr size_t kReadAheadStep = 16 * 1024;
  static constexpr size_t kKeptBufferMax = 64 * 1024;

  // Replies on their way to one client are to stay about this size: who gets large ones has fewer
  // commands in flight. The first guess of the size allows a few hundred.
  static constexpr size_t kWindowBytes = 4 * 1024 * 1024;
  static constexpr size_t kWindowCommandsMin = 16;
  // On a connection that others use too: enough to keep Redis busy, and not more for them to wait
  // behind.
  static constexpr size_t kWindowShared = 128;
  static constexpr size_t kFirstReplyBytes = 16 * 1024;

  // What the worker's pacer looks at.
  struct ReadAhead final : Patrolled {
    explicit ReadAhead(Session& owner) : session(owner) {}
    bool looked_at(int64_t) override;
    Session& session;
  };

  static constexpr size_t kSharedCommandMax = 1024 * 1024;
  static constexpr size_t kLargeSlice = 1024 * 1024;
  static_assert(Worker::kReadBytes < kSharedCommandMax, "a large command lies in input_");

  // Commands next to each other in the input that go to Redis as they are.
  struct Run {
    std::string_view bytes;
    size_t commands = 0;
  };

  // session.cc: bytes in and out
  void arm_read();
  void readable(size_t got);
  void take_input(std::string_view bytes);
  void end_of_input();
  size_t process(std::string_view data);
  void process_input();
  bool stalls();
  size_t window();
  void extend(Run& run);
  void flush(Run& run);
  void reply_later() { worker_.thread().at_turn_end(*this); }
  void turn_ended() override;
  void write_output();
  void arm_write();
  void output_grew();
  size_t pending_output() const { return output_.size() - written_ + queue_.held_bytes(); }
  std::string describe() const;
  // While users are configured: whether the client has logged in.
  bool authenticated() const { return true; }

  // session_large.cc: commands too large to share a connection
  bool begin_large();
  void send_large();
  void drop_large();

  // session_guard.cc: what the client takes, and for how long
  void input_processed(bool took);
  void note_login();
  size_t memory_bytes() const;
  void check_bounds();
  bool must_wait_for_memory();
  std::optional<CutReason> overdue(int64_t now_us) const;
  bool looked_at(int64_t now_us) override;
  void read_ahead();
  bool reads_ahead() const {
    return read_ahead_max_ > kReadAheadMin && input_.size() >= read_ahead_max_;
  }
  size_t read_ahead_limit() const;
  size_t piece() const;
  void cut(CutReason reason);
  void tell_cut(CutReason reason);

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
  Socket socket_;
  const ClientPtr client_;
  resp::RequestParser parser_;
  base::Bytes input_;        // bytes not yet processed
  base::Bytes output_;       // replies, from written_ on
  size_t written_ = 0;
  std::string encoded_;      // an inline command as Redis gets it
  ReplyQueue queue_;
  upstream::Pipe* pipe_ = nullptr;             // of the client's protocol and database
  std::unique_ptr<upstream::Pinned> pinned_;   // while tied
  int64_t database_ = 0;
  size_t reply_bytes_mean_ = kFirstReplyBytes;  // of the last replies, decaying
  uint64_t handovers_seen_ = 0;                 // of pipe_
  size_t large_left_ = 0;                       // at the front of input_, of a large command

  // Monotonic; 0: there is no such thing.
  int64_t command_begun_us_ = 0;     // when the first bytes of the unfinished command came
  int64_t output_waits_us_ = 0;      // since when the client has taken none of the output
  int64_t waits_for_memory_us_ = 0;
  int64_t login_due_us_ = 0;         // since when a login is due: the connection, or a RESET
  size_t read_ahead_max_ = kReadAheadMin;  // input while stalled
  ReadAhead read_ahead_{*this};
  bool progressed_ = false;          // a command was taken since the patrol's last look

  bool closed_ = false;
  bool closing_ = false;      // no more input; close once all replies are written
  bool end_of_input_ = false; // the client sends no more; close once all is answered
  bool stalled_ = false;
  bool large_waits_ = false;  // the next command is large: once all others are answered
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
