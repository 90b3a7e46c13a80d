// sluice-bench: the load generator and the side-by-side benchmark.
#include <CLI/CLI.hpp>
#include <cstdlib>
#include <string>

#include "bench/command_line.h"
#include "bench/interrupt.h"

namespace {

// Debian keeps servers in sbin, which is not on the PATH of most users.
void look_in_sbin() {
  const char* path = std::getenv("PATH");
  const std::string extended = (path == nullptr ? "" : std::string(path) + ":") + "/usr/sbin:/sbin";
  ::setenv("PATH", extended.c_str(), 1);
}

}  // namespace

int main(int argc, char** argv) {
  sluice::bench::block_interrupts();
  look_in_sbin();
  CLI::App app("Load generator and side-by-side benchmark of Sluice.", "sluice-bench");
  app.require_subcommand(1);
  app.set_version_flag("--version", "sluice-bench " SLUICE_VERSION);
  int code = 0;
  sluice::bench::add_scenarios(app, code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return code;
}
