// The journal's fingerprint: which history a folder holds, as a number that can be written down.
//
// A CRC-64 carried on, from the journal's id, over which incarnation wrote each frame and over the
// bytes of its records. Folders that share a past have the same one for every sequence up to where
// they part, and then, as good as surely, never again: however long they grow, a copy that was
// rolled back, cloned or exchanged shows. Marks do not count, nor does where frames lie, so a tail
// that recovery writes anew keeps it.
#pragma once

#include <cstdint>
#include <string_view>

namespace sluice::journal {

// Of a journal before its first record.
uint64_t fingerprint_of(uint64_t journal_id);
// With a frame's incarnation, before its first record. Carried on over records by base::crc64().
uint64_t fingerprint_at_frame(uint64_t before, uint64_t incarnation);
// With all records of a frame.
uint64_t fingerprint_after_frame(uint64_t before, uint64_t incarnation, std::string_view payload);

}  // namespace sluice::journal
