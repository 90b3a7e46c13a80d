#include "base/bytes.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#include "base/error.h"

namespace sluice::base {
namespace {

constexpr size_t kCapacityMin = 64;
// From this size on realloc() moves pages, so growing often is cheap and doubling a waste.
constexpr size_t kLarge = 1024 * 1024;
constexpr size_t kLittle = 16;  // of the capacity, one part in

}  // namespace

Bytes::~Bytes() { std::free(block_); }

void Bytes::append(std::string_view bytes) {
  if (bytes.empty()) return;
  if (capacity_ - end_ < bytes.size()) make_room(bytes.size());
  std::memcpy(block_ + end_, bytes.data(), bytes.size());
  end_ += bytes.size();
}

void Bytes::erase_front(size_t n) {
  SLUICE_ASSERT(n <= size(), "more bytes erased than there are");
  begin_ += n;
  if (begin_ == end_) return clear();
  // Moved only when little is left, so that no call takes long; else append() does when it must.
  if (size() > capacity_ / kLittle) return;
  std::memmove(block_, block_ + begin_, size());
  end_ = size();
  begin_ = 0;
  if (capacity_ >= kLarge) resize_block(end_ * 2);
}

void Bytes::release() {
  std::free(block_);
  block_ = nullptr;
  begin_ = end_ = capacity_ = 0;
}

void Bytes::make_room(size_t n) {
  // As many bytes have left as stay: each is moved once on average.
  if (begin_ >= size() && begin_ > 0) {
    if (!empty()) std::memmove(block_, block_ + begin_, size());
    end_ = size();
    begin_ = 0;
    if (capacity_ - end_ >= n) return;
  }
  const size_t needed = end_ + n;
  const size_t spare = needed < kLarge ? needed : needed / 8;
  resize_block(std::max(kCapacityMin, needed + spare));
}

void Bytes::resize_block(size_t capacity) {
  void* block = std::realloc(block_, capacity);
  if (block == nullptr) throw std::bad_alloc();
  block_ = static_cast<char*>(block);
  capacity_ = capacity;
}

}  // namespace sluice::base
