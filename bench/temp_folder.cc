#include "bench/temp_folder.h"

#include <cerrno>
#include <cstdlib>
#include <filesystem>

namespace sluice::bench {

Result<TempFolder> TempFolder::create(const std::string& parent) {
  std::string path = parent + "/sluice-bench-XXXXXX";
  if (::mkdtemp(path.data()) == nullptr) return base::errno_error(errno, path);
  return TempFolder(std::move(path));
}

TempFolder::~TempFolder() {
  if (path_.empty()) return;
  std::error_code ignored;  // nothing can be done about a file that stays
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace sluice::bench
