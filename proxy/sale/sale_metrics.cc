#include "proxy/sale/shared.h"

namespace sluice::proxy::sale {

SaleMetrics::SaleMetrics(base::Registry& registry)
    : accepted(registry.counter("sluice_purchases_total", "Purchases by outcome.",
                                "result=\"accepted\"")),
      repeated(registry.counter("sluice_purchases_total", "", "result=\"repeated\"")),
      soldout(registry.counter("sluice_purchases_total", "", "result=\"soldout\"")),
      limit(registry.counter("sluice_purchases_total", "", "result=\"limit\"")),
      notstarted(registry.counter("sluice_purchases_total", "", "result=\"notstarted\"")),
      ended(registry.counter("sluice_purchases_total", "", "result=\"ended\"")),
      closed(registry.counter("sluice_purchases_total", "", "result=\"closed\"")),
      noitem(registry.counter("sluice_purchases_total", "", "result=\"noitem\"")),
      error(registry.counter("sluice_purchases_total", "", "result=\"error\"")),
      busy(registry.counter("sluice_purchases_total", "", "result=\"busy\"")),
      unknown(registry.counter("sluice_purchases_total", "", "result=\"unknown\"")),
      soldout_at_once(registry.counter("sluice_soldout_at_once_total",
                                       "Of the purchases refused as sold out, those that were "
                                       "answered without Redis.")),
      expired(registry.counter("sluice_orders_expired_total",
                               "Orders that were not paid within their item's HOLD.")),
      oversell(registry.counter("sluice_oversell_total",
                                "Purchases accepted beyond the stock; must stay 0.")),
      purchase_seconds(registry.histogram("sluice_purchase_seconds",
                                          "From a SECKILL command's arrival to its reply.", 1e-6)),
      redis_seconds(registry.histogram("sluice_redis_call_seconds",
                                       "From sending a batch to Redis to its answer.", 1e-6)),
      batch_purchases(
          registry.histogram("sluice_redis_batch_purchases", "Operations in one script call.", 1)),
      gate_passes(registry.counter("sluice_gate_passes_total",
                                   "Times that Redis and the journal were compared as a whole.")),
      gate_records(registry.counter("sluice_gate_replayed_records_total",
                                    "Journal records brought back into Redis.")),
      gate_receipts(registry.counter("sluice_gate_imported_receipts_total",
                                     "Batches completed in the journal from Redis's receipts.")) {}

base::Counter& SaleMetrics::result(Verdict::Kind verdict) {
  using Kind = Verdict::Kind;
  switch (verdict) {
    case Kind::kAccepted:
      return accepted;
    case Kind::kRepeated:
    case Kind::kCancelled:
      return repeated;
    case Kind::kSoldOut:
      return soldout;
    case Kind::kLimit:
      return limit;
    case Kind::kNotStarted:
      return notstarted;
    case Kind::kEnded:
      return ended;
    case Kind::kClosed:
      return closed;
    case Kind::kNotFound:
      return noitem;
    default:
      return error;
  }
}

}  // namespace sluice::proxy::sale
