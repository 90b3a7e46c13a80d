// Everything that a journal still knows, from the beginning: the snapshot's records, then those of
// the segments behind it, following a live writer as Reader does. What a rebuild of Redis reads.
//
// Records come in the journal's order, each once, with their sequences; those of the snapshot have
// no FIELDS, and retired items are left out, so sequences rise but need not be dense. All records
// of one batch come in one Group. The flusher may compact and delete segments meanwhile: what is
// gone from the segments is then taken from the newer snapshot.
//
// One thread.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "journal/reader.h"
#include "journal/snapshot.h"

namespace sluice::journal {

class History {
 public:
  // kNotFound if there is no journal in `dir` yet; kCorrupt names what is missing or damaged.
  static Result<std::unique_ptr<History>> open(const std::string& dir, base::FileSystem& fs);
  virtual ~History() = default;

  // The next records; nullopt: nothing more for now (a live writer may still add).
  virtual Result<std::optional<Group>> next() = 0;

  // The journal's lane on a shelf, as of the snapshot that is read now; it may be another one after
  // next(). `number` may be any.
  virtual ShelfState shelf(uint32_t number) const = 0;
  // Of that snapshot, too: the latest time of any record of the items that were retired; 0: none.
  virtual int64_t retired_ms() const = 0;
};

}  // namespace sluice::journal
