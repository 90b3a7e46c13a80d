// `sluice-ctl completion bash|zsh|fish` and `sluice-ctl man`: made of the same descriptions that
// --help prints. Each command line of the tool describes itself (base/command_line.h); that is read
// here as a tree, and written out in the language of a shell or of man.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <sstream>
#include <string>
#include <vector>

#include "base/command_line.h"
#include "base/error.h"
#include "ctl/commands.h"

namespace sluice::ctl {
namespace {

struct DescribedOption {
  std::vector<std::string> names;  // "--config", or "DIR" for a word without one
  std::string type;                // "FILE", "TEXT:{intake,flush}"; "": a flag
  std::string text;

  bool is_word() const { return !names.front().starts_with('-'); }
  // The words that it may be; empty: any.
  std::vector<std::string> choices() const {
    std::vector<std::string> words;
    const size_t begin = type.find('{'), end = type.find('}');
    if (begin == std::string::npos || end == std::string::npos) return words;
    std::istringstream list(type.substr(begin + 1, end - begin - 1));
    for (std::string word; std::getline(list, word, ',');) words.push_back(word);
    return words;
  }
};

struct Described {
  std::string path;  // "sluice-ctl journal verify"
  std::string summary, text, footer;
  std::vector<DescribedOption> options;
  std::vector<std::pair<std::string, std::string>> commands;  // name, summary
};

// What `words` print, by way of a file in memory in the place of stdout.
std::string printed_by(const std::vector<std::string>& words) {
  std::fflush(stdout);
  const int before = ::dup(STDOUT_FILENO), memory = ::memfd_create("description", MFD_CLOEXEC);
  SLUICE_ASSERT(before >= 0 && memory >= 0, "no file descriptor left");
  ::dup2(memory, STDOUT_FILENO);
  (void)run_command(words);
  std::fflush(stdout);
  ::dup2(before, STDOUT_FILENO);
  std::string text(static_cast<size_t>(std::max<off_t>(::lseek(memory, 0, SEEK_END), 0)), '\0');
  const ssize_t got = ::pread(memory, text.data(), text.size(), 0);
  text.resize(static_cast<size_t>(std::max<ssize_t>(got, 0)));
  ::close(before);
  ::close(memory);
  return text;
}

std::vector<std::string> fields_of(const std::string& line, char separator) {
  std::vector<std::string> fields;
  std::istringstream stream(line);
  for (std::string field; std::getline(stream, field, separator);) fields.push_back(field);
  fields.resize(std::max<size_t>(fields.size(), 4));
  return fields;
}

std::string with_line_ends(std::string text) {
  for (size_t at = 0; (at = text.find("\\n", at)) != std::string::npos;) text.replace(at, 2, "\n");
  return text;
}

// All commands, each before those below it.
std::vector<Described> describe_all() {
  std::vector<Described> all;
  std::vector<size_t> open;  // places in `all`
  std::string summary;
  std::istringstream lines(printed_by({base::CommandLine::kDescribe}));
  for (std::string line; std::getline(lines, line);) {
    const auto fields = fields_of(line, '\t');
    if (fields[0] == "command") {
      open.push_back(all.size());
      all.push_back({fields[1], summary, with_line_ends(fields[2]), "", {}, {}});
    } else if (fields[0] == "option") {
      auto names = fields_of(fields[1], ',');
      std::erase(names, "");
      all[open.back()].options.push_back({names, fields[2], with_line_ends(fields[3])});
    } else if (fields[0] == "footer") {
      all[open.back()].footer = with_line_ends(fields[1]);
    } else if (fields[0] == "subcommand") {
      all[open.back()].commands.emplace_back(fields[1], with_line_ends(fields[2]));
      summary = all[open.back()].commands.back().second;
    } else {
      open.pop_back();
    }
  }
  return all;
}

// For single quotes of a shell.
std::string shell_quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? "'\\''" : c == '\n' ? " " : std::string(1, c);
  return out + "'";
}

// 'path word'|… of every command: the patterns of a `case`.
std::string patterns(const std::vector<Described>& all, const char* between) {
  std::string list;
  for (const Described& one : all) {
    for (const auto& [name, text] : one.commands)
      list += (list.empty() ? "" : between) + shell_quoted(one.path + " " + name);
  }
  return list;
}

// What may be the next word of a command, each with its text.
std::vector<std::pair<std::string, std::string>> words_of_command(const Described& one) {
  auto words = one.commands;
  for (const DescribedOption& option : one.options) {
    for (const std::string& name : option.is_word() ? option.choices() : option.names)
      words.emplace_back(name, option.text);
  }
  return words;
}

// Options whose value is a file.
std::string file_options(const std::vector<Described>& all, const char* between) {
  std::vector<std::string> names;
  for (const Described& one : all) {
    for (const DescribedOption& option : one.options) {
      const std::string& name = option.names.back();
      const bool is_file = option.type.starts_with("FILE") || name.ends_with("-file") ||
                           name == "--config" || name == "--keep";
      if (is_file && !option.is_word() && !option.type.empty()) names.push_back(name);
    }
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : between) + name;
  return list;
}

std::string bash_script(const std::vector<Described>& all) {
  std::string script =
      "# bash completion of sluice-ctl, made by: sluice-ctl completion bash\n"
      "_sluice_ctl() {\n"
      "  local cur=\"${COMP_WORDS[COMP_CWORD]}\" at=sluice-ctl word words=\n"
      "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
      "    case \"$at $word\" in\n      " +
      patterns(all, "|") +
      ") at=\"$at $word\" ;;\n"
      "    esac\n"
      "  done\n"
      "  case \"${COMP_WORDS[COMP_CWORD-1]}\" in\n    " +
      file_options(all, "|") +
      ") COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n"
      "  esac\n"
      "  case \"$at\" in\n";
  for (const Described& one : all) {
    std::string list;
    for (const auto& [word, text] : words_of_command(one)) list += (list.empty() ? "" : " ") + word;
    script += "    " + shell_quoted(one.path) + ") words=" + shell_quoted(list) + " ;;\n";
  }
  return script +
         "  esac\n"
         "  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
         "}\n"
         "complete -o default -F _sluice_ctl sluice-ctl\n";
}

std::string zsh_script(const std::vector<Described>& all) {
  std::string script =
      "#compdef sluice-ctl\n"
      "# zsh completion of sluice-ctl, made by: sluice-ctl completion zsh\n"
      "_sluice_ctl() {\n"
      "  local at=sluice-ctl word\n"
      "  local -a found\n"
      "  for word in \"${(@)words[2,CURRENT-1]}\"; do\n"
      "    case \"$at $word\" in\n      " +
      patterns(all, "|") +
      ") at=\"$at $word\" ;;\n"
      "    esac\n"
      "  done\n"
      "  case \"${words[CURRENT-1]}\" in\n    " +
      file_options(all, "|") +
      ") _files; return ;;\n"
      "  esac\n"
      "  case \"$at\" in\n";
  for (const Described& one : all) {
    script += "    " + shell_quoted(one.path) + ") found=(";
    for (const auto& [word, text] : words_of_command(one)) {
      std::string plain = text;
      std::replace(plain.begin(), plain.end(), ':', ';');
      script += "\n      " + shell_quoted(word + ":" + plain);
    }
    script += ") ;;\n";
  }
  return script +
         "  esac\n"
         "  _describe sluice-ctl found || _files\n"
         "}\n"
         // Of a file in fpath this is the function's own body; else it was sourced.
         "if [[ ${funcstack[1]} == _sluice-ctl ]]; then _sluice_ctl \"$@\"\n"
         "else compdef _sluice_ctl sluice-ctl\n"
         "fi\n";
}

std::string fish_script(const std::vector<Described>& all) {
  std::string script =
      "# fish completion of sluice-ctl, made by: sluice-ctl completion fish\n"
      "function __sluice_ctl_at\n"
      "  set -l at sluice-ctl\n"
      "  for word in (commandline -opc)[2..-1]\n"
      "    switch \"$at $word\"\n"
      "      case " +
      patterns(all, " ") +
      "\n"
      "        set at \"$at $word\"\n"
      "    end\n"
      "  end\n"
      "  test \"$at\" = \"$argv[1]\"\n"
      "end\n";
  for (const Described& one : all) {
    const std::string begin = "complete -c sluice-ctl -n '__sluice_ctl_at \"" + one.path + "\"' ";
    for (const auto& [word, text] : one.commands)
      script += begin + "-f -a " + word + " -d " + shell_quoted(text) + "\n";
    for (const DescribedOption& option : one.options) {
      if (option.is_word()) {
        for (const std::string& word : option.choices()) script += begin + "-f -a " + word + "\n";
        continue;
      }
      for (const std::string& name : option.names) {
        const bool is_long = name.starts_with("--");
        script += begin + (is_long ? "-l " + name.substr(2) : "-s " + name.substr(1)) +
                  (option.type.empty() ? "" : " -r") + " -d " + shell_quoted(option.text) + "\n";
      }
    }
  }
  return script;
}

// Text of roff: no line of it is a request, no backslash or hyphen means anything.
std::string roff(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool begins_line = i == 0 || text[i - 1] == '\n';
    if (begins_line && (text[i] == '.' || text[i] == '\'')) out += "\\&";
    if (text[i] == '\\')
      out += "\\e";
    else if (text[i] == '-')
      out += "\\-";
    else
      out += text[i];
  }
  return out;
}

std::string man_options(const Described& one) {
  std::string page;
  for (const DescribedOption& option : one.options) {
    std::string names;
    for (const std::string& name : option.names) names += (names.empty() ? "" : ", ") + name;
    page += ".TP\n\\fB" + roff(names) + "\\fR";
    if (!option.type.empty() && !option.is_word()) page += " \\fI" + roff(option.type) + "\\fR";
    page += "\n" + roff(option.text) + "\n";
  }
  return page;
}

std::string man_page(const std::vector<Described>& all) {
  const Described& program = all.front();
  std::string page = ".TH SLUICE\\-CTL 1 \"\" \"Sluice " SLUICE_VERSION
                     "\" \"Sluice\"\n"
                     ".SH NAME\nsluice\\-ctl \\- operator's tool of Sluice\n"
                     ".SH SYNOPSIS\n\\fBsluice\\-ctl\\fR \\fICOMMAND\\fR [\\fIOPTIONS\\fR]\n"
                     ".SH DESCRIPTION\n" +
                     roff(program.text) + "\n.SH OPTIONS\n" + man_options(program) +
                     ".SH COMMANDS\n";
  for (const Described& one : all) {
    if (&one == &program) continue;
    page += ".SS \"" + roff(one.path) + "\"\n" + roff(one.text) + "\n" + man_options(one);
    if (!one.footer.empty()) page += ".PP\n.nf\n" + roff(one.footer) + "\n.fi\n";
  }
  return page + ".SH EXIT STATUS\n" + roff(program.footer) + "\n";
}

}  // namespace

int completion_command(std::span<const std::string> args) {
  base::CommandLine line("Prints a shell's completion script.", "sluice-ctl completion");
  std::string shell;
  line.option("SHELL", &shell, "whose").required().one_of({"bash", "zsh", "fish"});
  line.footer(
      "bash: source <(sluice-ctl completion bash)\n"
      "zsh:  sluice-ctl completion zsh > \"${fpath[1]}/_sluice-ctl\"\n"
      "fish: sluice-ctl completion fish > ~/.config/fish/completions/sluice-ctl.fish");
  if (const auto end = line.parse(args)) return *end;
  const auto all = describe_all();
  const std::string script = shell == "bash"  ? bash_script(all)
                             : shell == "zsh" ? zsh_script(all)
                                              : fish_script(all);
  std::fwrite(script.data(), 1, script.size(), stdout);
  return kDone;
}

int man_command(std::span<const std::string> args) {
  base::CommandLine line("Prints the manual page, for man(1).", "sluice-ctl man");
  line.footer("sluice-ctl man > sluice-ctl.1 && man ./sluice-ctl.1");
  if (const auto end = line.parse(args)) return *end;
  const std::string page = man_page(describe_all());
  std::fwrite(page.data(), 1, page.size(), stdout);
  return kDone;
}

}  // namespace sluice::ctl
