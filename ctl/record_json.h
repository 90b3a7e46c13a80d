// A journal record, or an item of a snapshot, as one line of JSON, for `journal dump` and whoever
// pipes it into jq.
#pragma once

#include <string>

#include "journal/record.h"
#include "journal/snapshot.h"

namespace sluice::ctl {

// Without a newline. Numbers that JavaScript cannot hold (order_id) are strings; members that say
// nothing for the record's type are left out. A text that is not valid UTF-8 becomes
// {"base64": "…"}, so that every line is valid JSON and no byte is lost.
std::string record_json(const journal::Record& record);
std::string item_json(const journal::ItemKey& key, const journal::ItemState& item);

}  // namespace sluice::ctl
