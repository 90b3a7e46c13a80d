#include "bench/sale_workload.h"

#include <cerrno>
#include <charconv>
#include <cinttypes>

#include "bench/item_names.h"

namespace sluice::bench {
namespace {

// '#' is no character of a name (see the contract), so it can mark the places of the numbers.
constexpr char kMark = '#';
constexpr std::string_view kUser = "u#########";
constexpr std::string_view kRequest = "r#########-####";

std::string encoded_buy(const SaleOptions& options) {
  const std::string item = item_pattern(options.item, options.items, kMark);
  std::string out;
  if (options.with_req) {
    append_command(out, "SECKILL.BUY", item, kUser, "REQ", kRequest);
  } else {
    append_command(out, "SECKILL.BUY", item, kUser);
  }
  return out;
}

}  // namespace

std::vector<std::string> sale_items(const SaleOptions& options) {
  return item_names(options.item, options.items);
}

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
      zipf_(options.items, options.zipf),
      request_(encoded_buy(options), kMark),
      acknowledged_(options.items) {}

void SaleWorkload::append_request(uint64_t index, std::string& out) {
  const Ask ask = buyers_.ask(index);
  const uint64_t buyer = ask.buyer + options_.first_buyer;
  if (options_.items == 1) {
    request_.append_to(out, {buyer, buyer, ask.purchase});
  } else {
    request_.append_to(out, {item_of(index), buyer, buyer, ask.purchase});
  }
}

Outcome SaleWorkload::judge(uint64_t index, std::string_view reply) {
  const Outcome outcome = outcome_of(reply);
  if (outcome.kind == OutcomeKind::kAccepted) note_order(index, array_element(reply, 1));
  return outcome;
}

void SaleWorkload::note_order(uint64_t index, std::string_view order_id) {
  if (acked_) write_acked(index, order_id);
  uint64_t order = 0;
  std::from_chars(order_id.data(), order_id.data() + order_id.size(), order);
  if (!is_new(index, order)) return;
  ++orders_;
  acknowledged_[item_of(index)].add(order);
}

// False for an order that a repeated REQ got again, or should have got.
bool SaleWorkload::is_new(uint64_t index, uint64_t order) {
  if (!options_.with_req || buyers_.repeat() == 1) return true;
  const uint64_t purchase = buyers_.purchase_number(index);
  if (purchase >= order_of_purchase_.size()) order_of_purchase_.resize(purchase + 4096);
  uint64_t& known = order_of_purchase_[purchase];
  if (known == 0) {
    known = order;
    return true;
  }
  mismatched_ += known != order;
  return false;
}

void SaleWorkload::write_acked(uint64_t index, std::string_view order_id) {
  const Ask ask = buyers_.ask(index);
  const uint64_t buyer = ask.buyer + options_.first_buyer;
  const char* request = options_.with_req ? "r%09" PRIu64 "-%04" PRIu64 : "-";
  std::fprintf(acked_.get(), "u%09" PRIu64 " ", buyer);
  std::fprintf(acked_.get(), request, buyer, ask.purchase);
  std::fprintf(acked_.get(), " %.*s\n", static_cast<int>(order_id.size()), order_id.data());
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
