#include "bench/address.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace sluice::bench {
namespace {

Result<Address> unix_address(std::string_view path) {
  Address address{std::string(path)};
  auto* raw = reinterpret_cast<sockaddr_un*>(&address.storage);
  if (path.size() >= sizeof raw->sun_path) {
    return Error(ErrorClass::kInvalid, address.text + ": a socket path has at most 107 bytes");
  }
  raw->sun_family = AF_UNIX;
  std::memcpy(raw->sun_path, path.data(), path.size());
  address.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  return address;
}

}  // namespace

Result<Address> resolve_address(std::string_view text) {
  if (text.starts_with('/')) return unix_address(text);
  Address address{std::string(text)};
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0 || colon + 1 == text.size()) {
    return Error(ErrorClass::kInvalid,
                 "\"" + address.text + "\" is no address; write host:port or /path/to/socket");
  }
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int failure = ::getaddrinfo(std::string(host).c_str(),
                                    std::string(text.substr(colon + 1)).c_str(), &hints, &found);
  if (failure != 0) {
    return Error(ErrorClass::kUnavailable, address.text + ": " + ::gai_strerror(failure));
  }
  std::memcpy(&address.storage, found->ai_addr, found->ai_addrlen);
  address.length = found->ai_addrlen;
  ::freeaddrinfo(found);
  return address;
}

Result<int> free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return base::errno_error(errno, "socket");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  const bool bound = ::bind(fd, raw, length) == 0 && ::getsockname(fd, raw, &length) == 0;
  const int error_number = errno;
  ::close(fd);
  if (!bound) return base::errno_error(error_number, "bind to a free port");
  return ntohs(address.sin_port);
}

}  // namespace sluice::bench
