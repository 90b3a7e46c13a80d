// The journal end to end: a group of records submitted, framed, written, synced by policy and
// completed, then the next one. While one waits for the disk the proxy gathers the next group, so
// the figures by group size are what purchases/s on one journal can come to.
#include <semaphore>

#include "base/file.h"
#include "base/metrics.h"
#include "bench/micro/samples.h"
#include "bench/micro/suite.h"
#include "bench/temp_folder.h"
#include "journal/group_commit.h"
#include "journal/recovery.h"

namespace sluice::bench::micro {
namespace {

using journal::FsyncPolicy;

Result<std::unique_ptr<journal::GroupCommit>> open_journal(const std::string& dir,
                                                           FsyncPolicy policy,
                                                           base::Registry& metrics) {
  base::FileSystem& fs = base::posix_file_system();
  const auto recovered = journal::recover(dir, fs, [](const journal::Record&) {});
  if (!recovered) return recovered.error();
  journal::WriterOptions options;
  options.dir = dir;
  options.fsync = policy;
  return journal::GroupCommit::start(options, fs, metrics);
}

void commit_groups(benchmark::State& state, const std::string& parent, FsyncPolicy policy,
                   uint32_t records) {
  const auto folder = TempFolder::create(parent);
  if (!folder) return expect(state, false, folder.error().message());
  base::Registry metrics;
  const auto opened = open_journal(folder->path() + "/journal", policy, metrics);
  if (!opened) return expect(state, false, opened.error().message());
  journal::GroupCommit& commit = **opened;
  const SampleRecords samples(records);
  const size_t bytes = samples.encoded().size();
  const uint64_t order_id = samples.records().back().order_id;
  std::binary_semaphore done(0);
  uint64_t last_sequence = 0;
  for (auto _ : state) {
    if (!commit.reserve(bytes)) return expect(state, false, "the journal is full");
    commit.submit(samples.encoded(), records, bytes, order_id,
                  [&](const journal::CommitOutcome& outcome) {
                    if (outcome.status) last_sequence = outcome.last_sequence;
                    done.release();
                  });
    done.acquire();
  }
  expect(state, last_sequence == records * static_cast<uint64_t>(state.iterations()),
         "records are missing in the journal");
  expect(state, commit.stop().ok(), "the journal did not stop in an orderly way");
  state.SetItemsProcessed(static_cast<int64_t>(last_sequence));
}

}  // namespace

void add_commit(const Suite& suite) {
  struct Policy {
    FsyncPolicy policy;
    const char* name;
    int64_t rounds;
  };
  for (const Policy& policy :
       {Policy{FsyncPolicy::kNo, "no", 10'000}, Policy{FsyncPolicy::kAlways, "always", 1'000}}) {
    for (const uint32_t records : {1, 16, 256}) {
      suite.add_waiting("commit/" + std::string(policy.name) + "/" + std::to_string(records),
                        records > 16 ? policy.rounds / 4 : policy.rounds,
                        [parent = suite.folder(), policy, records](benchmark::State& state) {
                          commit_groups(state, parent, policy.policy, records);
                        });
    }
  }
}

}  // namespace sluice::bench::micro
