// What the gate's script answers: refusals that end the process or wait, and receipts; see gate.h.
#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "base/decimal.h"
#include "base/failpoint.h"
#include "proxy/sale/gate.h"
#include "proxy/sale/lanes.h"
#include "proxy/sale/server_check.h"

namespace sluice::proxy::sale {
namespace {

// The place in gate.lua's reply of the lane sequence of its first receipt.
constexpr size_t kFirst = 5;
constexpr int64_t kProofTickUs = 50'000;

}  // namespace

using upstream::Reply;
using State = Shelf::State;

// Verdicts with which nothing was written.
bool Gate::refuses(Shelf& shelf, std::string_view verdict, std::string_view about) {
  if (verdict == "FOREIGN") {
    shared_.fatal(Error(
        ErrorClass::kRefused,
        "Redis at " + redis_.endpoint().text() + " knows proxy.id " + shared_.lane +
            " with another journal (" + std::string(about) + ", this one is " + shared_.journal_id +
            "); start with the journal.dir that holds it, or take a proxy.id that was never used "
            "with this Redis"));
    return true;
  }
  if (verdict == "SHELVES") {
    shared_.fatal(other_shelves(redis_.endpoint().text(), about, shared_.shelves));
    return true;
  }
  if (verdict == "ALIVE") {
    alive(shelf, about);
  } else if (verdict == "JOIN") {
    hold(shelf, State::kWaiting,
         "waiting for " + proxies_text(about) + " to learn of this one (" + forget_hint(about) +
             ")");
  } else if (verdict == "PROVE") {
    unproven(shelf);
  } else if (verdict == "EDITED") {
    contradicts(shelf, shelf.place() +
                           " was edited in Redis, or is older there than the journal "
                           "can make good, and not all of its orders can be brought back: undo it");
  } else {
    return false;
  }
  return true;
}

// Another incarnation of this lane wrote a moment ago. If it beats again it lives, and this one
// must not; else it has just died, and this one takes over once its beat is old.
void Gate::alive(Shelf& shelf, std::string_view about) {
  Entry& entry = entry_of(shelf);
  if (!entry.living.empty() && entry.living != about) {
    return shared_.fatal(Error(
        ErrorClass::kRefused,
        "another process sells as proxy.id " + shared_.lane + " with this journal's id (" +
            shared_.journal_id + "), on host " + std::string(about.substr(0, about.find(' '))) +
            ", this one is on " + shared_.host + ": one of the two is a copy; stop it"));
  }
  entry.living = about;
  entry.delay_us = 0;
  unable(shelf, "the process that had this proxy.id before wrote a moment ago", "LOADING");
}

// The journal and Redis may both have been put back to older copies. The flusher will tell, if it
// and MySQL are there (flusher_link.h).
void Gate::unproven(Shelf& shelf) {
  const std::string refusal = shared_.veto.why();
  unable(shelf,
         refusal.empty() ? "the flusher is asked whether MySQL knows more of the journal" : refusal,
         "LOADING");
  Entry& entry = entry_of(shelf);
  entry.delay_us = 0;
  entry.retry_us = base::monotonic_us() + kProofTickUs;
}

// Ids go on above those of its receipts.
void Gate::meet(Shelf& shelf, const Reply& reply) {
  for (size_t i = kAnswerReceipts; i < reply.size(); ++i) {
    const auto receipt = parse_call_receipt(reply.at(i).text());
    if (!receipt) continue;  // import_receipts() says so
    for (const Operation& op : receipt->operations) {
      // A cancel's or a query's id is what a client wrote there.
      const bool takes_id = op.verb == Verb::kBuy || op.verb == Verb::kCreate;
      if (takes_id && shared_.order_ids->is_own(op.order_id))
        shared_.order_ids->raise_above(op.order_id);
    }
  }
  if (std::exchange(entry_of(shelf).is_met, true)) return;
  if (--shared_.unmet == 0) hooks_.wake_all();
}

// Redis applied batches that the journal does not have: the proxy died, or the connection broke,
// between the script and the journal. Their receipts complete the orders.
bool Gate::import_receipts(Shelf& shelf, const Reply& reply, uint64_t applied) {
  uint64_t first = 0;
  const bool good = base::parse_decimal(reply.at(kFirst).text(), first) &&
                    first <= shelf.lane_sequence() + 1 &&
                    reply.size() - kAnswerReceipts == applied + 1 - first;
  if (!good) {
    const std::string why = shelf.place() + ": Redis has applied batches up to " +
                            std::to_string(applied) + ", the journal ends at " +
                            std::to_string(shelf.lane_sequence()) + ", and receipts are missing";
    // A receipt goes only when its batch is synced here: so the folder has lost what it once had.
    if (!entry_of(shelf).ever_opened) {
      shared_.fatal(Error(ErrorClass::kRefused,
                          why + ": the journal in " + shared_.journal_dir +
                              " is older than what Redis has of it (a copy, or an older backup); "
                              "bring back the newest one, or take it over as it is: sluice-ctl "
                              "journal adopt"));
    } else {
      contradicts(shelf, why);
    }
    return false;
  }
  for (size_t i = kAnswerReceipts + shelf.lane_sequence() + 1 - first; i < reply.size(); ++i) {
    const std::string_view text = reply.at(i).text();
    auto receipt = parse_call_receipt(text);
    if (!receipt || receipt->operations.empty() ||
        receipt->lane_sequence != shelf.lane_sequence() + 1) {
      contradicts(shelf,
                  shelf.place() + ": " +
                      (receipt ? "a receipt in Redis is out of order" : receipt.error().message()));
      return false;
    }
    base::failpoint(base::Failpoint::kGateImport);
    ShelfBatch batch;
    batch.time_ms = receipt->time_ms;
    const auto& sent = shelf.in_flight();
    const auto same = std::find_if(
        sent.begin(), sent.end(), [&](const ShelfBatch& each) { return each.payload.is_of(text); });
    if (same != sent.end()) {
      batch = shelf.take(same->number);
    } else {
      batch.operations = std::move(receipt->operations);
    }
    ++count_.receipts;
    shared_.metrics->gate_receipts.add();
    events_.settle(shelf, receipt->lane_sequence, std::move(batch), receipt->items,
                   std::move(receipt->verdicts));
  }
  return true;
}

}  // namespace sluice::proxy::sale
