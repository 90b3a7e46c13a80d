// How far each writer has brought the journal into MySQL: the table sluice_checkpoint.
//
// One row a writer; its position moves only in the transaction that brings the rows it covers, by
// compare-and-set on position and owner. The owner is a random number of one run; a flusher that
// has passed all checks claims all rows of its journal in one transaction, so of two flushers the
// one that claimed last goes on, and the other one's next transaction changes nothing and stops it.
// The owner also tells a commit of our own whose answer got lost from one of another's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sql/connection.h"

namespace sluice::flusher {

struct CheckpointKey {
  uint64_t journal_id = 0;
  uint64_t owner = 0;
  uint64_t owner_before = 0;  // when we claimed it; 0: nobody, it was new
  uint32_t proxy_id = 0;  // the journal's: it has orders of that number before their cancels
};

struct CheckpointRow {
  uint64_t position = 0;
  uint64_t fingerprint = 0;  // of the journal, of all records below position
  uint64_t owner = 0;
  uint64_t writers = 0;  // orders::stored_writers() of the flusher that made it
};

// In the open transaction: locks and reads all rows of the journal, by writer; empty: MySQL has
// never seen it. A table that contradicts itself is kOther with code 0.
std::optional<sql::Failure> lock_checkpoints(sql::Connection& connection, uint64_t journal_id,
                                             std::vector<CheckpointRow>& rows);

// In the open transaction: makes key.owner the owner of all rows of the journal.
std::optional<sql::Failure> claim_checkpoints(sql::Connection& connection,
                                              const CheckpointKey& key);

// One row, waiting for whoever is changing it. Ends the transaction.
std::optional<sql::Failure> read_checkpoint_settled(sql::Connection& connection,
                                                    const CheckpointKey& key, uint32_t writer,
                                                    std::optional<CheckpointRow>& row);

// Whose a row is, or was, that may not be as this run left it: at `position`, or there soon.
enum class Standing {
  kOurs,
  // It lacks commits of this run, or even that it was claimed: the server has lost its last
  // transactions (a crash that it was not set to survive, a replica that lagged and was promoted).
  kBehind,
  kAnothers,
};
Standing standing_of(const std::optional<CheckpointRow>& row, const CheckpointKey& key,
                     uint64_t position);

// Whether any writer's row is kBehind `positions`, which were read from the writers before. Ends
// the transaction.
std::optional<sql::Failure> find_lost_commits(sql::Connection& connection, const CheckpointKey& key,
                                              const std::vector<uint64_t>& positions,
                                              bool& is_lost);

// In the open transaction: position `from` → `to`, below which the journal has `fingerprint`.
// Afterwards affected_rows() is 1, or the row has been changed by somebody else.
std::optional<sql::Failure> advance_checkpoint(sql::Connection& connection,
                                               const CheckpointKey& key, uint32_t writer,
                                               uint64_t from, uint64_t to, uint64_t fingerprint);

// In the same transaction: whether the row is still at `to`. kOther: the server has taken it back.
std::optional<sql::Failure> find_advanced(sql::Connection& connection, const CheckpointKey& key,
                                          uint32_t writer, uint64_t to);

// In the open transaction: the rows of a journal that has none.
std::optional<sql::Failure> insert_checkpoints(sql::Connection& connection,
                                               const CheckpointKey& key, uint32_t writers,
                                               uint64_t position, uint64_t fingerprint);

// Replaces `old_writers` rows, all at `position`, by `new_writers` rows there, in one transaction
// (0 old rows: the first start). kDuplicate or kOther with code 0: they were not as expected.
std::optional<sql::Failure> repartition(sql::Connection& connection, const CheckpointKey& key,
                                        uint32_t old_writers, uint32_t new_writers,
                                        uint64_t position, uint64_t fingerprint);

}  // namespace sluice::flusher
