// sluice-ctl: the operator's tool. commands.cc finds the command.
#include <string>
#include <vector>

#include "ctl/commands.h"

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  return sluice::ctl::run_command(words);
}
