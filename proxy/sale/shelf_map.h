// The shelves of one owner thread, and which thread owns which: the shelf's number modulo the
// threads.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "proxy/sale/shelf.h"
#include "shelves/shelf_of.h"

namespace sluice::proxy::sale {

class ShelfMap {
 public:
  // Of the thread with this index: its shelves, of `count` in all. `lane`: proxy.id.
  ShelfMap(uint32_t count, size_t threads, size_t index, std::string_view lane)
      : count_(count), threads_(threads) {
    for (auto number = static_cast<uint32_t>(index); number < count;
         number += static_cast<uint32_t>(threads)) {
      shelves_.push_back(std::make_unique<Shelf>(number, lane));
    }
  }

  static size_t owner_of(std::string_view item, uint32_t count, size_t threads) {
    return shelves::shelf_of(item, count) % threads;
  }
  // Of an item that this thread owns.
  Shelf& of(std::string_view item) { return at(shelves::shelf_of(item, count_)); }
  // By its number.
  Shelf& at(uint32_t number) { return *shelves_[number / threads_]; }

  size_t size() const { return shelves_.size(); }
  auto begin() const { return shelves_.begin(); }
  auto end() const { return shelves_.end(); }

 private:
  const uint32_t count_;
  const size_t threads_;
  std::vector<std::unique_ptr<Shelf>> shelves_;  // by number
};

}  // namespace sluice::proxy::sale
