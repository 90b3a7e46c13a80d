#include "base/config.h"

#include <sys/stat.h>

#include <algorithm>
#include <set>

#include "base/toml.h"
#include "base/units.h"

namespace sluice::base {
namespace {

std::string_view type_name(ConfigType type) {
  switch (type) {
    case ConfigType::kBool: return "true or false";
    case ConfigType::kInteger: return "a whole number";
    case ConfigType::kString: return "a string";
    case ConfigType::kSize: return "a size with its unit, like \"64MiB\"";
    case ConfigType::kDuration: return "a duration with its unit, like \"250ms\"";
    case ConfigType::kRate: return "a rate with its unit, like \"5000/s\"";
    case ConfigType::kList: return "a list of strings";
    case ConfigType::kMap: return "a table of strings";
  }
  return "";
}

Result<int64_t> parse_number(const ConfigKey& key, std::string_view text) {
  switch (key.type) {
    case ConfigType::kSize: return parse_size(text);
    case ConfigType::kDuration: return parse_duration_us(text);
    case ConfigType::kRate: return parse_rate_per_s(text);
    default: return parse_integer(text);
  }
}

std::string format_number(const ConfigKey& key, int64_t number) {
  switch (key.type) {
    case ConfigType::kSize: return format_size(number);
    case ConfigType::kDuration: return format_duration_us(number);
    case ConfigType::kRate: return format_rate_per_s(number);
    default: return std::to_string(number);
  }
}

bool is_number(ConfigType type) {
  return type == ConfigType::kInteger || type == ConfigType::kSize ||
         type == ConfigType::kDuration || type == ConfigType::kRate;
}

std::string trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return std::string(text);
}

// The inverse of joined(): a comma within a part is written "\,", a backslash "\\" (a cron line may
// well have commas).
std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> parts;
  std::string part;
  const auto end_part = [&] {
    if (std::string whole = trimmed(part); !whole.empty()) parts.push_back(std::move(whole));
    part.clear();
  };
  for (size_t i = 0; i < text.size(); ++i) {
    const bool escapes =
        text[i] == '\\' && i + 1 < text.size() && (text[i + 1] == ',' || text[i + 1] == '\\');
    if (text[i] == ',') {
      end_part();
    } else {
      part += text[escapes ? ++i : i];
    }
  }
  end_part();
  return parts;
}

std::string joined(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) {
    if (!text.empty()) text += ',';
    for (const char c : part) {
      if (c == ',' || c == '\\') text += '\\';
      text += c;
    }
  }
  return text;
}

std::string in_quotes(std::string_view text) { return "\"" + std::string(text) + "\""; }

// Refuses what the text form would not read back: split_list() drops blanks and empty parts.
Status check_part(std::string_view part) {
  if (!part.empty() && part.front() != ' ' && part.back() != ' ') return {};
  return invalid(in_quotes(part) + " must not be empty, nor begin or end with a blank");
}

// The nearest known name by shared prefix, to turn a typing mistake into a suggestion.
std::string suggestion(const std::vector<ConfigKey>& keys, std::string_view name) {
  const ConfigKey* best = nullptr;
  size_t best_score = 3;
  for (const ConfigKey& key : keys) {
    const auto differ = std::mismatch(key.name.begin(), key.name.end(), name.begin(), name.end());
    const size_t score = static_cast<size_t>(differ.first - key.name.begin());
    if (score > best_score) best = &key, best_score = score;
  }
  return best == nullptr ? "" : "; did you mean " + std::string(best->name) + "?";
}

}  // namespace

// Walks one TOML file into a Config. A class of its own so that toml++ stays out of the header.
class ConfigFile {
 public:
  ConfigFile(Config& config, std::string path, Config::UnknownKeys unknown)
      : config_(config), path_(std::move(path)), unknown_(unknown) {}

  static Result<toml::table> parse(const std::string& path) {
    // To the library a folder is an empty file.
    struct stat status;
    if (::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode))
      return invalid(path + ": is a folder");
    toml::parse_result parsed = toml::parse_file(path);
    if (parsed) return std::move(parsed).table();
    const auto& failure = parsed.error();
    const auto line = failure.source().begin.line;
    if (line == 0) return invalid(path + ": cannot be read");
    return invalid(path + ":" + std::to_string(line) + ": " + std::string(failure.description()));
  }

  Status read() {
    const auto table = parse(path_);
    return table ? read_table(*table, "") : table.error();
  }

 private:
  Status read_table(const toml::table& table, const std::string& prefix) {
    for (const auto& [toml_key, node] : table) {
      const std::string name = prefix + std::string(toml_key.str());
      const ConfigKey* key = config_.find(name);
      if (key == nullptr && node.is_table() && is_section(name)) {
        SLUICE_TRY(read_table(*node.as_table(), name + "."));
        continue;
      }
      if (key == nullptr && unknown_ == Config::UnknownKeys::kPassOver) continue;
      if (key == nullptr) {
        return invalid(where(node) + name + ": unknown key" + suggestion(config_.keys(), name));
      }
      if (Status stored = read_value(*key, node); !stored) {
        return stored.error().at(where(node) + name);
      }
    }
    return {};
  }

  Status read_value(const ConfigKey& key, const toml::node& node) {
    const auto wrong = [&] { return invalid("must be " + std::string(type_name(key.type))); };
    if (key.type == ConfigType::kBool) {
      if (!node.is_boolean()) return wrong();
      return config_.store(key, node.as_boolean()->get());
    }
    if (key.type == ConfigType::kInteger) {
      if (!node.is_integer()) return wrong();
      return config_.store(key, node.as_integer()->get());
    }
    if (key.type == ConfigType::kList) {
      std::vector<std::string> items;
      if (!node.is_array()) return wrong();
      for (const toml::node& item : *node.as_array()) {
        if (!item.is_string()) return wrong();
        SLUICE_TRY(check_part(item.as_string()->get()));
        items.push_back(item.as_string()->get());
      }
      return config_.store(key, std::move(items));
    }
    if (key.type == ConfigType::kMap) {
      std::map<std::string, std::string> entries;
      if (!node.is_table()) return wrong();
      for (const auto& [name, item] : *node.as_table()) {
        if (!item.is_string() && !item.is_integer()) return wrong();
        const std::string text =
            item.is_integer() ? std::to_string(item.as_integer()->get()) : item.as_string()->get();
        SLUICE_TRY(check_part(name.str()));
        if (!text.empty()) SLUICE_TRY(check_part(text));
        if (name.str().find('=') != std::string_view::npos)
          return invalid(in_quotes(name.str()) + " must not have \"=\" in it");
        entries.emplace(name.str(), text);
      }
      return config_.store(key, std::move(entries));
    }
    if (node.is_integer() && is_number(key.type)) {
      return invalid(std::to_string(node.as_integer()->get()) + " has no unit; must be " +
                     std::string(type_name(key.type)));
    }
    if (!node.is_string()) return wrong();
    return config_.set_text(key.name, node.as_string()->get());
  }

  bool is_section(const std::string& name) const {
    const std::string prefix = name + ".";
    return std::any_of(config_.keys().begin(), config_.keys().end(),
                       [&](const ConfigKey& key) { return key.name.starts_with(prefix); });
  }

  std::string where(const toml::node& node) const {
    return path_ + ":" + std::to_string(node.source().begin.line) + ": ";
  }

  Config& config_;
  const std::string path_;
  const Config::UnknownKeys unknown_;
};

Config::Config(const std::vector<ConfigKey>& keys) : keys_(&keys) {
  for (const ConfigKey& key : keys) {
    if (is_number(key.type) && key.default_text.empty()) continue;
    // A list's or map's default of "" must become an empty list, which set_text does.
    const Status stored = set_text(key.name, key.default_text);
    SLUICE_ASSERT(stored.ok(), std::string(key.name) + ": " + stored.error().message());
  }
}

Result<Config> Config::load(const std::vector<ConfigKey>& keys, const std::string& path,
                            const Overrides& overrides, UnknownKeys unknown) {
  Config config(keys);
  if (!path.empty()) SLUICE_TRY(ConfigFile(config, path, unknown).read());
  for (const auto& [name, text] : overrides) {
    if (config.find(name) == nullptr) {
      if (unknown == UnknownKeys::kPassOver) continue;
      return invalid("--set " + name + ": unknown key" + suggestion(keys, name));
    }
    if (Status stored = config.set_text(name, text); !stored) {
      return stored.error().at("--set " + name);
    }
  }
  return config;
}

Result<std::set<std::string>> config_sections(const std::string& path) {
  const auto table = ConfigFile::parse(path);
  if (!table) return table.error();
  std::set<std::string> names;
  for (const auto& [name, node] : *table) names.emplace(name.str());
  return names;
}

const ConfigKey* Config::find(std::string_view name) const {
  const auto found = std::find_if(keys_->begin(), keys_->end(),
                                  [&](const ConfigKey& key) { return key.name == name; });
  return found == keys_->end() ? nullptr : &*found;
}

const Config::Value& Config::value(std::string_view name) const {
  const auto found = values_.find(name);
  SLUICE_ASSERT(found != values_.end(), name);
  return found->second;
}

bool Config::boolean(std::string_view name) const { return std::get<bool>(value(name)); }
int64_t Config::integer(std::string_view name) const { return std::get<int64_t>(value(name)); }
std::optional<int64_t> Config::integer_if_set(std::string_view name) const {
  if (!values_.contains(name)) return std::nullopt;
  return integer(name);
}
const std::string& Config::string(std::string_view name) const {
  return std::get<std::string>(value(name));
}
const std::vector<std::string>& Config::list(std::string_view name) const {
  return std::get<std::vector<std::string>>(value(name));
}
const std::map<std::string, std::string>& Config::map(std::string_view name) const {
  return std::get<std::map<std::string, std::string>>(value(name));
}

Status Config::store(const ConfigKey& key, Value value) {
  if (const int64_t* number = std::get_if<int64_t>(&value)) {
    if (*number < key.min || *number > key.max) {
      const std::string upper =
          key.max == INT64_MAX ? " or more" : " to " + format_number(key, key.max);
      return invalid(format_number(key, *number) + " is out of range; must be " +
                     format_number(key, key.min) + upper);
    }
  }
  if (const std::string* text = std::get_if<std::string>(&value); text && !key.choices.empty()) {
    if (std::find(key.choices.begin(), key.choices.end(), *text) == key.choices.end()) {
      std::string choices;
      for (const std::string_view choice : key.choices) {
        choices += (choices.empty() ? "" : ", ") + in_quotes(choice);
      }
      return invalid(in_quotes(*text) + " is not a choice; must be one of " + choices);
    }
  }
  values_.insert_or_assign(std::string(key.name), std::move(value));
  return {};
}

Status Config::set_text(std::string_view name, std::string_view text) {
  const ConfigKey* key = find(name);
  if (key == nullptr) return invalid("unknown key" + suggestion(*keys_, name));
  if (is_number(key->type)) {
    auto number = parse_number(*key, text);
    if (!number) return number.error();
    return store(*key, *number);
  }
  switch (key->type) {
    case ConfigType::kBool:
      if (text != "true" && text != "false")
        return invalid(in_quotes(text) + " must be true or false");
      return store(*key, text == "true");
    case ConfigType::kList: return store(*key, split_list(text));
    case ConfigType::kMap: {
      std::map<std::string, std::string> entries;
      for (const std::string& entry : split_list(text)) {
        const size_t equals = entry.find('=');
        if (equals == std::string::npos) return invalid(in_quotes(entry) + " must be name=value");
        entries.emplace(entry.substr(0, equals), entry.substr(equals + 1));
      }
      return store(*key, std::move(entries));
    }
    default: return store(*key, std::string(text));
  }
}

Result<std::string> Config::text(std::string_view name) const {
  const ConfigKey* key = find(name);
  if (key == nullptr) return invalid("unknown key");
  if (!values_.contains(name)) return std::string();
  const Value& held = value(name);
  if (const bool* flag = std::get_if<bool>(&held)) return std::string(*flag ? "true" : "false");
  if (const int64_t* number = std::get_if<int64_t>(&held)) return format_number(*key, *number);
  if (const std::string* text = std::get_if<std::string>(&held)) return *text;
  if (const auto* items = std::get_if<std::vector<std::string>>(&held)) return joined(*items);
  std::vector<std::string> entries;
  for (const auto& [k, v] : std::get<std::map<std::string, std::string>>(held)) {
    entries.push_back(k + "=" + v);
  }
  return joined(entries);
}

Result<Config::Overrides> parse_overrides(const std::vector<std::string>& sets) {
  Config::Overrides overrides;
  for (const std::string& set : sets) {
    const size_t equals = set.find('=');
    if (equals == std::string::npos) return Error(ErrorClass::kInvalid, "--set " + set);
    overrides.emplace_back(set.substr(0, equals), set.substr(equals + 1));
  }
  return overrides;
}

namespace {

// "0 to 1023", "always | everysec | no"; "" if all that is of its type is fine.
std::string range_text(const ConfigKey& key) {
  std::string text;
  if (is_number(key.type) && (key.min != 0 || key.max != INT64_MAX)) {
    text = format_number(key, key.min) +
           (key.max == INT64_MAX ? " or more" : " to " + format_number(key, key.max));
  }
  for (const std::string_view choice : key.choices)
    text += (text.empty() ? "" : " | ") + std::string(choice);
  return text;
}

std::string default_shown(const ConfigKey& key) {
  if (!key.default_text.empty()) return std::string(key.default_text);
  return is_number(key.type) ? "none" : "empty";
}

}  // namespace

std::string describe_keys(const std::vector<ConfigKey>& keys) {
  std::string out;
  for (const ConfigKey& key : keys) {
    out += "  " + std::string(key.name) + " (" + std::string(type_name(key.type));
    if (const std::string range = range_text(key); !range.empty())
      out += (key.choices.empty() ? ", " : ": ") + range;
    out += "; default " + default_shown(key) + (key.live ? "; live)\n" : ")\n");
    out += "      " + std::string(key.doc) + "\n";
  }
  return out;
}

std::vector<std::vector<std::string>> key_facts(const std::vector<ConfigKey>& keys) {
  std::vector<std::vector<std::string>> facts;
  for (const ConfigKey& key : keys) {
    facts.push_back({"key", std::string(key.name), std::string(type_name(key.type)),
                     range_text(key), default_shown(key), key.live ? "live" : "",
                     std::string(key.doc)});
  }
  return facts;
}

}  // namespace sluice::base
