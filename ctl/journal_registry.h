// The rows of sluice_journal and sluice_checkpoint, as operators' commands change them. What the
// flusher does with them is flusher/registration.h.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "ctl/new_journal.h"
#include "sql/connection.h"

namespace sluice::ctl {

struct RegisteredJournal {
  uint64_t journal_id = 0;
  uint32_t proxy_id = 0;
  uint32_t shelves = 0;
  std::string host;
  std::string updated_at;  // when a flusher said last that it drains it
  bool is_retired = false;
  std::optional<uint64_t> position;  // the lowest checkpoint; nullopt: it has none
};

class JournalRegistry {
 public:
  explicit JournalRegistry(const sql::ConnectOptions& mysql) : options_(mysql) {}
  Status connect();

  Result<std::vector<RegisteredJournal>> all();
  Result<std::optional<RegisteredJournal>> find(uint64_t journal_id);
  // Those with these numbers that are not retired.
  Result<std::vector<RegisteredJournal>> of_lanes(const std::set<uint32_t>& lanes);

  // One transaction: retires these and those, and registers the new one with its checkpoint and
  // the rows of items that it takes as drained.
  Status take_over(const std::vector<RegisteredJournal>& registered,
                   const std::set<uint64_t>& journals, const NewJournal& made, uint32_t proxy_id,
                   uint32_t shelves);
  // Its flusher, should one run, ends with its next batch.
  Status retire(uint64_t journal_id);
  // Begins anew at `position`, whatever its checkpoints said.
  Status set_position(const RegisteredJournal& journal, uint32_t shelves, uint64_t position,
                      uint64_t fingerprint);

 private:
  Result<std::vector<RegisteredJournal>> query(const std::string& where);
  std::optional<sql::Failure> retire_one(uint64_t journal_id);
  std::optional<sql::Failure> insert_checkpoint(uint64_t journal_id, uint64_t position,
                                                uint64_t fingerprint);
  Status end(std::optional<sql::Failure> failure);

  const sql::ConnectOptions options_;
  sql::Connection connection_;
};

}  // namespace sluice::ctl
