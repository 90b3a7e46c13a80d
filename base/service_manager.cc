#include "base/service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "base/clock.h"
#include "base/decimal.h"

namespace sluice::base {
namespace {

std::string take_variable(const char* name) {
  const char* value = std::getenv(name);
  std::string taken = value == nullptr ? "" : value;
  ::unsetenv(name);
  return taken;
}

}  // namespace

ServiceManager ServiceManager::from_environment() {
  std::string path = take_variable("NOTIFY_SOCKET");
  const std::string watchdog = take_variable("WATCHDOG_USEC");
  const std::string meant_for = take_variable("WATCHDOG_PID");
  int64_t watchdog_us = 0;
  const bool is_meant = meant_for.empty() || meant_for == std::to_string(::getpid());
  if (!is_meant || !parse_decimal(watchdog, watchdog_us) || watchdog_us < 0) watchdog_us = 0;
  const bool is_usable = path.size() > 1 && (path[0] == '/' || path[0] == '@') &&
                         path.size() < sizeof(sockaddr_un::sun_path);
  if (!is_usable) path.clear();
  return ServiceManager(std::move(path), watchdog_us);
}

void ServiceManager::reloading() const {
  tell("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(monotonic_us()));
}

void ServiceManager::status(std::string text) const {
  std::replace(text.begin(), text.end(), '\n', ' ');
  tell("STATUS=" + text);
}

void ServiceManager::tell(std::string_view lines) const {
  if (path_.empty()) return;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path_.data(), path_.size());
  if (address.sun_path[0] == '@') address.sun_path[0] = '\0';
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path_.size());
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  (void)::sendto(fd, lines.data(), lines.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
                 reinterpret_cast<const sockaddr*>(&address), size);
  ::close(fd);
}

}  // namespace sluice::base
