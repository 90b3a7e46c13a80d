#include "proxy/sale/msgpack.h"

namespace sluice::proxy::sale {
namespace {

void append_big_endian(std::string& out, uint64_t value, int bytes) {
  for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8) {
    out += static_cast<char>(value >> shift & 0xff);
  }
}

void append_tagged(std::string& out, uint8_t tag, uint64_t value, int bytes) {
  out += static_cast<char>(tag);
  append_big_endian(out, value, bytes);
}

}  // namespace

void append_array_header(std::string& out, uint32_t elements) {
  append_tagged(out, 0xdd, elements, 4);
}

void append_string(std::string& out, std::string_view text) {
  if (text.size() < 32) {
    out += static_cast<char>(0xa0 | text.size());
  } else if (text.size() <= 0xffff) {
    append_tagged(out, 0xda, text.size(), 2);
  } else {
    append_tagged(out, 0xdb, text.size(), 4);
  }
  out += text;
}

void append_integer(std::string& out, int64_t number) {
  if (number >= 0 && number < 128) {
    out += static_cast<char>(number);
  } else {
    append_tagged(out, 0xd3, static_cast<uint64_t>(number), 8);
  }
}

uint64_t MsgpackReader::take(size_t bytes) {
  if (!ok_ || bytes_.size() < bytes) {
    ok_ = false;
    return 0;
  }
  uint64_t value = 0;
  for (size_t i = 0; i < bytes; ++i) value = value << 8 | static_cast<uint8_t>(bytes_[i]);
  bytes_.remove_prefix(bytes);
  return value;
}

uint32_t MsgpackReader::array_header() {
  if (tag() != 0xdd) ok_ = false;
  return static_cast<uint32_t>(take(4));
}

std::string_view MsgpackReader::string() {
  const uint8_t kind = tag();
  size_t length = 0;
  if ((kind & 0xe0) == 0xa0) {
    length = kind & 0x1f;
  } else if (kind == 0xda) {
    length = take(2);
  } else if (kind == 0xdb) {
    length = take(4);
  } else {
    ok_ = false;
  }
  if (!ok_ || bytes_.size() < length) {
    ok_ = false;
    return {};
  }
  const std::string_view text = bytes_.substr(0, length);
  bytes_.remove_prefix(length);
  return text;
}

int64_t MsgpackReader::integer() {
  const uint8_t kind = tag();
  if (kind < 128) return kind;
  if (kind != 0xd3) ok_ = false;
  return static_cast<int64_t>(take(8));
}

}  // namespace sluice::proxy::sale
