// Input: a TOML file.
//
// What is accepted is within the limits of its keys, and its text form, which CONFIG GET shows and
// `--set` takes, reads back as the same values. What is refused names the file.
#include <sys/mman.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "base/config.h"
#include "fuzz/targets.h"

namespace sluice::fuzz {
namespace {

using base::Config;
using base::ConfigType;

// One key of each type, and the cases that a daemon's table has beside them.
const std::vector<base::ConfigKey>& keys() {
  static const std::vector<base::ConfigKey> table = {
      {.name = "listen.address", .type = ConfigType::kString, .default_text = "127.0.0.1:6479"},
      {.name = "listen.protected", .type = ConfigType::kBool, .default_text = "true"},
      {.name = "journal.fsync", .type = ConfigType::kString, .default_text = "always",
       .choices = {"always", "everysec", "no"}},
      {.name = "journal.segment_bytes", .type = ConfigType::kSize, .default_text = "64MiB",
       .min = 64 << 10, .max = int64_t{4} << 30},
      {.name = "journal.retain", .type = ConfigType::kDuration, .default_text = "24h"},
      {.name = "limits.clients", .type = ConfigType::kInteger, .default_text = "10000", .min = 1,
       .max = 1'000'000},
      {.name = "pace.rows", .type = ConfigType::kRate, .default_text = "0/s"},
      {.name = "trigger.schedule", .type = ConfigType::kList, .default_text = ""},
      {.name = "orders.columns", .type = ConfigType::kMap, .default_text = ""},
  };
  return table;
}

// A file without a disk: the config is read through a path.
class MemoryFile {
 public:
  explicit MemoryFile(std::string_view bytes) : descriptor_(::memfd_create("config", MFD_CLOEXEC)) {
    SLUICE_ASSERT(descriptor_ >= 0, "memfd_create");
    SLUICE_ASSERT(::write(descriptor_, bytes.data(), bytes.size()) ==
                      static_cast<ssize_t>(bytes.size()), "writing to memory");
  }
  ~MemoryFile() { ::close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  const int descriptor_;
};

void check_limits(const Config& config) {
  const int64_t clients = config.integer("limits.clients");
  SLUICE_ASSERT(clients >= 1 && clients <= 1'000'000, "a number out of its range");
  const int64_t segment = config.integer("journal.segment_bytes");
  SLUICE_ASSERT(segment >= 64 << 10 && segment <= int64_t{4} << 30, "a size out of its range");
  SLUICE_ASSERT(config.integer("journal.retain") >= 0, "a negative duration");
  SLUICE_ASSERT(config.integer("pace.rows") >= 0, "a negative rate");
  const std::string& fsync = config.string("journal.fsync");
  SLUICE_ASSERT(fsync == "always" || fsync == "everysec" || fsync == "no", "not a choice");
}

// Every value in text form is accepted again, and is then the same text.
void check_text_form(const Config& config) {
  Config again(keys());
  for (const base::ConfigKey& key : keys()) {
    const auto text = config.text(key.name);
    SLUICE_ASSERT(text.ok(), "a value without a text form");
    const Status stored = again.set_text(key.name, *text);
    SLUICE_ASSERT(stored.ok(), std::string(key.name) + ": " + *text + " is not accepted again");
    SLUICE_ASSERT(*again.text(key.name) == *text,
                  std::string(key.name) + ": " + *text + " became " + *again.text(key.name));
  }
  SLUICE_ASSERT(again.list("trigger.schedule") == config.list("trigger.schedule"),
                "a list became another one");
  SLUICE_ASSERT(again.map("orders.columns") == config.map("orders.columns"),
                "a table became another one");
}

}  // namespace

void config_reader(std::string_view input) {
  const MemoryFile file(input);
  const auto config = Config::load(keys(), file.path(), {});
  if (!config) {
    SLUICE_ASSERT(config.error().cls() == ErrorClass::kInvalid, "another error than a wrong file");
    SLUICE_ASSERT(config.error().message().starts_with(file.path()), "an error without its place");
    return;
  }
  check_limits(*config);
  check_text_form(*config);
}

}  // namespace sluice::fuzz
