// A byte buffer for what a peer sends or has not yet read: from a few bytes to a gigabyte.
//
// Unlike std::string it grows by realloc(), which moves the pages of a large block instead of
// copying them (mremap), and by an eighth once it is large: a buffer of a gigabyte neither stalls
// its thread nor takes two gigabytes while it grows. Bytes leave at the front without the rest
// being moved each time. capacity() is what the process pays.
//
// Not synchronised. Views and data() are valid until the next change.
#pragma once

#include <cstddef>
#include <string_view>

namespace sluice::base {

class Bytes {
 public:
  Bytes() = default;
  ~Bytes();
  Bytes(const Bytes&) = delete;
  Bytes& operator=(const Bytes&) = delete;

  const char* data() const { return block_ + begin_; }
  size_t size() const { return end_ - begin_; }
  bool empty() const { return end_ == begin_; }
  size_t capacity() const { return capacity_; }
  operator std::string_view() const { return {data(), size()}; }
  friend bool operator==(const Bytes& bytes, std::string_view text) {
    return std::string_view(bytes) == text;
  }

  // `bytes` must not lie in this buffer. Throws std::bad_alloc as std::string does.
  void append(std::string_view bytes);
  // The first `n` <= size() bytes. Memory goes back when little of a large buffer is left.
  void erase_front(size_t n);
  // Keeps the memory.
  void clear() { begin_ = end_ = 0; }
  // Gives the memory back.
  void release();

 private:
  void make_room(size_t n);
  void resize_block(size_t capacity);

  char* block_ = nullptr;
  size_t begin_ = 0;
  size_t end_ = 0;
  size_t capacity_ = 0;
};

}  // namespace sluice::base
