// doctor's checks of the files themselves, and of whether they fit together.
#include <array>

#include "ctl/doctor.h"
#include "http/access.h"

namespace sluice::ctl::doctor {
namespace {

// "FILE:LINE: KEY: what is wrong; what to write"
void add_complaint(const std::string& path, const std::string& complaint, Findings& findings) {
  if (complaint.empty()) return;
  std::string what = complaint;
  if (what.starts_with(path + ":")) what.erase(0, path.size() + 1);
  while (what.starts_with(' ')) what.erase(0, 1);
  findings.push_back({Severity::kError, path, what,
                      "correct that key; conf/proxy.toml and conf/flusher.toml explain each"});
}

void config_valid(const Gathered& gathered, Findings& findings) {
  for (const Unusable& file : gathered.unusable) add_complaint(file.path, file.why, findings);
  for (const ProxyFacts& proxy : gathered.proxies)
    add_complaint(proxy.path, proxy.complaint, findings);
  for (const FlusherFacts& flusher : gathered.flushers)
    add_complaint(flusher.path, flusher.complaint, findings);
}

void config_proxy_ids(const Gathered& gathered, Findings& findings) {
  for (size_t i = 0; i < gathered.proxies.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      const ProxyFacts &one = gathered.proxies[j], &other = gathered.proxies[i];
      if (!one.lane || one.lane != other.lane) continue;
      findings.push_back({Severity::kError, other.path,
                          "its proxy.id " + std::to_string(*other.lane) + " is that of " +
                              one.path + ", too, and both would give out the same order ids",
                          "give each proxy a proxy.id of its own, from 0 to 1023"});
    }
  }
}

// A proxy.id that is not the one that the journal was begun with.
void config_journal_id(const Gathered& gathered, Findings& findings) {
  for (const ProxyFacts& proxy : gathered.proxies) {
    const JournalFacts& journal = gathered.journals[proxy.journal];
    if (!proxy.lane || !journal.extent || journal.extent->proxy_id == *proxy.lane) continue;
    findings.push_back({Severity::kError, proxy.path,
                        "its proxy.id is " + std::to_string(*proxy.lane) + ", and the journal in " +
                            journal.dir + " was written by proxy.id " +
                            std::to_string(journal.extent->proxy_id),
                        "write that number, or take the journal over: sluice-ctl journal adopt"});
  }
}

std::string port_of(const std::string& address) {
  const auto parts = http::parse_host_port(address);
  return parts ? parts->port : "";
}

// Whether the proxy asks the flusher that drains its journal.
void config_flusher_admin(const Gathered& gathered, Findings& findings) {
  for (const ProxyFacts& proxy : gathered.proxies) {
    for (const FlusherFacts& flusher : gathered.flushers) {
      if (flusher.journal != proxy.journal) continue;
      const std::string url = proxy.config.string("flusher.admin");
      const std::string address = flusher.config.string("admin.address");
      constexpr std::string_view kScheme = "http://";
      const std::string asked = url.starts_with(kScheme) ? url.substr(kScheme.size()) : url;
      if (!asked.empty() && port_of(asked) == port_of(address)) continue;
      findings.push_back({Severity::kWarning, proxy.path,
                          "flusher.admin is \"" + url + "\", and the flusher of its journal (" +
                              flusher.path + ") listens on \"" + address +
                              "\": the proxy never learns what is in MySQL",
                          address.empty() ? "set admin.address there, and flusher.admin here"
                                          : "write flusher.admin = \"http://" + address + "\""});
    }
  }
}

// Nothing drains the journal of a proxy, or a flusher drains nobody's.
void config_pairs(const Gathered& gathered, Findings& findings) {
  if (gathered.proxies.empty() || gathered.flushers.empty()) return;
  for (const JournalFacts& journal : gathered.journals) {
    if (journal.proxies.empty()) {
      findings.push_back({Severity::kError, journal.flushers[0],
                          "its journal.dir, " + journal.dir + ", is that of no proxy given",
                          "write the proxy's journal.dir, or give that proxy's file, too"});
    } else if (journal.flushers.empty()) {
      findings.push_back({Severity::kError, journal.proxies[0],
                          "its journal.dir, " + journal.dir +
                              ", is that of no flusher given, so "
                              "nothing of it goes into MySQL",
                          "start a flusher for it, or give that flusher's file, too"});
    }
  }
}

constexpr std::array kConfigChecks{
    Check{"config.valid", config_valid},
    Check{"config.proxy_ids", config_proxy_ids},
    Check{"config.journal_id", config_journal_id},
    Check{"config.flusher_admin", config_flusher_admin},
    Check{"config.pairs", config_pairs},
};

}  // namespace

std::span<const Check> config_checks() { return kConfigChecks; }

}  // namespace sluice::ctl::doctor
