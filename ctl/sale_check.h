// What `sluice-ctl sale check` looks at, and how it judges that: as doctor does, gathering asks and
// judges nothing, a check asks nothing.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ctl/admin_target.h"
#include "ctl/doctor.h"

namespace sluice::ctl {

// An item as Redis has it, and its row in MySQL.
struct ReadyItem {
  struct Row {
    int64_t stock = 0, sold = 0;
  };

  std::string name;
  int64_t stock = 0, sold = 0, start_ms = 0, end_ms = 0;
  bool is_open = true;
  std::optional<Row> row;

  int64_t remaining() const { return stock - sold; }
  bool agrees() const { return row && row->stock == stock && row->sold == sold; }
};

struct ReadyServer {
  AdminTarget target;
  std::string trouble;    // it does not answer
  std::string not_ready;  // why; "": it is ready
  bool is_paused = false;
  int64_t backlog_records = 0;

  std::string where() const { return std::string(word_of(target.kind)) + " at " + target.url; }
};

struct SaleFacts {
  doctor::Gathered gathered;
  std::vector<ReadyServer> servers;
  std::vector<ReadyItem> items;
  std::vector<std::string> unknown;          // items that were asked for and that are not there
  std::string front_trouble, items_trouble;  // why the proxy, or MySQL, does not tell of them
  int64_t now_ms = 0;

  int64_t orders() const;       // that may come: units that are left
  int64_t order_bytes() const;  // what one takes in the journal, as it is or as it is documented
};

doctor::Findings examine_sale(const SaleFacts& facts);  // sale_checks.cc

}  // namespace sluice::ctl
