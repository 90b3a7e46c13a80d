#include "base/error.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace sluice::base {

// Not inline: GCC 14 sees an overrun in these strings that is not there.
Error Error::at(std::string_view where) const {
  return Error(class_, std::string(where) + ": " + message_);
}

Error errno_error(int error_number, std::string_view what) {
  const bool full = error_number == ENOSPC || error_number == EDQUOT;
  return Error(full ? ErrorClass::kNoSpace : ErrorClass::kIo,
               std::string(what) + ": " + std::strerror(error_number));
}

void assertion_failed(const char* file, int line, const char* condition,
                      std::string_view message) {
  std::fprintf(stderr, "%s:%d: assertion failed: %s: %.*s\n", file, line, condition,
               static_cast<int>(message.size()), message.data());
  std::abort();
}

}  // namespace sluice::base
