// `sluice-ctl flush | pause | resume`: what an operator tells a running proxy or flusher to do.
#include <boost/json.hpp>
#include <cstdio>
#include <string>
#include <vector>

#include "base/command_line.h"
#include "ctl/admin_target.h"
#include "ctl/commands.h"
#include "ctl/figures.h"

namespace sluice::ctl {
namespace {

namespace json = boost::json;

constexpr int64_t kTimeoutMs = 15'000;
constexpr int64_t kProxyWaitMaxS = 60, kFlusherWaitMaxS = 600;  // what each of them takes

// What is told after a command, of one server.
struct Outcome {
  AdminTarget target;
  bool done = false;
  std::string words;  // what it did, or why not and what to do
  json::value answer;
};

// A refusal in words that lead on.
std::string refusal(const AdminTarget& target, const http::Response& response) {
  const std::string words = words_of(response);
  const std::string config = std::string(word_of(target.kind)) + ".toml";
  switch (response.status) {
    case 401:
      return (target.token.empty()
                  ? std::string("it wants a bearer token; give it")
                  : std::string("it wants another bearer token; give the right one")) +
             " with --token-file, or admin.token_file with --config " + config;
    case 403:
      return "it does not let you: " + words;
    case 409:
      return "not now: " + words;
    default:
      return words;
  }
}

Outcome tell(const AdminTarget& target, const std::string& path, int64_t timeout_ms) {
  Outcome outcome{target, false, {}, {}};
  const auto response = ask(target, "POST", path, timeout_ms);
  if (!response) {
    outcome.words = "does not answer (" + response.error().message() + "); is it running there?";
    return outcome;
  }
  boost::system::error_code failure;
  outcome.answer = json::parse(response->body, failure);
  outcome.done = response->status / 100 == 2;
  if (!outcome.done) outcome.words = refusal(target, *response);
  return outcome;
}

int print(const std::vector<Outcome>& outcomes, bool as_json) {
  bool all_done = true;
  json::array list;
  for (const Outcome& outcome : outcomes) {
    all_done = all_done && outcome.done;
    const std::string kind(word_of(outcome.target.kind));
    if (as_json) {
      list.push_back(json::object{{"kind", kind},
                                  {"url", outcome.target.url},
                                  {"done", outcome.done},
                                  {"words", outcome.words},
                                  {"answer", outcome.answer}});
      continue;
    }
    std::fprintf(outcome.done ? stdout : stderr, "%s %s: %s\n", kind.c_str(),
                 outcome.target.url.c_str(), printable(outcome.words).c_str());
  }
  if (as_json) std::printf("%s\n", json::serialize(json::object{{"servers", list}}).c_str());
  return all_done ? kDone : kFailed;
}

int wrong(const char* command, const Error& error) {
  std::fprintf(stderr, "%s: %s\n", command, error.message().c_str());
  return kBadArguments;
}

// Those of that kind; both kinds are what is asked when none is named.
std::vector<AdminTarget> of_kind(const std::vector<AdminTarget>& targets, ConfigKind kind) {
  std::vector<AdminTarget> chosen;
  for (const AdminTarget& target : targets) {
    if (target.kind == kind) chosen.push_back(target);
  }
  return chosen;
}

// The answer to a flush: {"drained": …, "backlog": …}.
void judge_flush(Outcome& outcome, int64_t wait_s) {
  if (!outcome.done) return;
  const json::object* answer = outcome.answer.if_object();
  const bool drained = answer != nullptr && flag_in(*answer, "drained");
  const std::string left =
      grouped(answer == nullptr ? 0 : static_cast<int64_t>(number_in(*answer, "backlog")));
  if (drained) {
    outcome.words = "drained";
  } else if (wait_s == 0) {
    outcome.words = "drains now; " + left + " records are left (--wait SECONDS waits for them)";
  } else {
    outcome.words = "still drains after " + std::to_string(wait_s) + " s; " + left +
                    " records are left; see sluice-ctl status";
    outcome.done = false;
  }
}

int pause_or_resume(const char* verb, std::span<const std::string> args) {
  const bool pause = std::string(verb) == "pause";
  base::CommandLine line(pause ? "Stops selling (intake), or the drain into MySQL (flush)."
                               : "Goes on selling (intake), or draining into MySQL (flush).",
                         std::string("sluice-ctl ") + verb);
  AdminOptions options;
  std::string what;
  bool as_json = false;
  line.option("WHAT", &what, "intake: at the proxies; flush: at the flushers")
      .required()
      .one_of({"intake", "flush"});
  add_admin_options(line, options);
  line.flag("--json", &as_json, "print one JSON object");
  if (const auto end = line.parse(args)) return *end;
  const auto targets = admin_targets(options);
  if (!targets) return wrong(verb, targets.error());
  const bool intake = what == "intake";
  const auto chosen = of_kind(*targets, intake ? ConfigKind::kProxy : ConfigKind::kFlusher);
  if (chosen.empty()) {
    return wrong(verb, base::invalid(intake ? "intake is a proxy's: give --proxy, or its --config"
                                            : "flush is a flusher's: give --flusher, or its "
                                              "--config"));
  }
  std::vector<Outcome> outcomes;
  for (const AdminTarget& target : chosen) {
    outcomes.push_back(tell(target, pause ? "/pause" : "/resume", kTimeoutMs));
    if (!outcomes.back().done) continue;
    outcomes.back().words =
        intake ? (pause ? "sells nothing until: sluice-ctl resume intake" : "sells again")
               : (pause ? "drains nothing until: sluice-ctl resume flush"
                        : "drains again, as its triggers say");
  }
  return print(outcomes, as_json);
}

}  // namespace

int flush_command(std::span<const std::string> args) {
  base::CommandLine line("Drains into MySQL what is waiting now, whatever the triggers say.",
                         "sluice-ctl flush");
  AdminOptions options;
  int64_t wait_s = 0;
  bool as_json = false;
  line.option("--wait", &wait_s, "wait so many seconds for it; exit code 1 if it took longer")
      .type_name("SECONDS")
      .between(int64_t{0}, kFlusherWaitMaxS);
  add_admin_options(line, options);
  line.flag("--json", &as_json, "print one JSON object");
  line.footer("The flushers are asked; proxies are if only they are named, and pass it on.");
  if (const auto end = line.parse(args)) return *end;
  const auto targets = admin_targets(options);
  if (!targets) return wrong("flush", targets.error());
  auto chosen = of_kind(*targets, ConfigKind::kFlusher);
  if (chosen.empty()) {
    chosen = *targets;
    if (wait_s > kProxyWaitMaxS) {
      return wrong("flush", base::invalid("--wait: a proxy waits 60 s at most; name the flusher"));
    }
  }
  std::vector<Outcome> outcomes;
  for (const AdminTarget& target : chosen) {
    outcomes.push_back(tell(target, "/flush?wait_ms=" + std::to_string(wait_s * 1000),
                            wait_s * 1000 + kTimeoutMs));
    judge_flush(outcomes.back(), wait_s);
  }
  return print(outcomes, as_json);
}

int pause_command(std::span<const std::string> args) { return pause_or_resume("pause", args); }

int resume_command(std::span<const std::string> args) { return pause_or_resume("resume", args); }

}  // namespace sluice::ctl
