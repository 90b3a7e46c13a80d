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

#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "net/stream.h"
#include "proxy/front/acl_commands.h"
#include "proxy/front/client_limits.h"
#include "proxy/front/connection_commands.h"
#include "proxy/front/cut_reason.h"
#include "proxy/front/identity.h"
#include "proxy/front/patrol.h"
#include "proxy/front/reply_queue.h"
#include "proxy/front/transaction.h"
#include "proxy/front/worker.h"
#include "proxy/sale/reply_sink.h"
#include "proxy/upstream/reply_receiver.h"
#include "resp/request_parser.h"

namespace sluice::proxy::front {

class Session final : public sale::ReplySink,
                      public std::enable_shared_from_this<Session>,
                      net::StreamEvents,
                      upstream::ReplyReceiver,
                      upstream::TurnTask,
                      Patrolled {
 public:
  using Socket = net::Stream::Socket;

  // `tls`: the client is expected to begin with a TLS handshake; null: it speaks in clear.
  Session(Worker& worker, Socket socket, const net::TlsContext* tls = nullptr);
  ~Session() = default;

  // False if the client was turned away at once (limits.clients).
  bool start();
  void close();
  // Takes no more input, and closes once all that was asked is answered and has reached the client;
  // to be called again until then.
  void finish();

  // Whether the client has said who it is, where that is asked.
  bool authenticated() const { return identity_.authenticated(); }
  // The users, their rules or the commands of Redis have changed.
  void access_changed();

  void deliver(uint64_t token, std::string_view reply) override;

  // What the session was waiting for may have come.
  void look_again();

 private:
  static constexpr size_t kKeptBufferMax = 64 * 1024;

  // Replies on their way to one client are to stay about this size: who gets large ones has fewer
  // commands in flight. The first guess of the size allows a few hundred.
  static constexpr size_t kWindowBytes = 4 * 1024 * 1024;
  static constexpr size_t kWindowCommandsMin = 16;
  // On a connection that others use too: enough to keep Redis busy, and not more for them to wait
  // behind.
  static constexpr size_t kWindowShared = 64;
  static constexpr int64_t kSharedForUs = 10'000;  // since somebody else last used it
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
    std::string_view last_name, last_argument;  // for CLIENT LIST
  };

  // session.cc: bytes in and out
  void shake_hands();
  void handshake_ended(const std::string& failure);
  void arm_read();
  bool reads();
  void stream_ready(bool read, bool write) override;
  void readable();
  void take_input(std::string_view bytes);
  void end_of_input();
  size_t process(std::string_view data);
  void process_input();
  bool stalls();
  size_t window();
  bool take_command(Run& run);
  std::string_view first_argument() const {
    return parser_.args().size() > 1 ? parser_.args()[1] : std::string_view();
  }
  void extend(Run& run);
  void flush(Run& run);
  void reply_later() { worker_.thread().at_turn_end(*this); }
  void turn_ended() override;
  void write_output();
  void arm_write();
  void output_grew();
  size_t pending_output() const { return output_.size() - written_ + queue_.held_bytes(); }
  std::string describe() const;

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
  ClientFacts facts() const {
    return {authenticated(), closing_ || end_of_input_, input_.size(), pending_output()};
  }
  bool looked_at(int64_t now_us) override;
  void read_ahead();
  size_t read_ahead_limit() const;
  size_t piece() const;
  void cut(CutReason reason);
  void tell_cut(CutReason reason);

  // upstream::ReplyReceiver
  void reply_bytes(std::string_view bytes, size_t replies) override;
  void replies_too_deep(size_t) override { cut(CutReason::kReplyDepth); }
  void replies_lost(size_t replies, bool begun, std::string_view error) override;
  void push_bytes(std::string_view push) override;
  void pinned_lost() override;
  void relay_ended() override;
  void upstream_has_room() override;

  // session_access.cc: what becomes of commands that the client may not run, and of logins
  bool permitted(CommandKind kind) {
    return identity_.permits(kind, parser_.args(), judged_databases());
  }
  bool refuse(CommandKind kind);
  bool refuse_relayed();
  void abort_transaction(std::string error);
  bool login_turn_has_come();
  bool on_auth();
  void on_acl();
  AclAnswer run_acl(Args args);
  std::span<const int64_t> judged_databases() const;

  // session_dispatch.cc: which commands are more than bytes, and the ways out for all of them.
  // False: not yet; the command stays.
  bool dispatch(CommandKind kind);
  bool barrier(CommandKind kind) const;
  bool overtakes_pushes(CommandKind kind) const;
  bool pushes_are_through();
  bool blocks(CommandKind kind) const;
  bool subcommand_is(std::string_view name) const;
  void on_sale();
  void on_eval();
  bool on_evalsha();
  void remember_script(CommandKind kind);
  bool script_is_loaded();
  bool load_script(const std::string& body, const std::string& sha, const void* way,
                   std::function<void()> tried);
  void local(std::string_view reply);
  bool take_muted();
  void forward_one(ReplyQueue::Rewrite rewrite = nullptr);
  void send(std::string_view bytes, size_t commands, bool same_run);
  std::string_view command_bytes();

  // session_connection.cc: commands about the client's connection, and replies of Redis with
  // something of the proxy's in it.
  bool asked(const Inquiry& words);
  void forget_answer();
  bool refused_by_server(const Inquiry& words);
  bool on_hello();
  std::string say_hello(const HelloRequest& request, const ServerHello& server);
  void follow_protocol();
  void on_select();
  void selected(int64_t database, std::string_view reply);
  void on_reset();
  void forget_state();
  void on_command();
  void on_info();
  void on_config();
  ReplyQueue::Rewrite info_change();
  ReplyQueue::Rewrite command_change();

  // session_client.cc: CLIENT
  bool on_client();
  struct Tracking {
    std::string command;
    int64_t redirect;  // the client that gets the invalidations, as Client::redirect
  };
  bool on_tracking();
  std::optional<Tracking> tracking_command();
  void ask_redis_id(const Client& target);
  void forward_tracking(const Tracking& tracking);
  void forward_about_tracking();
  std::string with_own_redirect(std::string_view reply) const;
  bool on_own_client();
  ReplyQueue::Rewrite capa_change(Args args);
  void on_unblock();
  std::string form_error(Args args, std::string_view server) const;
  std::string run_client(Args args, std::string_view server);
  std::string run_pause(Args args);
  void unblock(bool with_error, std::function<void(bool)> done);
  void tell_redis_id(std::function<void(int64_t)> told);
  bool held_back_by_pause(CommandKind kind);

  // session_multi.cc: within MULTI, whose state is transaction_
  bool dispatch_in_multi(CommandKind kind);
  void begin_multi();
  void end_multi();
  void refuse_in_multi();
  void on_exec();
  void exec_with_subscriptions();
  void queue_changed(std::string_view bytes, Transaction::Change change);
  using JudgedRun = std::function<std::string(Args args, std::string_view server)>;
  void queue_local(std::function<std::string(Args)> run);
  void queue_judged(const Inquiry& inquiry, JudgedRun run);
  void queue_refused(const Inquiry& inquiry);
  void queue_auth();
  void queue_own_client();
  void queue_hello();
  void queue_acl();
  void queue_select();
  bool queue_client();
  bool queue_tracking();
  void queue_server(CommandKind kind);

  // session_tied.cc: the client's own connection to Redis.
  bool dispatch_tied(CommandKind kind);
  void dispatch_relayed();
  void on_subscribe(CommandKind kind);
  void on_replconf();
  void relay_raw();
  bool tie() { return tie(database_); }
  bool tie(int64_t database);
  void untie(bool clean);
  void settle();
  bool in_multi() const { return transaction_ != nullptr; }
  bool watching() const { return client_->watched.load(std::memory_order_relaxed) > 0; }
  bool stateful() const { return in_multi() || watching() || sticky_ || relay_; }
  void use_shared_pipe();
  void count_subscriptions(bool more);
  void show_state();

  Worker& worker_;
  net::Stream socket_;
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
  int64_t shared_until_us_ = 0;                 // somebody else uses pipe_ too
  size_t large_left_ = 0;                       // at the front of input_, of a large command

  ClientLimits limits_;
  ReadAhead read_ahead_{*this};

  Identity identity_;
  std::string relay_refusal_;  // goes out once Redis has answered what came before

  bool closed_ = false;
  bool closing_ = false;      // no more input; close once all replies are written
  bool finishing_ = false;    // closing_, and finish() is called again
  bool end_of_input_ = false; // the client sends no more; close once all is answered
  bool stalled_ = false;
  bool large_waits_ = false;  // the next command is large: once all others are answered
  bool write_armed_ = false;
  bool waits_for_room_ = false;
  bool counted_ = false;      // the command that stays
  bool muted_ = false;        // CLIENT REPLY OFF
  bool mute_next_ = false;    // CLIENT REPLY SKIP

  std::shared_ptr<Transaction> transaction_;  // null: not in MULTI; EXEC's rewrite keeps it
  bool sticky_ = false;       // tied until the connection closes
  bool pushes_asked_ = false; // pushes_are_through() waits for its answer
  bool relay_ = false;        // subscribed (RESP2) or MONITOR: bytes pass both ways
  bool monitor_ = false;      // relay_ because of MONITOR
  bool relay_ending_ = false; // asked whether that is over; input waits for the answer
  bool settling_ = false;     // once the replies are here, the tie may end
  bool blocked_ = false;      // settling_ for a command that may take for ever
  bool subscribed_ = false;   // sticky_ because of SUBSCRIBE in RESP3
  bool held_ = false;         // waits for the end of CLIENT PAUSE
  enum class Script { kUnknown, kLoading, kTried } script_ = Script::kUnknown;  // of an EVALSHA
  // CLIENT TRACKING … REDIRECT waits for what Redis calls the other client.
  enum class Redirect { kNone, kAsked, kAnswered } redirect_ = Redirect::kNone;
  int64_t redirect_redis_id_ = 0;
  // What the server says to an inquiry about the command at hand.
  enum class Asked { kNothing, kWaiting, kAnswered } asked_ = Asked::kNothing;
  Inquiry question_;
  uint64_t inquiries_ = 0;  // so far: an answer to an earlier one is dropped
  std::string answer_;
  std::vector<std::function<void(int64_t)>> wants_redis_id_;
  size_t unblocks_ = 0;       // CLIENT UNBLOCKs of this client on their way to Redis
  bool dirty_ = false;        // the pinned connection is not as it was taken
};

}  // namespace sluice::proxy::front
