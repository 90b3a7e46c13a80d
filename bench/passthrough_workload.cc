#include "bench/passthrough_workload.h"

#include "bench/control.h"

namespace sluice::bench {
namespace {

constexpr char kMark = '#';
constexpr std::string_view kKey = "sluice-bench:########";

Status fill(const PassthroughOptions& options, const RequestTemplate& set) {
  auto control = Control::connect(options.address);
  if (!control) return control.error();
  constexpr uint64_t kBatch = 1000;
  for (uint64_t first = 0; first < options.keys; first += kBatch) {
    const uint64_t end = std::min(options.keys, first + kBatch);
    std::string batch;
    for (uint64_t i = first; i < end; ++i) set.append_to(batch, {i});
    SLUICE_TRY(control->pipeline(batch, end - first));
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<PassthroughWorkload>> PassthroughWorkload::create(
    const PassthroughOptions& options) {
  std::string get, set;
  append_command(get, "GET", kKey);
  append_command(set, "SET", kKey, std::string(options.value_bytes, 'x'));
  RequestTemplate set_template(std::move(set), kMark);
  SLUICE_TRY(fill(options, set_template));
  std::unique_ptr<PassthroughWorkload> workload(new PassthroughWorkload(options));
  workload->request_ =
      options.set ? std::move(set_template) : RequestTemplate(std::move(get), kMark);
  return workload;
}

// A prime step visits the keys in no order that a cache would like, and every one equally often.
void PassthroughWorkload::append_request(uint64_t index, std::string& out) {
  request_.append_to(out, {index * 7'919 % keys_});
}

Outcome PassthroughWorkload::judge(uint64_t, std::string_view reply) {
  const Outcome outcome = outcome_of(reply);
  if (outcome.kind == OutcomeKind::kError) return outcome;
  const bool nil = reply.starts_with("$-1") || reply.starts_with('_');
  return nil ? Outcome{OutcomeKind::kRefused, "nil"} : Outcome{OutcomeKind::kAccepted, "OK"};
}

}  // namespace sluice::bench
