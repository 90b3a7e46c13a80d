// The items that sell most of late, and whether any of them is oversold.
//
//   ItemBoard ─take()─► ranking ─the best, once a second─► SECKILL.STOCK ─► Redis's numbers
//                                ─every five seconds────► the flusher ────► MySQL's numbers
//
// It asks only while somebody looks. What was sold counts less by half every half a minute, so that
// an item that sold out a while ago is still there. The guard of an item:
//
//   OVERSOLD   more is sold than there is, as Redis or MySQL has it
//   DIFFERS    nothing has moved for a while and all is drained, and yet Redis and MySQL do not
//              agree; only where this proxy sells alone, since of another's backlog it knows
//              nothing
//   OK         neither
//   UNKNOWN    Redis has not told yet
//
// The monitor's thread calls look(); any may read.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "proxy/monitor/drain_source.h"
#include "proxy/sale/item_board.h"

namespace sluice::proxy::monitor {

struct Stock {
  int64_t stock = 0, sold = 0, remaining = 0;
  std::string state;
};
// The reply of SECKILL.STOCK; nullopt: it is another.
std::optional<Stock> parse_stock(std::string_view reply);

struct WatchedItem {
  std::string name;
  double sold_per_s = 0;
  std::optional<Stock> redis;
  struct Row {
    int64_t stock = 0, sold = 0;
  };
  std::optional<Row> mysql;
  std::string_view guard = "UNKNOWN";
};

class ItemWatch {
 public:
  static constexpr size_t kShown = 12;

  // Asks the sale for an item's stock; `done` is called later, on any thread, with the RESP reply.
  using Ask = std::function<void(const std::string& item, std::function<void(std::string)> done)>;
  ItemWatch(Ask ask, DrainSource& drain);

  // What was sold in the last `seconds`. `is_settled`: all is drained, and this proxy sells alone.
  void look(const std::vector<sale::ItemBoard::Sold>& sold, double seconds, bool is_watched,
            bool is_settled);
  // The best of them, the first one first.
  std::vector<WatchedItem> top() const;

 private:
  struct Entry {
    WatchedItem item;
    double weight = 0;
    bool is_asked = false;  // Redis; the answer has not come yet
    int differs = 0;        // looks at MySQL, one after the other, that found the same difference
    int64_t difference = 0;
    bool is_quiet = false;  // nothing was sold in the last look, and all is drained
  };
  // Answers may come when the watch has gone.
  struct Board {
    std::mutex mutex;
    std::map<std::string, Entry> entries;  // guarded by mutex
    bool mysql_asked = false;              // guarded by mutex
  };
  static constexpr size_t kKept = 1024;
  static constexpr int kMysqlEveryLooks = 5;

  static std::vector<const Entry*> ranked(const Board& board);
  void weigh(const std::vector<sale::ItemBoard::Sold>& sold, double seconds, bool is_settled);
  void ask_redis(const std::string& name);
  void ask_mysql(const std::vector<std::string>& names);
  static void take_rows(Board& board, const std::vector<std::string>& names,
                        const Result<boost::json::object>& rows);
  static void judge(Entry& entry);

  const Ask ask_;
  DrainSource& drain_;
  const std::shared_ptr<Board> board_ = std::make_shared<Board>();
  int looks_ = 0;  // since MySQL was asked
};

}  // namespace sluice::proxy::monitor
