// Configuration: one descriptor a key serves the TOML file, `--set key=value`, CONFIG GET|SET,
// `--help` and the test that compares the sample files with the program.
//
// A daemon declares a table of `ConfigKey`s (its options.cc), loads a `Config` once at start-up and
// copies what it needs into a plain options struct. A value is kept as the text that a person wrote
// plus its parsed form; both sides of every limit are checked here and nowhere else.
//
// Threads: `Config` itself is not synchronised; a daemon that changes live keys guards it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.h"

namespace sluice::base {

enum class ConfigType {
  kBool,      // true | false
  kInteger,   // a TOML integer within [min, max]
  kString,    // a TOML string; if `choices` is not empty, one of them
  kSize,      // "64MiB" → bytes within [min, max]
  kDuration,  // "250ms" → microseconds within [min, max]
  kRate,      // "5000/s" → per second within [min, max]
  kList,      // an array of strings; as text: comma separated, a comma in one is "\,"
  kMap,       // a table of strings; as text: k=v, separated likewise
};

struct ConfigKey {
  std::string_view name;  // "journal.fsync": TOML table and key
  ConfigType type;
  // In the text form of the type; "" for an empty string or list. "" for a number: it is not set.
  std::string_view default_text;
  int64_t min = 0;                // kInteger, kSize (bytes), kDuration (us), kRate (/s)
  int64_t max = INT64_MAX;
  std::vector<std::string_view> choices = {};
  bool live = false;          // CONFIG SET and SIGHUP may change it
  std::string_view doc = {};  // one or two sentences, for --help and the sample file
};

class Config {
 public:
  using Overrides = std::vector<std::pair<std::string, std::string>>;  // key, value text

  // Every key at its default. `keys` must outlive the Config (it is a static table).
  explicit Config(const std::vector<ConfigKey>& keys);

  // What becomes of keys that are not in the table: errors of their own program's file, while a
  // tool that reads another program's file passes over what it does not need.
  enum class UnknownKeys { kRefuse, kPassOver };

  // Defaults, then the file ("": none), then the overrides. Errors (kInvalid) read
  // "FILE:LINE: KEY: what is wrong; what to write", or "--set KEY: …".
  static Result<Config> load(const std::vector<ConfigKey>& keys, const std::string& path,
                             const Overrides& overrides,
                             UnknownKeys unknown = UnknownKeys::kRefuse);

  // Typed reads; a name that is not in the table, or of another type, is a bug (asserts).
  bool boolean(std::string_view name) const;
  int64_t integer(std::string_view name) const;  // also sizes (bytes), durations (us), rates (/s)
  // nullopt: neither given nor has it a default.
  std::optional<int64_t> integer_if_set(std::string_view name) const;
  const std::string& string(std::string_view name) const;
  const std::vector<std::string>& list(std::string_view name) const;
  const std::map<std::string, std::string>& map(std::string_view name) const;

  // The text form of a value, for CONFIG GET: what `set_text` would accept. "": not set.
  Result<std::string> text(std::string_view name) const;
  // Parses and checks `value` as the key's type; the old value stays on error.
  Status set_text(std::string_view name, std::string_view value);

  const std::vector<ConfigKey>& keys() const { return *keys_; }
  const ConfigKey* find(std::string_view name) const;

 private:
  using Value = std::variant<bool, int64_t, std::string, std::vector<std::string>,
                             std::map<std::string, std::string>>;
  friend class ConfigFile;

  const Value& value(std::string_view name) const;
  Status store(const ConfigKey& key, Value value);

  const std::vector<ConfigKey>* keys_;
  std::map<std::string, Value, std::less<>> values_;
};

// The names of the tables and keys at a file's top. kInvalid: it cannot be read.
Result<std::set<std::string>> config_sections(const std::string& path);

// The values of --set, split at their first '='. The error (kInvalid) names the first without one,
// "--set VALUE"; the program adds what to write.
Result<Config::Overrides> parse_overrides(const std::vector<std::string>& sets);

// The whole table as `--help` prints it: name, type, range, default, doc.
std::string describe_keys(const std::vector<ConfigKey>& keys);

// The same for CommandLine::describes(), a key each: "key", name, type, range or choices, default,
// "live" or "", doc.
std::vector<std::vector<std::string>> key_facts(const std::vector<ConfigKey>& keys);

}  // namespace sluice::base
