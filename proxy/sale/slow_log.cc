#include "proxy/sale/slow_log.h"

#include <algorithm>

#include "base/clock.h"
#include "resp/writer.h"

namespace sluice::proxy::sale {
namespace {

std::string_view name_of(Verb verb) {
  switch (verb) {
    case Verb::kBuy: return "SECKILL.BUY";
    case Verb::kCancel: return "SECKILL.CANCEL";
    case Verb::kPay:
      return "SECKILL.PAY";
    case Verb::kExpire:
      return "";  // nobody waits for it
    case Verb::kChange:
      return "SECKILL.CHANGE";
    case Verb::kQuery: return "SECKILL.ORDER";
    case Verb::kStock: return "SECKILL.STOCK";
    case Verb::kRestock: return "SECKILL.RESTOCK";
    case Verb::kCreate: return "SECKILL.CREATE";
    case Verb::kClose: return "SECKILL.CLOSE";
    case Verb::kDelete: return "SECKILL.DELETE";
    case Verb::kReopen: return "SECKILL.REOPEN";
  }
  return "";
}

}  // namespace

void SlowLog::configure(int64_t slower_than_us, size_t entries_max) {
  std::lock_guard lock(mutex_);
  slower_than_us_ = slower_than_us;
  entries_max_ = entries_max;
  if (entries_.size() > entries_max_) entries_.resize(entries_max_);
}

void SlowLog::add(const Operation& op, int64_t took_us) {
  std::lock_guard lock(mutex_);
  entries_.push_front({next_id_++, base::wall_ms() / 1000, took_us, std::string(name_of(op.verb)),
                       op.item, op.user});
  if (entries_.size() > entries_max_) entries_.pop_back();
}

size_t SlowLog::size() const {
  std::lock_guard lock(mutex_);
  return entries_.size();
}

void SlowLog::reset() {
  std::lock_guard lock(mutex_);
  entries_.clear();
}

std::string SlowLog::get(size_t count) const {
  std::lock_guard lock(mutex_);
  std::string out;
  const size_t shown = std::min(count, entries_.size());
  resp::append_array_header(out, shown);
  for (size_t i = 0; i < shown; ++i) {
    const Entry& entry = entries_[i];
    resp::append_array_header(out, 4);
    resp::append_integer(out, entry.id);
    resp::append_integer(out, entry.unix_s);
    resp::append_integer(out, entry.took_us);
    resp::append_array_header(out, entry.user.empty() ? 2 : 3);
    resp::append_bulk(out, entry.verb);
    resp::append_bulk(out, entry.item);
    if (!entry.user.empty()) resp::append_bulk(out, entry.user);
  }
  return out;
}

}  // namespace sluice::proxy::sale
