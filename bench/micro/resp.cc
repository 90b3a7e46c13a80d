// What a client's bytes and Redis's bytes cost the proxy.
#include <algorithm>
#include <string>

#include "bench/micro/samples.h"
#include "bench/micro/suite.h"
#include "proxy/sale/replies.h"
#include "resp/reply_scanner.h"
#include "resp/request_parser.h"
#include "resp/writer.h"

namespace sluice::bench::micro {
namespace {

constexpr size_t kCommands = 64;  // in one read of a client's socket
constexpr size_t kReplyRounds = 32;
constexpr size_t kChunkBytes = 16 << 10;  // of what Redis sends, as it arrives

void parse_requests(benchmark::State& state) {
  const std::string stream = purchase_commands(kCommands);
  const resp::RequestLimits limits;
  resp::RequestParser parser(limits);
  int64_t commands = 0;
  for (auto _ : state) {
    std::string_view rest = stream;
    while (!rest.empty() && parser.parse(rest) == resp::RequestParser::State::kCommand) {
      ++commands;
      rest.remove_prefix(parser.consumed());
      parser.next();
    }
  }
  const auto wanted = static_cast<int64_t>(kCommands) * state.iterations();
  expect(state, commands == wanted, "commands are missing");
  state.SetItemsProcessed(commands);
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(stream.size()));
}

// What Redis answers to applications: simple strings, integers, values, nils, lists.
std::string replies(size_t& count) {
  std::string out;
  for (size_t i = 0; i < kReplyRounds; ++i) {
    resp::append_simple(out, "OK");
    resp::append_integer(out, static_cast<int64_t>(i * 1000));
    resp::append_bulk(out, std::string(3, 'v'));
    resp::append_bulk(out, std::string(100, 'v'));
    resp::append_null(out, 2);
    resp::append_array_header(out, 4);
    for (int element = 0; element < 4; ++element) resp::append_bulk(out, "element");
  }
  count = kReplyRounds * 6;
  return out;
}

void scan_replies(benchmark::State& state) {
  size_t count = 0;
  const std::string stream = replies(count);
  resp::ReplyScanner scanner;
  int64_t found = 0;
  for (auto _ : state) {
    for (size_t at = 0; at < stream.size(); at += kChunkBytes) {
      std::string_view chunk = std::string_view(stream).substr(at, kChunkBytes);
      while (!chunk.empty()) {
        const auto slice = scanner.scan(chunk, SIZE_MAX);
        if (slice.broken) break;
        found += static_cast<int64_t>(slice.replies);
        chunk.remove_prefix(slice.bytes);
      }
    }
  }
  expect(state, found == static_cast<int64_t>(count) * state.iterations(), "replies are missing");
  state.SetItemsProcessed(found);
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(stream.size()));
}

void encode_replies(benchmark::State& state) {
  const auto operations = purchase_operations(kCommands);
  proxy::sale::Verdict verdict;
  verdict.kind = proxy::sale::Verdict::Kind::kAccepted;
  verdict.remaining = 123'456;
  size_t bytes = 0;
  std::string reply;
  for (auto _ : state) {
    for (const proxy::sale::Operation& op : operations) {
      reply.clear();
      proxy::sale::append_reply(reply, op, verdict, "disk");
      bytes += reply.size();
    }
  }
  expect(state, bytes > 0, "no reply was encoded");
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kCommands));
}

}  // namespace

void add_resp(const Suite& suite) {
  suite.add("request_parser", parse_requests);
  suite.add("reply_scanner", scan_replies);
  suite.add("reply_encode", encode_replies);
}

}  // namespace sluice::bench::micro
