// sluice-microbench: how fast the parts are, each alone, and whether each is fast enough.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "bench/micro/report.h"
#include "bench/micro/suite.h"

namespace {

struct Arguments {
  sluice::bench::micro::Suite::Settings settings;
  std::string filter = ".";
  double factor = 1;
  bool check = false;
};

void add_options(CLI::App& app, Arguments& arguments) {
  app.add_option("--filter", arguments.filter, "only those whose name has this regular expression");
  app.add_option("--run-seconds", arguments.settings.run_s, "of each repetition")
      ->check(CLI::Range(0.001, 60.0))
      ->capture_default_str();
  app.add_option("--repetitions", arguments.settings.repetitions, "medians are printed")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  app.add_option("--folder", arguments.settings.folder,
                 "where the journals are written; on a real disk")
      ->check(CLI::ExistingDirectory)
      ->capture_default_str();
  app.add_option("--factor", arguments.factor,
                 "times every limit: below 1 for a slower machine, above for a faster one")
      ->check(CLI::Range(0.001, 1e9))
      ->capture_default_str();
  app.add_flag("--check", arguments.check, "exit code 1 if a figure is below its limit");
  app.add_flag("--smoke", arguments.settings.smoke,
               "run each once, to see that it computes what it should; no limits");
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app("The parts of Sluice, each alone: figure, limit, verdict.", "sluice-microbench");
  app.set_version_flag("--version", "sluice-microbench " SLUICE_VERSION);
  add_options(app, arguments);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }

  using namespace sluice::bench::micro;
  const Suite suite(arguments.settings);
  for (const auto add :
       {add_resp, add_script, add_coalescer, add_journal, add_recovery, add_commit, add_rows}) {
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
