// sluice-ctl: the operator's tool. commands.cc finds the command.
#include <cstdio>
#include <string>
#include <vector>

#include "ctl/commands.h"

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  const int code = sluice::ctl::run_command(words);
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return code;
  std::fprintf(stderr, "sluice-ctl: not all of the output could be written\n");
  return code == sluice::ctl::kDone ? sluice::ctl::kFailed : code;
}
