// Why the proxy cuts a client off: for the log, and for sluice_clients_cut_total{reason}.
#pragma once

#include <cstdint>
#include <string_view>

namespace sluice::proxy::front {

enum class CutReason : uint8_t {
  kLoginTime,     // not logged in within limits.login_timeout
  kLoginBuffer,   // more than limits.login_buffer before it logged in
  kRequestTime,   // its command is not complete after limits.request_timeout
  kQueryBuffer,   // its command is larger than limits.query_buffer
  kOutputBytes,   // more than limits.client_output_max of unread replies
  kOutputTime,    // has read no reply for limits.client_output_timeout
  kClientMemory,  // holds more than limits.client_memory
  kMemory,        // held most when limits.memory was used up
  kReplyDepth,    // asked for a reply nested deeper than 128
  kHttp,          // a web browser was tricked into talking to us
};
constexpr size_t kCutReasons = static_cast<size_t>(CutReason::kHttp) + 1;

std::string_view label(CutReason reason);    // "login_time"
std::string_view explain(CutReason reason);  // behind "client … is cut: "

}  // namespace sluice::proxy::front
