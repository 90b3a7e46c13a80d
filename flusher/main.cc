// sluice-flusher: builds and wires the parts, turns signals into requests.
#include <pthread.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/command_line.h"
#include "base/config.h"
#include "base/failpoint.h"
#include "base/logging.h"
#include "base/service_manager.h"
#include "base/service_pulse.h"
#include "flusher/admin.h"
#include "flusher/flush_loop.h"
#include "flusher/janitor.h"
#include "flusher/options.h"
#include "sql/server_choice.h"

namespace sluice::flusher {
namespace {

constexpr int kExitInvalid = 2;
constexpr int64_t kQuantilesWindowUs = 60'000'000;

struct Arguments {
  std::string config_file;
  base::Config::Overrides overrides;
  bool check = false;
  bool once = false;
};

// nullopt: go on; else the exit code.
std::optional<int> parse_arguments(int argc, char** argv, Arguments& arguments) {
  std::vector<std::string> sets;
  base::CommandLine line("Drains a Sluice journal into MySQL or MariaDB.", "sluice-flusher");
  line.option("--config", &arguments.config_file, "TOML file; see conf/flusher.toml")
      .type_name("FILE");
  line.option("--set", &sets, "override one key; may be repeated")
      .type_name("KEY=VALUE")
      .one_value_each();
  line.flag("--check", &arguments.check, "check the configuration and exit");
  line.flag("--once", &arguments.once,
            "drain all there is, whatever the triggers say and paused or not, and exit");
  line.version_flag();
  line.footer("Keys:\n" + base::describe_keys(config_keys()));
  line.describes([] { return base::key_facts(config_keys()); });
  if (const auto end = line.parse(argc, argv)) return end;
  auto overrides = base::parse_overrides(sets);
  if (!overrides) {
    std::fprintf(stderr, "sluice-flusher: %s: must be KEY=VALUE\n",
                 overrides.error().message().c_str());
    return kExitInvalid;
  }
  arguments.overrides = std::move(*overrides);
  return std::nullopt;
}

Result<Options> load_options(const Arguments& arguments) {
  const auto config = base::Config::load(config_keys(), arguments.config_file, arguments.overrides);
  if (!config) return config.error();
  auto options = make_options(*config);
  if (!options && !arguments.config_file.empty()) return options.error().at(arguments.config_file);
  return options;
}

// "DRAINING: trigger: load; 120 records not in MySQL yet".
std::string state_text(const StatusSnapshot& status) {
  std::string text(state_name(status.state));
  if (!status.reason.empty()) text += ": " + status.reason;
  if (!status.backlog) return text;
  return text + "; " + std::to_string(status.backlog->records) + " records not in MySQL yet";
}

// Whether it was done.
bool reload(const Arguments& arguments, base::Secret* token, FlushLoop& loop, Janitor& janitor) {
  const bool is_token_read = token == nullptr || token->reload_and_tell();
  const auto options = load_options(arguments);
  if (!options) {
    spdlog::error("not reloaded: {}", options.error().message());
    return false;
  }
  spdlog::set_level(spdlog::level::from_str(options->log_level));
  loop.set_options(*options);
  janitor.set_retain(options->retain_us);
  spdlog::info(
      "reloaded trigger.*, pace.*, journal.retain and log.level; other keys need a restart");
  return is_token_read;
}

// Waits for signals on a thread of its own; one that main sends to that thread ends it.
class SignalThread {
 public:
  // `reload` on SIGHUP: whether all of it was done.
  SignalThread(const base::ServiceManager& manager, base::Gauge& reload_failed, FlushLoop& loop,
               std::function<bool()> reload)
      : manager_(manager),
        reload_failed_(reload_failed),
        reload_(std::move(reload)),
        thread_([this, &loop] { run(loop); }) {}
  ~SignalThread() {
    ended_ = true;
    ::pthread_kill(thread_.native_handle(), SIGTERM);
    thread_.join();
  }

  // Before any thread is started, so that all of them inherit the mask.
  static sigset_t block() {
    sigset_t set;
    sigemptyset(&set);
    for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) sigaddset(&set, number);
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
    return set;
  }

 private:
  void run(FlushLoop& loop) {
    const sigset_t set = block();
    bool stopping = false;
    while (true) {
      int number = 0;
      ::sigwait(&set, &number);
      if (ended_) return;
      if (number == SIGUSR1) {
        spdlog::info("SIGUSR1: draining what is there{}",
                     loop.paused() ? ", as soon as somebody resumes" : "");
        loop.request_flush();
        continue;
      }
      if (number == SIGHUP) {
        manager_.reloading();
        reload_failed_.set(reload_() ? 0 : 1);
        manager_.ready();
        continue;
      }
      if (stopping) ::_exit(1);
      stopping = true;
      manager_.stopping();
      spdlog::info("stopping: finishing or rolling back what is under way; once more to exit now");
      loop.stop();
    }
  }

  const base::ServiceManager& manager_;
  base::Gauge& reload_failed_;
  const std::function<bool()> reload_;
  std::atomic<bool> ended_{false};
  std::thread thread_;  // last: starts when all the rest is there
};

// What was drained is in MySQL whether this succeeds or not; the next pass tries again.
void compact_once(Janitor& janitor) {
  const auto passed = janitor.last_pass(base::wall_ms());
  if (!passed)
    spdlog::warn("the snapshot was not brought up to date: {}", passed.error().message());
}

void tell(const LoopEnd& end) {
  if (end.exit_code != 0) {
    spdlog::error("the flusher ends: {}", end.message);
  } else if (!end.message.empty()) {
    spdlog::info("{}", end.message);
  }
}

int run(const Arguments& arguments, const base::ServiceManager& manager, Options options) {
  sql::ServerChoice choice;
  options.mysql.choice = &choice;
  base::FileSystem& fs = base::posix_file_system();
  base::Registry registry;
  StatusBoard status;
  FlushMetrics metrics(registry);
  base::Gauge& reload_failed = registry.gauge("sluice_reload_failed", base::kReloadFailedHelp);
  register_status_metrics(registry, status);
  FlushLoop loop(options, arguments.once, fs, status, metrics);
  Janitor janitor(options.journal_dir, fs, options.retain_us, status, options.mysql);

  auto server =
      http::Server::create({arguments.once ? "" : options.admin_address, options.admin_token});
  if (!server) {
    spdlog::error("no admin listener: {}", server.error().message());
    return server.error().cls() == ErrorClass::kInvalid ? kExitInvalid : 1;
  }
  base::RecentQuantiles flush_seconds(metrics.seconds, kQuantilesWindowUs);
  add_admin_routes(**server, {loop, status, registry, fs, options, flush_seconds});
  LoopEnd end;
  {
    const SignalThread signals(manager, reload_failed, loop, [&] {
      return reload(arguments, options.admin_token.get(), loop, janitor);
    });
    (*server)->start();
    uint64_t rounds = 0;
    base::ServicePulse pulse(manager, {[&status] { return state_text(status.read()); },
                                       [&loop, &rounds] {
                                         const uint64_t now = loop.rounds();
                                         return std::exchange(rounds, now) != now;
                                       }});
    manager.ready();
    if (!arguments.once) janitor.start();
    end = loop.run();
    pulse.stop();
    tell(end);  // before the housekeeping: what was to be drained is in MySQL now
    status.close();
    (*server)->stop();
    if (arguments.once && end.exit_code == 0) compact_once(janitor);
    janitor.stop();
  }
  return end.exit_code;
}

int main_of(int argc, char** argv) {
  SignalThread::block();
  if (const auto ended = base::arm_failpoint_from_environment()) return *ended;
  const auto manager = base::ServiceManager::from_environment();
  Arguments arguments;
  if (const auto end = parse_arguments(argc, argv, arguments)) return *end;
  const auto options = load_options(arguments);
  if (!options) {
    std::fprintf(stderr, "sluice-flusher: %s\n", options.error().message().c_str());
    return kExitInvalid;
  }
  if (arguments.check) {
    std::printf("configuration is valid\n");
    return 0;
  }
  base::begin_logging("sluice-flusher", options->log_format, "%Y-%m-%d %H:%M:%S.%e %l %v");
  spdlog::set_level(spdlog::level::from_str(options->log_level));
  return run(arguments, manager, *options);
}

}  // namespace
}  // namespace sluice::flusher

int main(int argc, char** argv) { return sluice::flusher::main_of(argc, argv); }
