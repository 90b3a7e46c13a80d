// What each micro-benchmark has to reach: the floors that `sluice-microbench --check` holds it to.
//
// A floor is about a third of what one core of the machine in docs/performance.md did, so that a
// slower machine passes, and a change that makes the part several times slower does not. Raise a
// floor with the change that made the part faster.
#pragma once

#include <string_view>

namespace sluice::bench::micro {

struct Limit {
  std::string_view benchmark;
  std::string_view unit;  // what is counted: "bytes", or the things that the benchmark handles
  double per_s;           // at least
};

inline constexpr std::string_view kBytes = "bytes";

inline constexpr Limit kLimits[] = {
    // RESP, both sides of the proxy.
    {"request_parser", kBytes, 800e6},
    {"request_parser", "commands", 6e6},
    {"reply_scanner", kBytes, 550e6},
    {"reply_scanner", "replies", 17e6},
    {"reply_encode", "replies", 4.5e6},
    // Work handed to an I/O thread, by number of threads and burst. Waking it is most of the small
    // ones.
    {"inbox/1/1", "tasks", 10e3},
    {"inbox/1/16", "tasks", 120e3},
    {"inbox/1/512", "tasks", 2.5e6},
    {"inbox/2/1", "tasks", 10e3},
    {"inbox/2/16", "tasks", 100e3},
    {"inbox/2/512", "tasks", 2.5e6},
    // From the batch to Redis and back.
    {"script_encode", "purchases", 7.5e6},
    {"script_answer", "purchases", 18e6},
    {"replay_encode", "records", 7e6},
    {"coalescer/16", "operations", 350e3},
    {"coalescer/256", "operations", 650e3},
    // The journal's bytes.
    {"record_encode", "records", 25e6},
    {"record_encode", kBytes, 2.5e9},
    {"record_decode", "records", 40e6},
    {"record_decode", kBytes, 4e9},
    {"frame_scan", "records", 50e6},
    {"frame_scan", kBytes, 5e9},
    // The whole of what a start reads, with frames of one record and of 16.
    {"recovery/1", "records", 5.5e6},
    {"recovery/16", "records", 13e6},
    // A group submitted, written, synced and completed, one after the other, on the disk: waking
    // two threads is most of the small ones, so these differ most between runs and have more room.
    {"commit/no/1", "records", 8e3},
    {"commit/no/16", "records", 100e3},
    {"commit/no/256", "records", 1e6},
    {"commit/always/1", "records", 2e3},
    {"commit/always/16", "records", 20e3},
    {"commit/always/256", "records", 250e3},
    // Towards MySQL.
    {"insert_rows", "rows", 1.5e6},
    {"insert_rows", kBytes, 240e6},
};

}  // namespace sluice::bench::micro
