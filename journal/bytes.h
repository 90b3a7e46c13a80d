// Little-endian numbers in byte strings.
#pragma once

#include <cstring>
#include <string>
#include <string_view>

#include "journal/format.h"

namespace sluice::journal {

template <class Number>
void put(std::string& out, Number number) {
  char bytes[sizeof number];
  std::memcpy(bytes, &number, sizeof number);
  out.append(bytes, sizeof number);
}

// The caller has checked that `offset + sizeof(Number)` lies within `bytes`.
template <class Number>
Number get(std::string_view bytes, size_t offset) {
  Number number;
  std::memcpy(&number, bytes.data() + offset, sizeof number);
  return number;
}

}  // namespace sluice::journal
