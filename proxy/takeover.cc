#include "proxy/takeover.h"

#include <spdlog/spdlog.h>

#include <ctime>
#include <utility>

#include "base/clock.h"
#include "journal/segment.h"

namespace sluice::proxy {
namespace {

constexpr std::string_view kAdminName = "admin";
// How often it is looked whether the folder is free: what a restart takes longer by, at most.
constexpr timespec kLookInterval{0, 5'000'000};

Error too_many(std::string_view what) {
  return base::invalid("LISTEN_FDS: there are two sockets for " + std::string(what) +
                       "; pass one, and name it \"admin\" if it is the HTTP listener's "
                       "(systemd: FileDescriptorName=)");
}

Status use_for_clients(const net::InheritedSocket& socket, front::ListenOptions& listen) {
  int& taken = socket.is_unix ? listen.inherited_unix : listen.inherited_tcp;
  if (taken >= 0) return too_many(socket.is_unix ? "unix clients" : "clients over TCP");
  taken = socket.fd;
  std::string& address = socket.is_unix ? listen.unix_socket : listen.address;
  const std::string configured = std::exchange(address, socket.address);
  if (configured != socket.address) {
    spdlog::info("listens on {}, which was passed to it; listen.{} = \"{}\" is not used",
                 socket.address, socket.is_unix ? "unix_socket" : "address", configured);
  }
  return {};
}

}  // namespace

Status use_inherited(const std::vector<net::InheritedSocket>& sockets, Options& options) {
  for (const net::InheritedSocket& socket : sockets) {
    if (socket.name != kAdminName) {
      SLUICE_TRY(use_for_clients(socket, options.listen));
      continue;
    }
    if (options.admin.inherited >= 0) return too_many("admin");
    if (socket.is_unix)
      return base::invalid("LISTEN_FDS: the socket named admin is a unix one; pass one of TCP");
    options.admin.inherited = socket.fd;
    options.admin.address = socket.address;
  }
  return {};
}

bool is_inherited(const Options& options) {
  return options.listen.inherited_tcp >= 0 || options.listen.inherited_unix >= 0;
}

bool wait_for_journal(const Options& options, base::FileSystem& fs, const sigset_t& signals) {
  sigset_t ending = signals;
  ::sigdelset(&ending, SIGHUP);
  const std::string path = journal::path_in(options.journal_dir, journal::kLockName);
  const int64_t until_us = base::monotonic_us() + options.journal_lock_wait_us;
  bool told = false;
  while (base::monotonic_us() < until_us) {
    const auto lock = fs.lock(path);
    if (lock || lock.error().cls() != ErrorClass::kExists) return true;
    if (!std::exchange(told, true))
      spdlog::info("waits for the proxy before this one: {}", lock.error().message());
    const int number = ::sigtimedwait(&ending, nullptr, &kLookInterval);
    if (number > 0) {
      spdlog::info("signal {}: stopping, before anything was begun", number);
      return false;
    }
  }
  return true;
}

}  // namespace sluice::proxy
