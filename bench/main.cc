// sluice-bench: the load generator and the side-by-side benchmark.
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
  return sluice::bench::run_command_line(argc, argv);
}
