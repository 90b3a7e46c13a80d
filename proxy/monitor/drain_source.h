// What the monitor wants to know of the flusher, seen from below: main.cc gives it FlusherLink.
#pragma once

#include <boost/json/object.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"

namespace sluice::proxy::monitor {

class DrainSource {
 public:
  using Items = std::function<void(const Result<boost::json::object>&)>;

  virtual ~DrainSource() = default;
  // False: flusher.admin is not set.
  virtual bool is_configured() const = 0;
  // What its GET /status said last; nullptr: nothing that could be believed. Any thread.
  virtual std::shared_ptr<const boost::json::object> last_status() const = 0;
  // What MySQL has of these items: {"NAME": {"stock": n, "sold": n}}. Returns at once; `done` is
  // called later, on any thread.
  virtual void find_items(const std::vector<std::string>& names, Items done) = 0;
};

}  // namespace sluice::proxy::monitor
