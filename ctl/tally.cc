#include "ctl/tally.h"

#include <boost/crc.hpp>

#include "base/error.h"

namespace sluice::ctl {

void Tally::add(uint64_t order_id, std::string_view user, int64_t quantity) {
  std::string text = std::to_string(order_id);
  text += '/';
  text += user;
  text += '/';
  text += std::to_string(quantity);
  boost::crc_32_type crc;
  crc.process_bytes(text.data(), text.size());
  *this += {1, quantity, static_cast<uint32_t>(crc.checksum())};
}

Tally& Tally::operator+=(const Tally& other) {
  orders += other.orders;
  units += other.units;
  print ^= other.print;
  return *this;
}

// Numbers that were added wrap around and back.
Tally& Tally::operator-=(const Tally& other) {
  orders -= other.orders;
  units -= other.units;
  print ^= other.print;
  return *this;
}

Tally Sales::over() const {
  Tally sum = cancelled;
  return sum += expired;
}

Tally& of_status(Sales& sales, orders::OrderStatus status) {
  SLUICE_ASSERT(status != orders::OrderStatus::kPlaced, "what is placed is not counted alone");
  return status == orders::OrderStatus::kPaid        ? sales.paid
         : status == orders::OrderStatus::kCancelled ? sales.cancelled
                                                     : sales.expired;
}

bool same_orders(const Sales& a, const Sales& b) {
  return a.bought == b.bought && a.paid == b.paid && a.cancelled == b.cancelled &&
         a.expired == b.expired;
}

void add_orders(Sales& sales, const Sales& more) {
  sales.bought += more.bought;
  sales.paid += more.paid;
  sales.cancelled += more.cancelled;
  sales.expired += more.expired;
}

void add_order(Sales& sales, const journal::Record& record) {
  using journal::RecordType;
  Tally one;
  one.add(record.order_id, record.user, record.quantity);
  switch (record.type) {
    case RecordType::kBuy:
      sales.bought += one;
      break;
    case RecordType::kPay:
      sales.paid += one;
      break;
    case RecordType::kRefund:
      sales.paid -= one;
      sales.cancelled += one;
      break;
    case RecordType::kCancel:
      sales.cancelled += one;
      break;
    case RecordType::kExpire:
      sales.expired += one;
      break;
    default:
      break;
  }
}

std::string print_sql(std::string_view order_id, std::string_view user, std::string_view quantity) {
  return "CRC32(CONCAT(" + std::string(order_id) + ", '/', " + std::string(user) + ", '/', " +
         std::string(quantity) + "))";
}

}  // namespace sluice::ctl
