// Finds one command after the other in the bytes that a client sent: RESP arrays of bulk strings
// and inline commands, with Redis 7.0's rules and error texts (networking.c, sds.c).
//
// The parser owns no input. The caller shows it the bytes from the first one of the current command
// on; if they do not hold the whole command, it shows the same bytes and more later, at whatever
// address, and the parser goes on where it stopped. It reads a multibulk command exactly as Redis
// does, so the raw bytes can be forwarded as they are; an inline command must be re-encoded.
//
// Memory: two words for each argument that has arrived, nothing for those only announced.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "resp/limits.h"

namespace sluice::resp {

class RequestParser {
 public:
  enum class State {
    kNeedMore,  // show the same bytes again with more behind them
    kCommand,   // args(), raw() and consumed() speak of a whole command
    kError,     // error() is for the client; the connection must be closed after it
  };

  explicit RequestParser(const RequestLimits& limits) : limits_(&limits) {}

  // Whether the client has logged in, if it must; the narrow limits hold until then.
  void set_authenticated(bool authenticated) { authenticated_ = authenticated; }

  // `data` starts at the first byte that next() has not yet put behind.
  State parse(std::string_view data);

  // Valid until the next parse() or next(), and while the bytes shown stay where they are.
  std::span<const std::string_view> args() const { return args_; }
  // The command's own bytes, without the empty commands before it.
  std::string_view raw() const { return {base_ + start_, position_ - start_}; }
  bool is_inline() const { return inline_; }
  // After kCommand: the bytes up to the end of this command.
  size_t consumed() const { return position_; }
  // "ERR Protocol error: …", without the dash and the line end.
  const std::string& error() const { return error_; }

  // After kCommand: the next parse() starts behind the bytes consumed().
  void next();
  // After kNeedMore: how many bytes before the current command were empty commands. The caller
  // drops them; the next parse() starts behind them.
  size_t drop_skipped();

  // What the arguments found take; they themselves lie in the bytes shown, but for those of an
  // inline command, which are gone with next().
  size_t memory_bytes() const {
    return args_.capacity() * sizeof(std::string_view) +
           inline_args_.capacity() * sizeof(std::string);
  }

 private:
  static constexpr size_t kKeptArguments = 1024;
  static constexpr size_t kKeptInlineArguments = 32;

  enum class Step { kStart, kHeader, kArgument };

  State parse_inline(std::string_view data);
  State parse_header(std::string_view data);
  State parse_arguments(std::string_view data);
  State parse_bulk_header(std::string_view rest);
  bool split_inline(std::string_view line);
  void rebase(const char* base);
  State fail(std::string_view text);

  const RequestLimits* limits_;
  const char* base_ = nullptr;  // where the bytes of the last parse() began
  size_t start_ = 0;            // offset of the current command
  size_t position_ = 0;         // offset of the first byte not yet understood
  Step step_ = Step::kStart;
  bool inline_ = false;
  bool authenticated_ = true;
  int64_t arguments_left_ = 0;
  int64_t bulk_bytes_ = -1;  // of the argument whose header has been read; -1: read a header
  std::vector<std::string_view> args_;
  std::vector<std::string> inline_args_;
  std::string error_;
};

// Redis's string2ll: a decimal int64 without '+', leading zeros or spaces.
bool parse_strict_integer(std::string_view text, int64_t& value);

}  // namespace sluice::resp
