// Items whose deletion was asked for here, until Redis and MySQL have all of it.
//
// Nothing of the item may still be on its way to MySQL: so Redis first tells the item's checksum,
// and once MySQL has what this lane had journaled by then, it is asked again with that; in the same
// way, by the lane that was last, for the name (docs/architecture.md). Whoever asks meanwhile is
// told how many records MySQL lacks. It is forgotten when it is done, or when nobody has asked for
// ten minutes: then it begins anew. One an owner thread.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>

#include "proxy/sale/operation.h"
#include "proxy/sale/shared.h"
#include "proxy/sale/shelf_map.h"
#include "proxy/sale/verdict.h"

namespace sluice::proxy::sale {

class Deletions {
 public:
  explicit Deletions(Shared& shared) : shared_(shared) {}

  // Whether Redis is to be asked for this deletion now; then `op` gets the checksum that the item
  // must have, or 0 to learn it. Else MySQL lacks something: to_confirm() tells the client.
  bool may_ask(Shelf& shelf, Operation& op);
  Verdict to_confirm() const;
  // Remembers what Redis has answered. Returns what the client is told: the records that MySQL
  // lacks, or that it is gone if the others' marks have completed it.
  Verdict answered(const Shelf& shelf, const Operation& op, Verdict verdict);
  // Those for which nobody asks any more, since the other lanes have done the rest.
  void forget_idle(ShelfMap& shelves);

 private:
  // The item as it was, and what MySQL must have of the lane.
  struct Asked {
    uint64_t checksum = 0, lane_sequence = 0;
    int64_t asked_us = 0;
  };

  bool is_drained(Shelf& shelf, const Asked& asked) const;

  const Shared& shared_;
  std::unordered_map<std::string, Asked> asked_;  // by item
};

}  // namespace sluice::proxy::sale
