// Where this lane stood on each shelf when it passed the gate after Redis had gone back: at epoch E
// the journal had its batches up to S, and no other.
//
// A batch that Redis took and the journal never got is completed from its receipt, unless the shelf
// has been opened without it meanwhile: Redis had lost it, and others may have sold what it sold.
// If a replica then becomes the master that still has it, from before, it must not come back. So a
// lane leaves the gate only once it is durable, in the journal folder's file `standings`, where it
// stood then; and gate.lua takes away what a lane's batches of an earlier epoch have done above
// that.
//
//   gate (I/O thread) ──note()──► the writer's thread: the file ──► done()
//
// One a proxy, owned by main's SaleSetup; any thread.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/file.h"

namespace sluice::proxy::sale {

class Standings {
 public:
  // Reads `dir`/standings. kCorrupt: it is damaged, the message says what to do (exit code 3).
  // `failed` is called, on any thread, if the file cannot be written.
  static Result<std::unique_ptr<Standings>> open(const std::string& dir, base::FileSystem& fs,
                                                 std::function<void(const Error&)> failed);
  ~Standings() { stop(); }
  // Ends the writer's thread; what it has not begun to write is not written. Main's thread.
  void stop();

  // Returns at once; `done` is called on the writer's thread once it is in the file.
  void note(uint32_t shelf, uint64_t epoch, uint64_t lane_sequence, std::function<void()> done);
  // For scripts: "epoch:sequence epoch:sequence", the oldest first, as they are in the file.
  std::string of(uint32_t shelf) const;
  // Epochs before it are not told any more; 0: all are.
  uint64_t forgotten(uint32_t shelf) const;

 private:
  // Redis rarely goes back; further than so many times it hardly does.
  static constexpr size_t kNotesMax = 32;

  struct Shelf {
    uint64_t forgotten = 0;
    std::map<uint64_t, uint64_t> notes;  // lane sequence by epoch

    bool operator==(const Shelf&) const = default;
  };
  using Shelves = std::map<uint32_t, Shelf>;

  Standings(std::string dir, base::FileSystem& fs, Shelves shelves,
            std::function<void(const Error&)> failed);
  static std::string encode(const Shelves& shelves);
  static Result<Shelves> decode(std::string_view text);
  void write_on();
  Status save(const Shelves& shelves);

  const std::string dir_;
  base::FileSystem& fs_;
  const std::function<void(const Error&)> failed_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_, like all below but for the thread.
  Shelves shelves_;  // in the file
  Shelves wanted_;   // to be in the file
  std::vector<std::function<void()>> waiting_;
  bool stopping_ = false;
  std::thread writer_;
};

}  // namespace sluice::proxy::sale
