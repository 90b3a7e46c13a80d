#include "bench/sale_workload.h"

#include <cerrno>
#include <charconv>
#include <cinttypes>

namespace sluice::bench {
namespace {

// '#' is no character of a name (see the contract), so it can mark the places of the numbers.
constexpr char kMark = '#';
constexpr std::string_view kUser = "u#########";
constexpr std::string_view kRequest = "r#########-####";

std::string encoded_buy(const SaleOptions& options) {
  std::string out;
  if (options.with_req) {
    append_command(out, "SECKILL.BUY", options.item, kUser, "REQ", kRequest);
  } else {
    append_command(out, "SECKILL.BUY", options.item, kUser);
  }
  return out;
}

}  // namespace

Result<std::unique_ptr<SaleWorkload>> SaleWorkload::create(const SaleOptions& options) {
  std::unique_ptr<SaleWorkload> workload(new SaleWorkload(options));
  if (!options.acked_path.empty()) {
    workload->acked_.reset(std::fopen(options.acked_path.c_str(), "we"));
    if (!workload->acked_) return base::errno_error(errno, options.acked_path);
  }
  return workload;
}

SaleWorkload::SaleWorkload(const SaleOptions& options)
    : options_(options),
      buyers_(options.buyers, options.repeat),
      request_(encoded_buy(options), kMark) {}

void SaleWorkload::append_request(uint64_t index, std::string& out) {
  const Ask ask = buyers_.ask(index);
  request_.append_to(out, {ask.buyer, ask.buyer, ask.purchase});
}

Outcome SaleWorkload::judge(uint64_t index, std::string_view reply) {
  const Outcome outcome = outcome_of(reply);
  if (outcome.kind == OutcomeKind::kAccepted) note_order(index, array_element(reply, 1));
  return outcome;
}

void SaleWorkload::note_order(uint64_t index, std::string_view order_id) {
  if (acked_) {
    const Ask ask = buyers_.ask(index);
    const char* request = options_.with_req ? "r%09" PRIu64 "-%04" PRIu64 : "-";
    std::fprintf(acked_.get(), "u%09" PRIu64 " ", ask.buyer);
    std::fprintf(acked_.get(), request, ask.buyer, ask.purchase);
    std::fprintf(acked_.get(), " %.*s\n", static_cast<int>(order_id.size()), order_id.data());
  }
  if (!options_.with_req || buyers_.repeat() == 1) {
    ++orders_;
    return;
  }
  uint64_t order = 0;
  std::from_chars(order_id.data(), order_id.data() + order_id.size(), order);
  const uint64_t purchase = buyers_.purchase_number(index);
  if (purchase >= order_of_purchase_.size()) order_of_purchase_.resize(purchase + 4096);
  uint64_t& known = order_of_purchase_[purchase];
  if (known == 0) {
    known = order;
    ++orders_;
  } else if (known != order) {
    ++mismatched_;
  }
}

Status SaleWorkload::close_acked() {
  if (!acked_) return {};
  const bool whole = std::ferror(acked_.get()) == 0;
  if (std::fclose(acked_.release()) != 0 || !whole) {
    return base::errno_error(errno, options_.acked_path);
  }
  return {};
}

}  // namespace sluice::bench
