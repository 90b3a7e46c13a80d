// A double-ended queue that allocates nothing until something is put in: std::deque takes over half
// a kilobyte at once, and a proxy has up to thousands of shelves with several queues each.
#pragma once

#include <boost/container/deque.hpp>

namespace sluice::proxy::sale {

template <class Element>
using Queue = boost::container::deque<Element>;

}  // namespace sluice::proxy::sale
