// The checks of `sluice-ctl sale check`.
#include <algorithm>
#include <array>

#include "base/clock.h"
#include "base/decimal.h"
#include "ctl/figures.h"
#include "ctl/sale_check.h"
#include "ctl/words.h"
#include "resp/info.h"

namespace sluice::ctl {
namespace {

using doctor::Findings;
using doctor::Severity;

// Of docs/performance.md, "How much it takes".
constexpr int64_t kJournalOrderBytes = 67, kRedisOrderBytes = 105;
constexpr uint64_t kMeasuredRecords = 1000;  // fewer tell nothing of the average

// Of doctor's checks those that a sale is not to begin without.
constexpr std::array<std::string_view, 8> kDoctorChecks = {
    "redis.reachable", "redis.clock", "redis.eviction",  "redis.replica",
    "mysql.reachable", "mysql.clock", "mysql.read_only", "journal.writable"};

void by_doctor(const SaleFacts& facts, Findings& findings) {
  for (const auto checks :
       {doctor::redis_checks(), doctor::mysql_checks(), doctor::machine_checks()}) {
    for (const doctor::Check& check : checks) {
      if (std::find(kDoctorChecks.begin(), kDoctorChecks.end(), check.name) != kDoctorChecks.end())
        check.run(facts.gathered, findings);
    }
  }
  for (const doctor::Unusable& file : facts.gathered.unusable) {
    findings.push_back({Severity::kError, file.path, file.why, "see sluice-ctl doctor"});
  }
}

void servers(const SaleFacts& facts, Findings& findings) {
  for (const ReadyServer& server : facts.servers) {
    const bool is_proxy = server.target.kind == ConfigKind::kProxy;
    if (!server.trouble.empty()) {
      findings.push_back(
          {Severity::kError, server.where(), server.trouble, "start it, or correct admin.address"});
    } else if (server.is_paused) {
      findings.push_back({is_proxy ? Severity::kError : Severity::kWarning, server.where(),
                          is_proxy ? "the intake is paused: purchases get -BUSY"
                                   : "the flush is paused: nothing reaches MySQL",
                          std::string("sluice-ctl resume ") + (is_proxy ? "intake" : "flush")});
    } else if (!server.not_ready.empty()) {
      findings.push_back({Severity::kError, server.where(), "it is not ready: " + server.not_ready,
                          "see sluice-ctl status and docs/runbook.md"});
    }
  }
}

void asking(const SaleFacts& facts, Findings& findings) {
  if (!facts.front_trouble.empty()) {
    findings.push_back({Severity::kError, "the proxy's port", facts.front_trouble,
                        "start it, or give --address, --user, --password-file or --tls-ca-file"});
  } else if (facts.items.empty() && facts.unknown.empty()) {
    findings.push_back({Severity::kWarning, "the sale", "there is no item",
                        "make some: sluice-ctl sale create, import or warm"});
  }
  if (!facts.items_trouble.empty()) {
    findings.push_back({Severity::kError, "MySQL's table items", facts.items_trouble,
                        "see sluice-ctl doctor and sluice-ctl schema apply"});
  }
  for (const std::string& name : facts.unknown) {
    findings.push_back({Severity::kError, "item " + name, "the proxy does not know it",
                        "make it: sluice-ctl sale create " + name + " --stock N"});
  }
}

void times(const SaleFacts& facts, Findings& findings) {
  const auto warn = [&](const ReadyItem& item, const std::string& what, const std::string& remedy) {
    findings.push_back({Severity::kWarning, "item " + item.name, what, remedy});
  };
  for (const ReadyItem& item : facts.items) {
    const std::string change = "SECKILL.CHANGE " + item.name;
    if (!item.is_open) {
      warn(item, "it is closed: nobody can buy it", "SECKILL.REOPEN " + item.name);
    } else if (item.end_ms != 0 && item.end_ms <= facts.now_ms) {
      warn(item, "its sale ended at " + base::utc_text(item.end_ms), change + " END unix-ms");
    } else if (item.start_ms == 0) {
      warn(item, "it has no start: it is on sale now", change + " START unix-ms, if it is to wait");
    } else if (item.start_ms <= facts.now_ms) {
      warn(item, "its start was " + base::utc_text(item.start_ms) + ": it is on sale now",
           change + " START unix-ms, if it is to wait");
    }
    if (item.remaining() <= 0) {
      warn(item, "nothing is left of its stock of " + grouped(item.stock),
           "SECKILL.RESTOCK " + item.name + " N");
    }
  }
}

void stock_in_mysql(const SaleFacts& facts, Findings& findings) {
  if (!facts.items_trouble.empty()) return;
  int64_t waiting = 0;
  for (const ReadyServer& server : facts.servers) waiting += server.backlog_records;
  for (const ReadyItem& item : facts.items) {
    if (item.agrees()) continue;
    const std::string redis =
        "Redis has stock " + grouped(item.stock) + " and " + grouped(item.sold) + " sold, MySQL ";
    const std::string what =
        redis +
        (item.row ? grouped(item.row->stock) + " and " + grouped(item.row->sold) : "no row of it");
    if (waiting > 0) {
      findings.push_back({Severity::kWarning, "item " + item.name,
                          what + "; " + plural(static_cast<uint64_t>(waiting), "record") +
                              " waiting to be drained",
                          "sluice-ctl flush --wait 60, then check again"});
    } else {
      findings.push_back({Severity::kError, "item " + item.name, what,
                          "see what sluice-ctl reconcile --item " + item.name + " says"});
    }
  }
}

// Each order, and what becomes of it: it is paid, cancelled, or it expires.
void journal_room(const SaleFacts& facts, Findings& findings) {
  const auto proxies = static_cast<int64_t>(std::max<size_t>(1, facts.gathered.proxies.size()));
  const int64_t wanted = facts.orders() / proxies * 2 * facts.order_bytes();
  for (const doctor::JournalFacts& journal : facts.gathered.journals) {
    if (journal.max_bytes == 0) continue;
    const int64_t limit = journal.max_bytes - journal.used_bytes;
    const int64_t room = std::min(limit, journal.free_bytes);
    if (room >= wanted) continue;
    findings.push_back(
        {Severity::kWarning, journal.dir,
         grouped(facts.orders()) + " orders may come, which take " + bytes_text(wanted) +
             " there (" + std::to_string(facts.order_bytes()) +
             " bytes an order, as much for what becomes of it), and there is room for " +
             bytes_text(room),
         limit <= journal.free_bytes
             ? "raise journal.max_bytes, or let the flusher drain during the sale"
             : "make room on its disk, or let the flusher drain during the sale; purchases get "
               "-BUSY once it is full"});
  }
}

int64_t info_number(const std::string& info, std::string_view name) {
  int64_t number = 0;
  return base::parse_decimal(resp::info_value(info, name), number) ? number : 0;
}

void redis_memory(const SaleFacts& facts, Findings& findings) {
  const int64_t wanted = facts.orders() * kRedisOrderBytes;
  for (const doctor::RedisFacts& redis : facts.gathered.redises) {
    if (!redis.trouble.empty()) continue;
    const int64_t limit = info_number(redis.info, "maxmemory");
    const int64_t all = limit != 0 ? limit : info_number(redis.info, "total_system_memory");
    const int64_t room = std::max<int64_t>(0, all - info_number(redis.info, "used_memory"));
    if (all == 0 || room >= wanted) continue;
    findings.push_back({Severity::kWarning, redis.where(),
                        grouped(facts.orders()) + " orders may come, which take " +
                            bytes_text(wanted) + " there, and " + bytes_text(room) +
                            " are left of " + (limit != 0 ? "maxmemory" : "the machine's memory"),
                        limit != 0 ? "raise maxmemory; purchases get -BUSY once it is reached"
                                   : "a machine with more memory, or less stock"});
  }
}

}  // namespace

int64_t SaleFacts::orders() const {
  int64_t units = 0;
  for (const ReadyItem& item : items) units += std::max<int64_t>(0, item.remaining());
  return units;
}

int64_t SaleFacts::order_bytes() const {
  int64_t most = kJournalOrderBytes;
  for (const doctor::JournalFacts& journal : gathered.journals) {
    if (!journal.extent) continue;
    const uint64_t records = journal.extent->last_sequence + 1 - journal.extent->first_sequence;
    if (records >= kMeasuredRecords)
      most = std::max(most, journal.extent->bytes / static_cast<int64_t>(records));
  }
  return most;
}

Findings examine_sale(const SaleFacts& facts) {
  Findings findings;
  for (const auto& check :
       {by_doctor, servers, asking, times, stock_in_mysql, journal_room, redis_memory}) {
    check(facts, findings);
  }
  std::stable_sort(findings.begin(), findings.end(),
                   [](const auto& a, const auto& b) { return a.severity < b.severity; });
  return findings;
}

}  // namespace sluice::ctl
