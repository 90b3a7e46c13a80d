#include "base/command_line.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <utility>

#include "base/error.h"

namespace sluice::base {
namespace {

constexpr int kExitWrongLine = 2;

std::vector<std::string> words_of(int argc, const char* const* argv) {
  return argc > 1 ? std::vector<std::string>(argv + 1, argv + argc) : std::vector<std::string>();
}

// One line of a description: its fields have no tabs, and "\\n" for the end of a line.
void print_fields(const std::vector<std::string>& fields) {
  std::string line;
  for (const std::string& field : fields) {
    if (&field != &fields.front()) line += '\t';
    for (const char c : field) line += c == '\n' ? "\\n" : c == '\t' ? " " : std::string(1, c);
  }
  std::puts(line.c_str());
}

}  // namespace

struct CommandLine::Parser {
  std::unique_ptr<CLI::App> program;  // null for a command, which belongs to that of its program
  CLI::App* app = program.get();
  std::function<int()> action = {};
  WordsAction forward = {};  // of a command that parses for itself
  std::function<Facts()> facts = {};
  std::vector<std::unique_ptr<CommandLine>> commands = {};
};

CommandLine::Option& CommandLine::Option::required() {
  option_->required();
  return *this;
}

CommandLine::Option& CommandLine::Option::between(Bound min, Bound max) {
  SLUICE_ASSERT(min.index() == max.index(), "both bounds are of one type");
  std::visit([&](auto least) { option_->check(CLI::Range(least, std::get<decltype(least)>(max))); },
             min);
  return *this;
}

CommandLine::Option& CommandLine::Option::one_of(std::vector<std::string> words) {
  option_->check(CLI::IsMember(std::move(words)));
  return *this;
}

CommandLine::Option& CommandLine::Option::existing_folder() {
  option_->check(CLI::ExistingDirectory);
  return *this;
}

CommandLine::Option& CommandLine::Option::type_name(const std::string& name) {
  option_->type_name(name);
  return *this;
}

CommandLine::Option& CommandLine::Option::one_value_each() {
  option_->allow_extra_args(false);
  return *this;
}

CommandLine::Option& CommandLine::Option::show_default() {
  option_->capture_default_str();
  return *this;
}

CommandLine::CommandLine(const std::string& description, const std::string& name)
    : parser_(new Parser{std::make_unique<CLI::App>(description, name)}) {}

CommandLine::CommandLine(std::unique_ptr<Parser> parser) : parser_(std::move(parser)) {}

CommandLine::~CommandLine() = default;

CommandLine::Option CommandLine::option(const std::string& names, Target target,
                                        const std::string& text) {
  return std::visit(
      [&](auto* variable) { return Option(parser_->app->add_option(names, *variable, text)); },
      target);
}

void CommandLine::flag(const std::string& names, bool* target, const std::string& text) {
  parser_->app->add_flag(names, *target, text);
}

void CommandLine::flag(const std::string& names, std::function<void()> action,
                       const std::string& text) {
  parser_->app->add_flag_callback(names, std::move(action), text);
}

void CommandLine::version_flag() {
  parser_->app->set_version_flag("--version", parser_->app->get_name() + " " SLUICE_VERSION);
}

void CommandLine::footer(const std::string& text) { parser_->app->footer(text); }

void CommandLine::describes(std::function<Facts()> facts) { parser_->facts = std::move(facts); }

CommandLine& CommandLine::command(const std::string& name, const std::string& text) {
  parser_->app->require_subcommand(1);
  std::unique_ptr<Parser> parser(new Parser{nullptr, parser_->app->add_subcommand(name, text)});
  parser_->commands.emplace_back(new CommandLine(std::move(parser)));
  return *parser_->commands.back();
}

void CommandLine::does(std::function<int()> action) { parser_->action = std::move(action); }

void CommandLine::forwarding_command(const std::string& name, const std::string& text,
                                     WordsAction action) {
  CommandLine& line = command(name, text);
  CLI::App* const app = line.parser_->app;
  app->prefix_command()->set_help_flag();
  line.parser_->forward = action;
  line.does([app, action = std::move(action)] { return action(app->remaining()); });
}

// command NAME TEXT, option NAMES TYPE TEXT …, footer TEXT, facts; then the same of each command.
void CommandLine::describe(const std::string& name) const {
  const CLI::App& app = *parser_->app;
  print_fields({"command", name, app.get_description()});
  for (const CLI::Option* option : app.get_options()) {
    const bool has_value = option->get_items_expected_max() > 0;
    print_fields({"option", option->get_name(true, true), has_value ? option->get_type_name() : "",
                  option->get_description()});
  }
  if (!app.get_footer().empty()) print_fields({"footer", app.get_footer()});
  for (const auto& fact : parser_->facts ? parser_->facts() : Facts()) print_fields(fact);
  const std::string word = kDescribe;
  for (const auto& command : parser_->commands) {
    const CLI::App& of_command = *command->parser_->app;
    print_fields({"subcommand", of_command.get_name(), of_command.get_description()});
    if (command->parser_->forward)
      command->parser_->forward(std::span(&word, 1));
    else
      command->describe(name + " " + of_command.get_name());
    print_fields({"end"});
  }
}

std::optional<int> CommandLine::parse(std::span<const std::string> words) {
  if (words.size() == 1 && words[0] == kDescribe) {
    describe(parser_->app->get_name());
    return 0;
  }
  try {
    // CLI11 takes the last word first.
    parser_->app->parse(std::vector<std::string>(words.rbegin(), words.rend()));
  } catch (const CLI::ParseError& failure) {
    return parser_->app->exit(failure) == 0 ? 0 : kExitWrongLine;
  }
  return std::nullopt;
}

std::optional<int> CommandLine::parse(int argc, const char* const* argv) {
  return parse(words_of(argc, argv));
}

int CommandLine::run(std::span<const std::string> words) {
  if (const auto end = parse(words)) return *end;
  for (const auto& command : parser_->commands) {
    if (command->parser_->app->parsed()) return command->parser_->action();
  }
  assertion_failed(__FILE__, __LINE__, "parsed()", "one of the commands is on the line");
}

int CommandLine::run(int argc, const char* const* argv) { return run(words_of(argc, argv)); }

bool CommandLine::given(const std::string& name) const { return parser_->app->count(name) > 0; }

}  // namespace sluice::base
