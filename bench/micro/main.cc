// sluice-microbench: how fast the parts are, each alone, and whether each is fast enough.
#include <cstdio>

#include "base/command_line.h"
#include "bench/micro/report.h"
#include "bench/micro/suite.h"

namespace {

struct Arguments {
  sluice::bench::micro::Suite::Settings settings;
  std::string filter = ".";
  double factor = 1;
  bool check = false;
};

void add_options(sluice::base::CommandLine& line, Arguments& arguments) {
  line.option("--filter", &arguments.filter, "only those whose name has this regular expression");
  line.option("--run-seconds", &arguments.settings.run_s, "of each repetition")
      .between(0.001, 60.0)
      .show_default();
  line.option("--repetitions", &arguments.settings.repetitions, "medians are printed")
      .between(1, 100)
      .show_default();
  line.option("--folder", &arguments.settings.folder,
              "where the journals are written; on a real disk")
      .existing_folder()
      .show_default();
  line.option("--factor", &arguments.factor,
              "times every limit: below 1 for a slower machine, above for a faster one")
      .between(0.001, 1e9)
      .show_default();
  line.flag("--check", &arguments.check, "exit code 1 if a figure is below its limit");
  line.flag("--smoke", &arguments.settings.smoke,
            "run each once, to see that it computes what it should; no limits");
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  sluice::base::CommandLine line("The parts of Sluice, each alone: figure, limit, verdict.",
                                 "sluice-microbench");
  line.version_flag();
  add_options(line, arguments);
  if (const auto end = line.parse(argc, argv)) return *end;

  using namespace sluice::bench::micro;
  const Suite suite(arguments.settings);
  for (const auto add : {add_resp, add_script, add_inbox, add_coalescer, add_journal, add_recovery,
                         add_commit, add_rows}) {
    add(suite);
  }
  Report report;
  if (benchmark::RunSpecifiedBenchmarks(&report, arguments.filter) == 0) {
    std::fprintf(stderr, "no benchmark has a name with \"%s\"\n", arguments.filter.c_str());
    return 2;
  }
  const auto judgement = report.judge(arguments.settings.smoke ? 0 : arguments.factor);
  std::printf("%s", judgement.text.c_str());
  if (!judgement.complete) return 1;
  return arguments.check && !judgement.fast ? 1 : 0;
}
