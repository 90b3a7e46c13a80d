#include "bench/workload.h"

#include "base/error.h"

namespace sluice::bench {

RequestTemplate::RequestTemplate(std::string encoded, char mark) : encoded_(std::move(encoded)) {
  for (size_t at = 0; at < encoded_.size();) {
    size_t end = at;
    while (end < encoded_.size() && encoded_[end] == mark) ++end;
    if (end - at >= 2) {
      SLUICE_ASSERT(places_count_ < kPlacesMax, "a request template with too many places");
      places_[places_count_++] = {at, end - at};
    }
    at = end + 1;
  }
}

}  // namespace sluice::bench
