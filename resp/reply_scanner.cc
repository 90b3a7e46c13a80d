#include "resp/reply_scanner.h"

#include <algorithm>

namespace sluice::resp {

ReplyScanner::Slice ReplyScanner::scan(std::string_view chunk, size_t replies_max) {
  Slice slice;
  slice.broken = broken_;  // once and for all: where anything ends is no longer known
  while (!broken_ && slice.bytes < chunk.size()) {
    if (at_border_) {
      const bool push = chunk[slice.bytes] == '>';
      if (push && slice.bytes > 0) return slice;  // the replies before it first
      push_ = push;
      at_border_ = deep_ = false;
    }
    slice.push = push_;
    slice.bytes += take(chunk.substr(slice.bytes));
    slice.deep |= deep_;
    if (broken_) {
      slice.broken = true;
      return slice;
    }
    if (!reply_ended_) continue;
    reply_ended_ = false;
    at_border_ = true;
    ++slice.replies;
    if (push_ || slice.replies == replies_max) return slice;
  }
  return slice;
}

void ReplyScanner::reset() { *this = ReplyScanner(); }

// Understands at least one byte of `rest`; returns how many.
size_t ReplyScanner::take(std::string_view rest) {
  switch (step_) {
    case Step::kType: begin(rest[0]); return 1;
    case Step::kNumber: return take_number(rest);
    case Step::kLine: {
      const size_t newline = rest.find('\n');
      if (newline == std::string_view::npos) return rest.size();
      element_ended();
      return newline + 1;
    }
    case Step::kBulk: break;
  }
  const size_t taken = static_cast<size_t>(std::min<int64_t>(bulk_left_, rest.size()));
  bulk_left_ -= static_cast<int64_t>(taken);
  if (bulk_left_ == 0) {
    if (in_streamed_string_)
      step_ = Step::kType;  // the next ';' chunk
    else
      element_ended();
  }
  return taken;
}

void ReplyScanner::begin(char type) {
  type_ = type;
  const bool chunk = type == ';';
  if (chunk != in_streamed_string_) {
    broken_ = true;
    return;
  }
  switch (type) {
    case '+': case '-': case ':': case '_': case '#': case ',': case '(': case '.':
      step_ = Step::kLine;
      // The end of a streamed aggregate is told by '.' alone; its line holds nothing else.
      if (type == '.' && (frames_.empty() || frames_.back().left != -1)) broken_ = true;
      return;
    case '$': case '=': case '!': case ';': case '*': case '~': case '%': case '>': case '|':
      step_ = Step::kNumber;
      number_ = 0;
      digits_ = 0;
      negative_ = streamed_ = false;
      return;
    default: broken_ = true;
  }
}

size_t ReplyScanner::take_number(std::string_view rest) {
  for (size_t i = 0; i < rest.size(); ++i) {
    const char c = rest[i];
    if (c >= '0' && c <= '9' && digits_ < 18) {
      number_ = number_ * 10 + (c - '0');
      ++digits_;
    } else if (c == '-' && digits_ == 0 && !negative_) {
      negative_ = true;
    } else if (c == '?' && digits_ == 0) {
      streamed_ = true;
    } else if (c == '\n' && (digits_ > 0 || streamed_)) {
      number_ended();
      return i + 1;
    } else if (c != '\r') {
      broken_ = true;
      return i + 1;
    }
  }
  return rest.size();
}

void ReplyScanner::number_ended() {
  step_ = Step::kType;
  switch (type_) {
    case '$': case '=': case '!':
      if (streamed_) {
        in_streamed_string_ = true;
      } else if (negative_) {
        element_ended();  // "$-1", RESP2's null
      } else {
        bulk_left_ = number_ + 2;
        step_ = Step::kBulk;
      }
      return;
    case ';':
      if (number_ == 0) {
        in_streamed_string_ = false;
        element_ended();
      } else {
        bulk_left_ = number_ + 2;
        step_ = Step::kBulk;
      }
      return;
    case '|': open_aggregate(number_ * 2, true); return;
    case '%': open_aggregate(streamed_ ? -1 : number_ * 2, false); return;
    case '>': {
      const bool inner = !frames_.empty() && !streamed_ && !negative_ && !inner_pushes_count_;
      if (inner) return open_aggregate(number_, true);
      [[fallthrough]];
    }
    default:
      if (negative_)
        element_ended();  // "*-1"
      else
        open_aggregate(streamed_ ? -1 : number_, false);
  }
}

void ReplyScanner::open_aggregate(int64_t elements, bool attribute) {
  if (elements == 0) {
    if (!attribute) element_ended();
    return;
  }
  if (frames_.size() < kDepthMax) return frames_.push_back({elements, attribute});
  // To find the end it is enough to count: its elements stand for it in the aggregate around it.
  deep_ = true;
  int64_t& left = frames_.back().left;
  const int64_t more = attribute ? elements : elements - 1;
  const bool countable = elements > 0 && left > 0 && left <= INT64_MAX - more;
  if (countable) left += more;
  else broken_ = true;
}

// One element is whole; that may end the aggregates around it, and the reply with the outermost.
void ReplyScanner::element_ended() {
  step_ = Step::kType;
  if (type_ == '.') frames_.pop_back();  // the aggregate it ends is the element
  while (!frames_.empty()) {
    Frame& top = frames_.back();
    if (top.left == -1) return;
    if (--top.left > 0) return;
    const bool attribute = top.attribute;
    frames_.pop_back();
    if (attribute) return;  // its element is still to come
  }
  reply_ended_ = true;
}

}  // namespace sluice::resp
