// doctor's checks of this machine: the journal's folder and disk, and the limit of open files.
#include <array>

#include "base/descriptors.h"
#include "ctl/doctor.h"
#include "ctl/figures.h"

namespace sluice::ctl::doctor {
namespace {

constexpr int64_t kSlowSyncUs = 20'000;

void journal_folder(const Gathered& gathered, Findings& findings) {
  for (const JournalFacts& journal : gathered.journals) {
    if (journal.is_there || journal.parent_is_there) continue;
    findings.push_back({Severity::kError, journal.dir,
                        "neither the journal's folder nor the folder above it is there",
                        "make it for the user that the daemons run as: install -d -o sluice -m "
                        "0750 " +
                            journal.dir});
  }
}

void journal_writable(const Gathered& gathered, Findings& findings) {
  for (const JournalFacts& journal : gathered.journals) {
    if (journal.not_writable.empty()) continue;
    findings.push_back(
        {Severity::kError, journal.dir,
         "the journal's folder cannot be written to: " + journal.not_writable,
         "give it to the user that the daemons run as, and run doctor as that user"});
  }
}

void journal_damage(const Gathered& gathered, Findings& findings) {
  for (const JournalFacts& journal : gathered.journals) {
    if (journal.damage.empty()) continue;
    findings.push_back({Severity::kError, journal.dir, journal.damage,
                        "see what sluice-ctl journal verify says, and \"Ways back\" in "
                        "docs/operations.md"});
  }
}

void journal_refused(const Gathered& gathered, Findings& findings) {
  for (const JournalFacts& journal : gathered.journals) {
    if (journal.refusal.empty()) continue;
    findings.push_back({Severity::kError, journal.dir, "its flusher refuses it: " + journal.refusal,
                        "see \"Ways back\" in docs/operations.md"});
  }
}

void journal_space(const Gathered& gathered, Findings& findings) {
  for (const JournalFacts& journal : gathered.journals) {
    const int64_t wanted = journal.max_bytes - journal.used_bytes;
    if (journal.max_bytes == 0 || !journal.parent_is_there || journal.free_bytes >= wanted)
      continue;
    findings.push_back({Severity::kWarning, journal.dir,
                        bytes_text(journal.free_bytes) + " are free, and the journal may grow by " +
                            bytes_text(wanted) + " (journal.max_bytes)",
                        "make room, move it to a larger disk, or lower journal.max_bytes to what "
                        "the disk has; purchases are refused with -BUSY once it is full"});
  }
}

void journal_speed(const Gathered& gathered, Findings& findings) {
  for (const JournalFacts& journal : gathered.journals) {
    if (journal.sync_us < kSlowSyncUs) continue;
    findings.push_back({Severity::kWarning, journal.dir,
                        "an fdatasync takes " + std::to_string(journal.sync_us / 1000) +
                            " ms there, which is added to the answer to each purchase",
                        "move the journal to an SSD, or to a disk that nobody else writes to"});
  }
}

bool is_one_of(const std::string& name, std::initializer_list<const char*> names) {
  for (const char* one : names) {
    if (name == one) return true;
  }
  return false;
}

void journal_file_system(const Gathered& gathered, Findings& findings) {
  for (const JournalFacts& journal : gathered.journals) {
    const std::string& name = journal.file_system;
    if (is_one_of(name, {"tmpfs", "ramfs"})) {
      findings.push_back({Severity::kError, journal.dir,
                          "the journal is in memory (" + name +
                              "): a power cut or restart loses what was acknowledged",
                          "set journal.dir to a folder on a local disk"});
    } else if (is_one_of(name, {"nfs", "cifs", "smb2", "smb", "ceph", "9p", "afs", "ocfs2", "gfs2",
                                "lustre", "fuse"})) {
      findings.push_back({Severity::kError, journal.dir,
                          "the journal is on a network file system (" + name +
                              "), whose locks and syncs do not promise what a local disk's do",
                          "set journal.dir to a folder on a local disk"});
    }
  }
}

std::string listed(const std::vector<std::string>& paths) {
  std::string list;
  for (const std::string& path : paths) list += (list.empty() ? "" : " and ") + path;
  return list;
}

void journal_shared(const Gathered& gathered, Findings& findings) {
  for (const JournalFacts& journal : gathered.journals) {
    for (const auto& [paths, kind] :
         {std::pair{&journal.proxies, "proxies"}, std::pair{&journal.flushers, "flushers"}}) {
      if (paths->size() < 2) continue;
      findings.push_back(
          {Severity::kError, journal.dir,
           "it is the journal.dir of several " + std::string(kind) + ": " + listed(*paths),
           "give each proxy a folder of its own, and each folder one flusher"});
    }
  }
}

void open_files(const Gathered& gathered, Findings& findings) {
  for (const ProxyFacts& proxy : gathered.proxies) {
    const int64_t wanted = base::descriptors_wanted(
        proxy.config.integer("limits.clients"), proxy.config.integer("limits.pinned_connections"));
    if (proxy.open_files_max >= wanted) continue;
    findings.push_back(
        {Severity::kWarning, proxy.path,
         "the hard limit of open files is " + grouped(proxy.open_files_max) +
             ", and limits.clients and limits.pinned_connections want " + grouped(wanted) +
             ": fewer clients are let in",
         "raise it (LimitNOFILE= in the unit, ulimit -Hn), or lower limits.clients"});
  }
}

constexpr std::array kMachineChecks{
    Check{"journal.folder", journal_folder},
    Check{"journal.writable", journal_writable},
    Check{"journal.damage", journal_damage},
    Check{"journal.refused", journal_refused},
    Check{"journal.space", journal_space},
    Check{"journal.speed", journal_speed},
    Check{"journal.file_system", journal_file_system},
    Check{"journal.shared", journal_shared},
    Check{"machine.open_files", open_files},
};

}  // namespace

std::span<const Check> machine_checks() { return kMachineChecks; }

}  // namespace sluice::ctl::doctor
