// A program's command line, or that of one of its commands: options, flags, commands and --help.
//
// CLI11 does the work, and only command_line.cc includes it: each file that does compiles all of it
// again, for seconds. main() builds a CommandLine while there is one thread; parse() writes what
// was given into the caller's variables, which must outlive it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

namespace CLI {
class Option;
}

namespace sluice::base {

class CommandLine {
 public:
  // Where a value goes; a list takes several values, and all the words up to the next option.
  using Target = std::variant<std::string*, int*, int64_t*, uint16_t*, uint32_t*, uint64_t*,
                              double*, std::vector<std::string>*, std::vector<uint32_t>*>;
  using Bound = std::variant<int64_t, uint64_t, double>;

  // Says more of an option that was added; valid as long as its CommandLine.
  class Option {
   public:
    Option& required();
    Option& between(Bound min, Bound max);  // inclusive, of the same type, which --help shows
    Option& one_of(std::vector<std::string> words);
    Option& existing_folder();
    Option& type_name(const std::string& name);  // in --help, instead of TEXT, INT, …
    Option& one_value_each();                    // of a list: it is repeated for each value
    Option& show_default();                      // in --help: what the target holds now

   private:
    friend class CommandLine;
    explicit Option(CLI::Option* option) : option_(option) {}
    CLI::Option* option_;
  };

  CommandLine(const std::string& description, const std::string& name);
  ~CommandLine();
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;

  // `names` are "--name", or "NAME" for a word without one. --help keeps the order of the calls.
  Option option(const std::string& names, Target target, const std::string& text);
  // "--on,!--off" are two names, of which the second makes it false.
  void flag(const std::string& names, bool* target, const std::string& text);
  void flag(const std::string& names, std::function<void()> action, const std::string& text);
  void version_flag();  // --version: "NAME SLUICE_VERSION"
  void footer(const std::string& text);
  // Lines that only kDescribe prints, after the rest: what else the program knows of itself, each
  // as its fields. scripts/docs makes pages of them.
  using Facts = std::vector<std::vector<std::string>>;
  void describes(std::function<Facts()> facts);

  // A line with commands wants exactly one of them. run() calls what the command `does`, which
  // returns the exit code. The reference is valid as long as this object.
  CommandLine& command(const std::string& name, const std::string& text);
  void does(std::function<int()> action);
  // A command that parses the words after its name by itself, --help among them.
  using WordsAction = std::function<int(std::span<const std::string>)>;
  void forwarding_command(const std::string& name, const std::string& text, WordsAction action);

  // nullopt: go on. Else the program is to end with this exit code: 0 after --help or --version,
  // which are printed, 2 after a line that means nothing, about which stderr was told.
  std::optional<int> parse(std::span<const std::string> words);
  std::optional<int> parse(int argc, const char* const* argv);
  // Of a line with commands: parses it and does what was asked for; the exit code.
  int run(std::span<const std::string> words);
  int run(int argc, const char* const* argv);

  // The word, alone on a line, that makes parse() print what ctl/completion.cc and scripts/docs
  // read, instead of help for people: of this line and of all its commands, those that parse for
  // themselves too.
  static constexpr const char* kDescribe = "--describe-itself";

  bool given(const std::string& name) const;  // after parse(): the option was on the line

 private:
  struct Parser;
  explicit CommandLine(std::unique_ptr<Parser> parser);
  void describe(const std::string& name) const;

  const std::unique_ptr<Parser> parser_;
};

}  // namespace sluice::base
