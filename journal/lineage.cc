#include "journal/lineage.h"

#include "base/decimal.h"
#include "journal/segment.h"

namespace sluice::journal {
namespace {

constexpr std::string_view kFileName = "predecessors";
constexpr size_t kBytesMax = 1 << 20;

}  // namespace

Status set_predecessors(const std::string& dir, base::FileSystem& fs,
                        const std::set<uint64_t>& journal_ids) {
  std::string text;
  for (const uint64_t id : journal_ids) text += std::to_string(id) + "\n";
  return base::replace_file(fs, dir, kFileName, text);
}

Result<std::set<uint64_t>> predecessors(const std::string& dir, base::FileSystem& fs) {
  std::set<uint64_t> ids;
  const std::string path = path_in(dir, kFileName);
  const auto text = base::read_file(fs, path, kBytesMax);
  if (!text && text.error().cls() == ErrorClass::kNotFound) return ids;
  if (!text) return text.error();
  for (std::string_view rest = *text; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    uint64_t id = 0;
    if (!base::parse_decimal(line, id)) {
      return Error(ErrorClass::kCorrupt, path + ": \"" + std::string(line) +
                                             "\" is not the id of a journal; put the file back");
    }
    ids.insert(id);
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
  }
  return ids;
}

}  // namespace sluice::journal
