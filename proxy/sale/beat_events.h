// What a thread's beat finds out about a shelf, told to the gate.
#pragma once

#include <cstdint>
#include <string>

#include "proxy/sale/shelf.h"

namespace sluice::proxy::sale {

// On the owner thread.
class BeatEvents {
 public:
  // It is there, with this epoch.
  virtual void beaten(Shelf& shelf, uint64_t epoch) = 0;
  // An item is being deleted, and waits for this proxy too.
  virtual void deleting(Shelf& shelf, const std::string& item) = 0;
  // What the gate wrote there is gone, or older than what was written since (`went_back`).
  virtual void rewound(Shelf& shelf, const std::string& why, bool went_back) = 0;
  // Redis is another process, or another history, than it was.
  virtual void changed(const std::string& why) = 0;
  // Redis refused the call.
  virtual void refused(Shelf& shelf, std::string_view error) = 0;

 protected:
  ~BeatEvents() = default;
};

}  // namespace sluice::proxy::sale
