// The fuzz targets: each takes any bytes, feeds them to one of the program's parsers, and asserts
// what must hold whatever they are; that nothing crashes is the least of it.
//
// `make fuzz` runs each under libFuzzer (fuzzer_entry.cc), `make test` replays the inputs that are
// kept (corpus_test.cc). A new target is a function here, a file TARGET.cc beside it, its name in
// CMakeLists.txt, and a folder corpus/TARGET with inputs to begin from.
#pragma once

#include <string_view>

namespace sluice::fuzz {

void config_reader(std::string_view input);    // a TOML file → base::Config
void journal_decoder(std::string_view input);  // headers, frames, records, manifests, each alone
void journal_folder(std::string_view input);   // whole folders: reader, verify, recovery, history
void purchase_command(std::string_view input); // what a client sent → an operation of a sale
void reply_rewriter(std::string_view input);   // Redis's INFO and COMMAND with our part added
void reply_scanner(std::string_view input);    // Redis's byte stream → where replies end
void request_parser(std::string_view input);   // a client's byte stream → commands
void users_file(std::string_view input);       // auth.users_file → users and their rules

}  // namespace sluice::fuzz
