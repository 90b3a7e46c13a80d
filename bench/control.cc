#include "bench/control.h"

namespace sluice::bench {
namespace {

constexpr timeval kTimeout{10, 0};

std::string text_of(const redisReply& reply) {
  if (reply.type == REDIS_REPLY_INTEGER) return std::to_string(reply.integer);
  return reply.str == nullptr ? std::string() : std::string(reply.str, reply.len);
}

redisContext* open_context(const std::string& address) {
  if (address.starts_with('/')) return redisConnectUnixWithTimeout(address.c_str(), kTimeout);
  const size_t colon = address.rfind(':');
  std::string host = address.substr(0, colon);
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  const int port = colon == std::string::npos ? 0 : std::atoi(address.c_str() + colon + 1);
  return redisConnectWithTimeout(host.c_str(), port, kTimeout);
}

}  // namespace

Result<Control> Control::connect(const std::string& address) {
  Control control(open_context(address));
  if (!control.context_) return Error(ErrorClass::kUnavailable, "out of memory");
  if (control.context_->err != 0) {
    return Error(ErrorClass::kUnavailable,
                 "connect to " + address + ": " + control.context_->errstr);
  }
  redisSetTimeout(control.context_.get(), kTimeout);
  return control;
}

Result<ControlReply> Control::command(const std::vector<std::string>& words) {
  std::vector<const char*> values;
  std::vector<size_t> lengths;
  for (const std::string& word : words) {
    values.push_back(word.data());
    lengths.push_back(word.size());
  }
  redisAppendCommandArgv(context_.get(), static_cast<int>(words.size()), values.data(),
                         lengths.data());
  auto reply = read();
  if (!reply) return reply.error().at(words[0]);
  return reply;
}

Status Control::pipeline(std::string_view encoded, size_t replies) {
  redisAppendFormattedCommand(context_.get(), encoded.data(), encoded.size());
  for (size_t i = 0; i < replies; ++i) {
    const auto reply = read();
    if (!reply) return reply.error();
  }
  return {};
}

Result<ControlReply> Control::read() {
  void* raw = nullptr;
  if (redisGetReply(context_.get(), &raw) != REDIS_OK) {
    return Error(ErrorClass::kUnavailable, context_->errstr);
  }
  const auto* reply = static_cast<const redisReply*>(raw);
  ControlReply result{text_of(*reply), {}};
  for (size_t i = 0; i < reply->elements; ++i) {
    result.elements.push_back(text_of(*reply->element[i]));
  }
  const bool error = reply->type == REDIS_REPLY_ERROR;
  freeReplyObject(raw);
  if (error) return Error(ErrorClass::kRefused, result.text);
  return result;
}

std::string info_field(std::string_view info, std::string_view name) {
  for (size_t at = 0; at < info.size();) {
    const size_t end = std::min(info.find("\r\n", at), info.size());
    const std::string_view line = info.substr(at, end - at);
    if (line.starts_with(name) && line.substr(name.size()).starts_with(':')) {
      return std::string(line.substr(name.size() + 1));
    }
    at = end + 2;
  }
  return {};
}

}  // namespace sluice::bench
