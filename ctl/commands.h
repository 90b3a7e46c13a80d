// The commands of sluice-ctl, one file each. `args` are the words after the command's name.
// Each prints its result to stdout, problems to stderr, and returns the exit code of the contract:
// kDone, or what was wrong: failed or a difference found, bad arguments, damaged data.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "base/command_line.h"
#include "base/error.h"

namespace sluice::ctl {

inline constexpr int kDone = 0, kFailed = 1, kBadArguments = 2, kDamaged = 3;
// Of a command that an error ended.
inline int exit_code_of(const Error& error) {
  switch (error.cls()) {
    case ErrorClass::kInvalid:
    case ErrorClass::kNotFound:
      return kBadArguments;
    case ErrorClass::kCorrupt:
      return kDamaged;
    default:
      return kFailed;
  }
}

// All of sluice-ctl: the words after the program's name.
int run_command(std::span<const std::string> words);

int completion_command(std::span<const std::string> args);  // completion.cc
int doctor_command(std::span<const std::string> args);     // doctor.cc
int dlq_command(std::span<const std::string> args);        // dlq.cc: list | show | retry | drop
int flush_command(std::span<const std::string> args);      // operate.cc
int items_command(std::span<const std::string> args);      // items.cc
int journal_command(std::span<const std::string> args);    // journal.cc: verify | dump | adopt …
int man_command(std::span<const std::string> args);        // completion.cc
int pause_command(std::span<const std::string> args);      // operate.cc
int peers_command(std::span<const std::string> args);      // peers.cc: list | forget ID...
int reconcile_command(std::span<const std::string> args);  // reconcile.cc
int resume_command(std::span<const std::string> args);     // operate.cc
int sale_command(std::span<const std::string> args);       // sale.cc: create | import | check …
int schema_command(std::span<const std::string> args);     // schema.cc: print | apply | check
int status_command(std::span<const std::string> args);     // status.cc

// Of journal_command(): adopt.cc, ways_back.cc.
void add_adopt_command(base::CommandLine& line, const char* name, const char* text);
void add_redrain_command(base::CommandLine& line);
void add_drop_command(base::CommandLine& line);
void add_list_command(base::CommandLine& line);
void tell_unchanged();               // a dry run has told all that it does
int end_of_way(const Status& done);  // tells what was wrong; the exit code

}  // namespace sluice::ctl
