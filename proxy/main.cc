// sluice-proxy: builds the parts and wires them together.
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/command_line.h"
#include "base/failpoint.h"
#include "base/logging.h"
#include "base/metrics.h"
#include "base/service_manager.h"
#include "base/service_pulse.h"
#include "http/server.h"
#include "net/inherited_sockets.h"
#include "proxy/admin.h"
#include "proxy/certificates.h"
#include "proxy/descriptors.h"
#include "proxy/flusher_link.h"
#include "proxy/front/server.h"
#include "proxy/options.h"
#include "proxy/pulse.h"
#include "proxy/sale/command_docs.h"
#include "proxy/sale_settings.h"
#include "proxy/takeover.h"

namespace sluice::proxy {
namespace {

// Clients' large buffers (base/bytes.h) are mappings of their own: they grow without being copied,
// and go back to the system at once. Left alone, glibc raises this bound up to 32 MiB.
constexpr int kMappedFromBytes = 1024 * 1024;

// How long clients of an inherited socket are kept in its queue until purchases can be decided.
constexpr auto kReadyWait = std::chrono::seconds(1);
constexpr auto kLookInterval = std::chrono::milliseconds(2);

constexpr int kExitDone = 0, kExitFailed = 1, kExitBadInput = 2, kExitProtected = 3;

// Wakes the main thread, once, with the error after which this process must not go on selling.
class FatalEvent {
 public:
  void raise(const Error& error) {
    const std::lock_guard lock(mutex_);
    if (error_) return;
    error_ = error;
    if (waited_for_) ::kill(::getpid(), SIGTERM);
  }
  // The main thread waits for signals no more: one now would end the process unfinished.
  void stop_waiting() {
    const std::lock_guard lock(mutex_);
    waited_for_ = false;
  }
  std::optional<Error> error() const {
    const std::lock_guard lock(mutex_);
    return error_;
  }

 private:
  mutable std::mutex mutex_;
  std::optional<Error> error_;  // guarded by mutex_
  bool waited_for_ = true;      // guarded by mutex_
};

struct Arguments {
  std::string config_file;
  base::Config::Overrides overrides;
  bool check = false;
};

void complain(const std::string& message) {
  std::fprintf(stderr, "sluice-proxy: %s\n", message.c_str());
}

// The keys and the SECKILL commands, for the pages of docs/.
base::CommandLine::Facts facts() {
  auto all = base::key_facts(config_keys());
  for (std::vector<std::string>& fact : sale::command_facts()) all.push_back(std::move(fact));
  return all;
}

// nullopt: go on; else the exit code.
std::optional<int> parse_arguments(int argc, char** argv, Arguments& arguments) {
  base::CommandLine line(
      "Sells through Redis and a durable journal; passes every other command to Redis.",
      "sluice-proxy");
  std::vector<std::string> sets;
  line.option("--config", &arguments.config_file, "The TOML file").required();
  line.option("--set", &sets, "KEY=VALUE, in place of what the file says; repeatable")
      .one_value_each();
  line.flag("--check", &arguments.check, "Check the configuration and exit");
  line.version_flag();
  line.footer("\nKeys of the TOML file:\n" + base::describe_keys(config_keys()));
  line.describes(facts);
  if (const auto end = line.parse(argc, argv)) return end;
  auto overrides = base::parse_overrides(sets);
  if (!overrides) {
    complain(overrides.error().message() + ": write KEY=VALUE");
    return kExitBadInput;
  }
  arguments.overrides = std::move(*overrides);
  return std::nullopt;
}

// Certificates, secrets, users and configuration, each as far as it can be read; whether all of it
// was.
bool reload(const Arguments& arguments, const Options& options, front::LiveConfig& live,
            front::UserDirectory* users) {
  bool is_done = reload_certificates(options);
  for (const auto& secret :
       {options.redis.secret, options.admin.token, options.flusher_admin_token}) {
    if (secret != nullptr) is_done &= secret->reload_and_tell();
  }
  if (users != nullptr) {
    const Status status = users->reload();
    is_done &= status.ok();
    if (status) spdlog::info("users reloaded");
    else spdlog::error("users not reloaded, the old ones stay: {}", status.error().message());
  }

  auto fresh = base::Config::load(config_keys(), arguments.config_file, arguments.overrides);
  if (!fresh) {
    spdlog::error("configuration not reloaded: {}", fresh.error().message());
    return false;
  }
  const auto [undone, need_restart] = live.reload(*fresh);
  for (const auto& [name, was, now] : undone)
    spdlog::warn("{}: CONFIG SET had made it {}, the file says {}; it is {}", name, was, now, now);
  for (const std::string& name : need_restart)
    spdlog::warn("{} has changed in the file but needs a restart", name);
  if (is_done) spdlog::info("configuration reloaded");
  else spdlog::warn("the configuration is reloaded but for what is said above");
  return is_done;
}

// Blocks until SIGTERM or SIGINT; after that a second one ends the process by its default action.
void wait_for_end(const sigset_t& signals, const std::function<void()>& on_hangup,
                  FatalEvent& fatal) {
  int number = 0;
  while (::sigwait(&signals, &number) == 0) {
    if (number == SIGHUP) {
      on_hangup();
      continue;
    }
    fatal.stop_waiting();
    if (!fatal.error()) spdlog::info("signal {}: stopping", number);
    const timespec at_once{};
    while (::sigtimedwait(&signals, nullptr, &at_once) > 0) {  // the event's own, if it came too
    }
    ::signal(SIGTERM, SIG_DFL);
    ::signal(SIGINT, SIG_DFL);
    ::pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
    return;
  }
}

int exit_code(const Error& error) {
  switch (error.cls()) {
    case ErrorClass::kInvalid:
      return kExitBadInput;
    case ErrorClass::kCorrupt:
    case ErrorClass::kExists:
    case ErrorClass::kRefused:
      return kExitProtected;
    default:
      return kExitFailed;
  }
}

int refuse_to_start(const Error& error) {
  complain(error.message());
  return exit_code(error);
}

// First of all, so that one which comes early ends the program in order, and only the main thread
// gets them.
sigset_t block_signals() {
  sigset_t signals;
  ::sigemptyset(&signals);
  for (int number : {SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&signals, number);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  return signals;
}

FlusherLink::Journal journal_for_link(sale::Shared& shared) {
  return {shared.journal_id,
          shared.journal_dir,
          [&shared] { return shared.journal->written_sequence(); },
          [&shared](uint64_t sequence) { shared.drained_sequence.store(sequence); },
          [&shared](sale::DeadLetters::Letters letters) {
            shared.dead_letters.set(std::move(letters));
          },
          [&shared](const std::string& why) { shared.veto.set(why); },
          [&shared] { shared.unproven.store(false); }};
}

// Asks the sale for an item's stock, as a client would, on the first I/O thread.
monitor::ItemWatch::Ask stock_of(sale::SaleSetup& setup) {
  struct Sink final : sale::ReplySink {
    explicit Sink(std::function<void(std::string)> taken) : done(std::move(taken)) {}
    void deliver(uint64_t, std::string_view reply) override { done(std::string(reply)); }
    const std::function<void(std::string)> done;
  };
  return [&setup](const std::string& item, std::function<void(std::string)> done) {
    setup.inbox(0).push([&setup, item, sink = std::make_shared<Sink>(std::move(done))] {
      const std::string_view words[] = {"SECKILL.STOCK", item};
      setup.sale().execute(words, 0, sink, 0);
    });
  };
}

template <class Condition>
void wait_for(std::chrono::microseconds time, Condition condition) {
  const auto until = std::chrono::steady_clock::now() + time;
  while (!condition() && std::chrono::steady_clock::now() < until)
    std::this_thread::sleep_for(kLookInterval);
}

// What everything else stands on, made before and ended after it.
struct Foundation {
  const Arguments& arguments;
  const base::Config& config;
  const Options& options;
  front::UserDirectory* users;
  const sigset_t& signals;
  const base::ServiceManager& manager;
  base::Registry registry;
  front::Limits limits;
  front::Clients clients;
  FatalEvent fatal;
  std::vector<std::unique_ptr<upstream::IoThread>> threads;
};

// What serves, all of it made by run().
struct Parts {
  sale::SaleSetup& setup;
  const monitor::Health& health;
  FlusherLink& flusher;
  monitor::Monitor& monitor;
  http::EventStream& events;
  http::Server& admin;
  front::Server& server;
};

// Serves until a signal comes. The order of the end: nobody new, then what is under way is decided
// and durable and the folder is free for the next proxy, then the last replies.
int serve(Foundation& common, const Parts& parts, const std::function<void()>& on_hangup) {
  const auto& [setup, health, flusher, monitor, events, admin, server] = parts;
  const Options& options = common.options;
  sale::Shared& shared = setup.shared();
  shared.unproven.store(true);
  flusher.start(journal_for_link(shared));
  setup.start();
  for (auto& thread : common.threads) thread->start();
  if (is_inherited(options)) wait_for(kReadyWait, [&] { return parts.setup.sale().ready(); });
  server.start();
  monitor.start(events);
  admin.start();
  const front::ListenOptions& listen = options.listen;
  spdlog::info("sluice-proxy {} listens on {}", SLUICE_VERSION,
               listen.address.empty() ? listen.unix_socket : listen.address);
  log_certificates(options);
  Progress progress(common.threads, *shared.journal, common.manager.watchdog_us() / 2);
  base::ServicePulse pulse(common.manager, {[&] { return state_text(parts.health, parts.flusher); },
                                            [&progress] { return progress.made(); }});
  common.manager.ready();
  wait_for_end(common.signals, on_hangup, common.fatal);

  pulse.stop();
  monitor.stop();
  common.manager.stopping();
  admin.stop_accepting();
  server.finish();
  const Status stopped = setup.stop();
  flusher.stop();  // this also ends requests that wait for the flusher
  wait_for(std::chrono::microseconds(common.limits.stop_timeout_us.load()),
           [&common] { return common.clients.count() == 0; });
  admin.stop();
  server.stop();
  for (auto& thread : common.threads) thread->stop();
  for (auto& thread : common.threads) thread->join();
  if (const auto error = common.fatal.error()) {
    complain(error->message());
    return kExitProtected;
  }
  return stopped ? kExitDone : refuse_to_start(stopped.error());
}

int run(Foundation& common) {
  const Options& options = common.options;
  common.registry.computed(
      "sluice_build_info", "1; the labels tell the version.", [] { return 1.0; }, false,
      "version=\"" SLUICE_VERSION "\",program=\"proxy\"");
  apply_fixed(common.config, common.limits);
  const auto apply = [&limits = common.limits](const base::Config& now) {
    apply_live(now, limits);
    fit_descriptors(limits);
  };
  apply(common.config);
  for (size_t i = 0; i < options.io_threads; ++i)
    common.threads.push_back(std::make_unique<upstream::IoThread>(i));
  FlusherLink flusher({options.flusher_admin, options.flusher_admin_token});
  auto setup = sale::SaleSetup::open(sale_settings(options), base::posix_file_system(),
                                     common.threads, common.registry, flusher,
                                     [&common](const Error& error) { common.fatal.raise(error); });
  if (!setup) return refuse_to_start(setup.error());
  sale::Shared& shared = (*setup)->shared();
  base::Config in_force = common.config;
  (void)in_force.set_text("proxy.id", shared.lane);  // as it was found or taken
  front::LiveConfig live(in_force, apply);
  auto admin = http::Server::create(options.admin);
  if (!admin) return refuse_to_start(admin.error());
  const monitor::Health health((*setup)->sale(), shared);
  health.register_metrics(common.registry);
  base::Gauge& reload_failed =
      common.registry.gauge("sluice_reload_failed", base::kReloadFailedHelp);
  monitor::Monitor monitor({options.journal_max_bytes, journal::WriterOptions().free_bytes_min},
                           (*setup)->sale(), shared, health, flusher, flusher, stock_of(**setup));
  http::EventStream& events =
      add_admin_routes(**admin, {common.registry, health, shared, flusher, monitor});
  front::UserDirectory* users = common.users;
  front::Services services{options.redis, common.limits,    common.clients,
                           live,          (*setup)->sale(), users};
  services.register_metrics(common.registry);
  register_certificate_metrics(options, common.registry);
  auto server = front::Server::create(options.listen, common.threads, services);
  if (!server) return refuse_to_start(server.error());
  if (users != nullptr) {
    common.clients.know_users_by(
        [users](std::string_view name) { return users->users()->find(name) != nullptr; });
    users->on_change([&server] { (*server)->users_changed(); });
  }
  const auto on_hangup = [&] {
    common.manager.reloading();
    reload_failed.set(reload(common.arguments, options, live, users) ? 0 : 1);
    common.manager.ready();
  };
  return serve(common, {**setup, health, flusher, monitor, events, **admin, **server}, on_hangup);
}

int start(int argc, char** argv) {
  const sigset_t signals = block_signals();
  if (const auto ended = base::arm_failpoint_from_environment()) return *ended;
  const auto manager = base::ServiceManager::from_environment();
  const auto inherited = net::take_inherited_sockets();
  ::mallopt(M_MMAP_THRESHOLD, kMappedFromBytes);
  base::begin_logging("sluice-proxy", "text");
  Arguments arguments;
  if (const auto end = parse_arguments(argc, argv, arguments)) return *end;
  auto config = base::Config::load(config_keys(), arguments.config_file, arguments.overrides);
  if (!config) {
    complain(config.error().message());
    return kExitBadInput;
  }
  if (config->string("log.format") != "text")
    base::begin_logging("sluice-proxy", config->string("log.format"));
  auto options = make_options(*config);
  if (!options) {
    complain(arguments.config_file + ": " + options.error().message());
    return kExitBadInput;
  }
  Status fitting = inherited ? use_inherited(*inherited, *options) : Status(inherited.error());
  if (!fitting) {
    complain(fitting.error().message());
    return kExitBadInput;
  }
  auto users = open_users(*options);
  if (!users) {
    complain(arguments.config_file + ": " + users.error().message());
    return kExitBadInput;
  }
  if (arguments.check) {
    std::printf("%s: the configuration is good\n", arguments.config_file.c_str());
    return kExitDone;
  }
  if (is_inherited(*options) && !wait_for_journal(*options, base::posix_file_system(), signals))
    return kExitDone;
  Foundation foundation{arguments, *config, *options, users->get(), signals, manager};
  return run(foundation);
}

}  // namespace
}  // namespace sluice::proxy

int main(int argc, char** argv) { return sluice::proxy::start(argc, argv); }
