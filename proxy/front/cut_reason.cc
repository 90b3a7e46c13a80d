#include "proxy/front/cut_reason.h"

namespace sluice::proxy::front {

std::string_view label(CutReason reason) {
  switch (reason) {
    case CutReason::kLoginTime: return "login_time";
    case CutReason::kLoginBuffer: return "login_buffer";
    case CutReason::kRequestTime: return "request_time";
    case CutReason::kQueryBuffer: return "query_buffer";
    case CutReason::kOutputBytes: return "output_bytes";
    case CutReason::kOutputTime: return "output_time";
    case CutReason::kClientMemory: return "client_memory";
    case CutReason::kMemory: return "memory";
    case CutReason::kReplyDepth: return "reply_depth";
    case CutReason::kHttp: return "http";
  }
  return "";
}

std::string_view explain(CutReason reason) {
  switch (reason) {
    case CutReason::kLoginTime: return "it has not logged in (limits.login_timeout)";
    case CutReason::kLoginBuffer: return "it sent too much before its login (limits.login_buffer)";
    case CutReason::kRequestTime:
      return "its command has been arriving for too long (limits.request_timeout)";
    case CutReason::kQueryBuffer:
      return "its unfinished command is too large (limits.query_buffer)";
    case CutReason::kOutputBytes:
      return "it does not read its replies (limits.client_output_max)";
    case CutReason::kOutputTime:
      return "it does not read its replies (limits.client_output_timeout)";
    case CutReason::kClientMemory: return "it takes too much memory (limits.client_memory)";
    case CutReason::kMemory: return "of all clients it holds most (limits.memory)";
    case CutReason::kReplyDepth: return "a reply for it is nested more than 128 deep";
    case CutReason::kHttp: return "it speaks HTTP; perhaps a browser was made to attack Redis";
  }
  return "";
}

}  // namespace sluice::proxy::front
