// One decided-in-Redis operation on one item, on its way from the client's session to its reply.
//
// Made by command.cc from a SECKILL command, owned in turn by the session's thread, the shelf's
// queue, the batch in flight and the commit; moved, never shared.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "proxy/sale/reply_sink.h"
#include "proxy/sale/under_way.h"

namespace sluice::proxy::sale {

// The letter is the operation's kind in the purchase script.
enum class Verb : char {
  kBuy = 'B',
  kCancel = 'C',
  kPay = 'P',
  kExpire = 'E',  // of this proxy's own making (holds.h)
  kQuery = 'Q',   // SECKILL.ORDER
  kStock = 'T',
  kRestock = 'R',
  kCreate = 'N',
  kChange = 'H',
  kClose = 'X',
  kReopen = 'O',
  kDelete = 'D',
};

// True if an accepted operation of this kind is a fact for the journal.
constexpr bool writes(Verb verb) { return verb != Verb::kQuery && verb != Verb::kStock; }

struct Operation {
  Verb verb = Verb::kStock;
  std::string item;
  std::string user;
  std::string request;    // "" : none
  int64_t quantity = 0;   // QTY, stock or delta; kCancel: 1 with REFUND; kExpire: its age in ms
  // kBuy: set when its batch is built; so is, of kCreate, what the item is born as; kCancel, kPay,
  // kQuery: the client's; kDelete: the checksum that the item must have, 0: none is known.
  uint64_t order_id = 0;
  int64_t limit = 0;  // kCreate, kChange, and so the next three; kChange: -1: as it was
  int64_t start_ms = 0;
  int64_t end_ms = 0;
  int64_t hold_ms = 0;   // kReopen: journal.retain, set when its batch is built
  std::string fields;    // kBuy: journal::append_field()
  int64_t wait_ms = -1;  // kQuery: SECKILL.WAITDB, so long until it is a row; -1: SECKILL.ORDER

  // Where the reply goes. A sink of nullptr (an order completed from its receipt) gets none.
  std::shared_ptr<ReplySink> sink;
  uint64_t token = 0;
  size_t thread = 0;        // the session's I/O thread
  int64_t received_us = 0;  // monotonic
  size_t reserved = 0;      // bytes of journal room taken for it
  UnderWay::Mark under_way;
};

}  // namespace sluice::proxy::sale
