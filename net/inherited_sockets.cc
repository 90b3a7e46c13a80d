#include "net/inherited_sockets.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <string_view>

#include "base/decimal.h"

namespace sluice::net {
namespace {

constexpr int kFirstFd = 3;
constexpr uint64_t kSocketsMax = 64;

std::string take_variable(const char* name) {
  const char* value = std::getenv(name);
  std::string taken = value == nullptr ? "" : value;
  ::unsetenv(name);
  return taken;
}

Error unusable(int fd, std::string_view why) {
  return base::invalid("LISTEN_FDS: descriptor " + std::to_string(fd) + " " + std::string(why) +
                       "; pass sockets that listen for streams (systemd: ListenStream=)");
}

std::string ip_text(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET) {
    const auto* in = reinterpret_cast<const sockaddr_in*>(&address);
    ::inet_ntop(AF_INET, &in->sin_addr, text, sizeof text);
    return std::string(text) + ":" + std::to_string(ntohs(in->sin_port));
  }
  const auto* in6 = reinterpret_cast<const sockaddr_in6*>(&address);
  ::inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof text);
  return "[" + std::string(text) + "]:" + std::to_string(ntohs(in6->sin6_port));
}

// "" if it is bound to no path.
std::string path_text(const sockaddr_storage& address, socklen_t size) {
  const auto* un = reinterpret_cast<const sockaddr_un*>(&address);
  const bool is_named = size > offsetof(sockaddr_un, sun_path) && un->sun_path[0] == '/';
  return is_named ? un->sun_path : "";
}

Result<InheritedSocket> look_at(int fd, std::string_view name) {
  int type = 0, listens = 0;
  socklen_t size = sizeof type;
  if (::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0) return unusable(fd, "is no socket");
  size = sizeof listens;
  if (type != SOCK_STREAM || ::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 ||
      listens == 0) {
    return unusable(fd, "is a socket that does not listen for streams");
  }
  sockaddr_storage address{};
  size = sizeof address;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0)
    return unusable(fd, "has no address");
  InheritedSocket socket{fd, std::string(name), address.ss_family == AF_UNIX, ""};
  if (!socket.is_unix && address.ss_family != AF_INET && address.ss_family != AF_INET6)
    return unusable(fd, "speaks neither TCP nor is it a unix socket");
  socket.address = socket.is_unix ? path_text(address, size) : ip_text(address);
  if (socket.address.empty()) return unusable(fd, "is a unix socket without a path");
  if (::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) return unusable(fd, "cannot be closed on exec");
  return socket;
}

}  // namespace

Result<std::vector<InheritedSocket>> take_inherited_sockets() {
  const std::string pid = take_variable("LISTEN_PID");
  const std::string count_text = take_variable("LISTEN_FDS");
  const std::string names_text = take_variable("LISTEN_FDNAMES");
  std::vector<InheritedSocket> sockets;
  if (pid != std::to_string(::getpid())) return sockets;  // meant for another, or for nobody
  uint64_t count = 0;
  if (!base::parse_decimal(count_text, count) || count > kSocketsMax)
    return base::invalid("LISTEN_FDS: \"" + count_text + "\" is no number from 0 to 64");
  std::string_view names = names_text;
  for (int fd = kFirstFd; fd < kFirstFd + static_cast<int>(count); ++fd) {
    const std::string_view name = names.substr(0, names.find(':'));
    names.remove_prefix(std::min(name.size() + 1, names.size()));
    auto socket = look_at(fd, name);
    if (!socket) return socket.error();
    sockets.push_back(std::move(*socket));
  }
  return sockets;
}

}  // namespace sluice::net
