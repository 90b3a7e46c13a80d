#include "bench/http_probe.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <string_view>

#include "bench/address.h"

namespace sluice::bench {
namespace {

// The first bytes of the answer; empty on any failure.
std::string ask(int fd, const Address& address, const std::string& request) {
  const timeval limit{1, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  if (::connect(fd, address.raw(), address.length) != 0) return {};
  if (::send(fd, request.data(), request.size(), MSG_NOSIGNAL) < 0) return {};
  std::string answer(64, '\0');
  const ssize_t bytes = ::recv(fd, answer.data(), answer.size(), 0);
  answer.resize(bytes > 0 ? static_cast<size_t>(bytes) : 0);
  return answer;
}

}  // namespace

bool http_ok(const std::string& address, const std::string& path) {
  const auto resolved = resolve_address(address);
  if (!resolved) return false;
  const int fd = ::socket(resolved->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const std::string answer =
      ask(fd, *resolved,
          "GET " + path + " HTTP/1.1\r\nHost: " + address + "\r\nConnection: close\r\n\r\n");
  ::close(fd);
  return std::string_view(answer).starts_with("HTTP/1.1 200");
}

}  // namespace sluice::bench
