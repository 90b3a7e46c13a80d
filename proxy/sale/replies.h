// Outcomes of the contract as RESP bytes; the same bytes in RESP2 and RESP3.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "proxy/sale/operation.h"
#include "proxy/sale/verdict.h"

namespace sluice::proxy::sale {

// `durability`: "memory", "disk" or "database", of the order that the reply names.
void append_reply(std::string& out, const Operation& op, const Verdict& verdict,
                  std::string_view durability);

// To a purchase, where `remaining` are too few for it.
std::string sold_out_reply(int64_t remaining);

// To SECKILL.WAITDB.
std::string wait_row_reply();
std::string wait_timeout_reply();
std::string wait_dead_letter_reply(uint32_t code, std::string_view text);

// "-PREFIX message\r\n"; line breaks in the message become spaces.
std::string error_reply(std::string_view prefix, std::string_view message);

}  // namespace sluice::proxy::sale
