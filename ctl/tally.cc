#include "ctl/tally.h"

#include <boost/crc.hpp>

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

std::string print_sql(std::string_view order_id, std::string_view user, std::string_view quantity) {
  return "CRC32(CONCAT(" + std::string(order_id) + ", '/', " + std::string(user) + ", '/', " +
         std::string(quantity) + "))";
}

}  // namespace sluice::ctl
