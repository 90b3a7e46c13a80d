#include "journal/refusal.h"

#include "journal/segment.h"

namespace sluice::journal {
namespace {

constexpr size_t kBytesMax = 64 << 10;

}  // namespace

Status set_refusal(const std::string& dir, base::FileSystem& fs, const std::string& why) {
  if (why.empty()) {
    Status removed = fs.remove(path_in(dir, kRefusalName));
    if (!removed && removed.error().cls() == ErrorClass::kNotFound) return {};
    return removed ? fs.sync_dir(dir) : removed;
  }
  return base::replace_file(fs, dir, kRefusalName, why + "\n");
}

std::string refusal(const std::string& dir, base::FileSystem& fs) {
  const std::string path = path_in(dir, kRefusalName);
  auto text = base::read_file(fs, path, kBytesMax);
  if (!text) {
    return text.error().cls() == ErrorClass::kNotFound ? "" : text.error().message();
  }
  while (!text->empty() && text->back() == '\n') text->pop_back();
  return text->empty() ? path + " is there" : *text;
}

}  // namespace sluice::journal
