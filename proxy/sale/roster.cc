#include "proxy/sale/roster.h"

#include <algorithm>
#include <string>

#include "base/decimal.h"
#include "proxy/sale/lanes.h"
#include "proxy/sale/operation_text.h"
#include "proxy/sale/server_check.h"
#include "shelves/shelf_of.h"

namespace sluice::proxy::sale {

using upstream::Reply;

void Roster::look() {
  found_.clear();
  for (uint32_t shelf = 0; shelf < shared_.shelves; ++shelf) {
    ++under_way_;
    redis_.call({"HMGET", shelves::shelf_key(shelf), "@shelves", "@lanes"},
                [this, shelf](const Result<Reply>& reply) {
                  if (!reply) return;
                  // What Redis refuses here it refuses the gate too.
                  if (reply->size() == 2 && !look_at(shelf, *reply)) return;
                  answered();
                });
  }
}

void Roster::lost() {
  under_way_ = 0;
  waits_ = false;
}

// False: the program is about to end, and till then the gate must not begin.
bool Roster::look_at(uint32_t shelf, const Reply& fields) {
  const std::string_view number = fields.at(0).text();
  if (!number.empty() && number != std::to_string(shared_.shelves)) {
    shared_.fatal(other_shelves(redis_.endpoint().text(), number, shared_.shelves));
    return false;
  }
  std::string_view lanes = fields.at(1).text();
  const Lanes::Peers known = shared_.lanes->peers();
  while (!lanes.empty()) {
    uint64_t id = 0;
    const std::string lane(take_until(lanes, ','));
    const bool is_other = base::parse_decimal(lane, id) && lane != shared_.lane;
    if (!is_other || known.contains(id) || found_.contains(id)) continue;
    ++under_way_;
    redis_.call({"HMGET", shelves::shelf_key(shelf), "@forget:" + lane, "@member:" + lane,
                 "@lane:" + lane},
                [this, id](const Result<Reply>& reply) {
                  if (!reply) return;
                  if (!reply->is_error() && reply->size() == 3) meet(id, *reply);
                  answered();
                });
  }
  return true;
}

// Fields: whether it was given up, "journal …", "sequence journal …".
void Roster::meet(uint64_t lane, const Reply& fields) {
  if (!fields.at(0).is_nil()) return;
  std::string_view member = fields.at(1).text(), writer = fields.at(2).text();
  take_until(writer, ' ');
  std::string journal(Lanes::kUnknownJournal);
  for (std::string_view text : {member, writer}) {
    const std::string_view id = take_until(text, ' ');
    if (Lanes::is_journal_id(id)) journal = id;
  }
  found_.insert(lane);
  shared_.lanes->learn(lane, journal);
}

void Roster::answered() {
  if (--under_way_ > 0) return;
  waits_ = true;
  poll();
}

void Roster::poll() {
  if (!waits_) return;
  const Lanes::Peers known = shared_.lanes->peers();
  const bool all = std::all_of(found_.begin(), found_.end(),
                               [&](uint64_t lane) { return known.contains(lane); });
  if (!all) return;
  waits_ = false;
  complete_();
}

}  // namespace sluice::proxy::sale
