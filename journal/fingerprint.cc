#include "journal/fingerprint.h"

#include "base/crc64.h"
#include "journal/bytes.h"

namespace sluice::journal {
namespace {

uint64_t carry_on(uint64_t before, uint64_t number) {
  std::string bytes;
  put(bytes, number);
  return base::crc64(bytes, before);
}

}  // namespace

uint64_t fingerprint_of(uint64_t journal_id) { return carry_on(0, journal_id); }

uint64_t fingerprint_at_frame(uint64_t before, uint64_t incarnation) {
  return carry_on(before, incarnation);
}

uint64_t fingerprint_after_frame(uint64_t before, uint64_t incarnation, std::string_view payload) {
  return base::crc64(payload, fingerprint_at_frame(before, incarnation));
}

}  // namespace sluice::journal
