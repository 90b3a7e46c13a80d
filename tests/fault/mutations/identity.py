"""Planted bugs about who writes, which history this is, and what MySQL has seen."""

from .kinds import Gtest, Mutation, Pytest

IDENTITY = (
    Mutation(
        "identity: fingerprints are not compared with MySQL's", "flusher/registration.cc",
        "if ((*found)[static_cast<size_t>(at)] == row.fingerprint) continue;", "continue;",
        (Gtest("test_flusher", "RegistrationTest.AFolderThatWas*:RegistrationTest.OfTwoClones*"),)),
    Mutation(
        "identity: one proxy.id may be two journals'", "flusher/registration.cc",
        "if (row[0] != id) {", "if (false) {",
        (Gtest("test_flusher", "RegistrationTest.ASecondJournal*"),)),
    Mutation(
        "identity: a cancel changes whoever's row has the number", "flusher/transaction.cc",
        "(*row)[1] == order.item && (*row)[2] == order.user;", "true;",
        (Gtest("test_flusher", "RegistrationTest.ACancelNever*"),)),
    Mutation(
        "identity: a second flusher takes the folder", "flusher/flush_loop.cc",
        "if (lock_) return {};", "return {};",
        (Gtest("test_flusher", "RegistrationTest.ASecondFlusher*"),)),
    Mutation(
        "identity: tables that cannot roll back are taken", "flusher/start_up.cc",
        "if (found.empty()) return {};", "return {};",
        (Gtest("test_flusher", "RegistrationTest.ATable*"),)),
    Mutation(
        "identity: frames of another copy pass", "journal/examine.cc",
        "if (header.fingerprint != result_.fingerprint) {", "if (false) {",
        (Gtest("test_journal", "FingerprintTest.AFrameOfAnotherCopy*"),)),
    Mutation(
        "identity: a snapshot of another copy passes", "journal/snapshot.cc",
        "if (header.fingerprint == snapshot.fingerprint) continue;", "continue;",
        (Gtest("test_journal", "FingerprintTest.ASnapshot*"),)),
    Mutation(
        "identity: what a flusher refuses is sold on", "proxy/sale/coalescer.cc",
        "if (writes(op.verb) && shared_.veto.stands()) {", "if (false) {",
        (Pytest("tests/fault/test_histories.py", "rolled_back_sells"),)),
    Mutation(
        "identity: a folder older than its Redis is sold from", "proxy/sale/gate_answers.cc",
        "if (!entry_of(shelf).ever_opened) {", "if (false) {",
        (Gtest("test_sale", "RefusedSaleTest.AJournalThatIsOlder*"),)),
    Mutation(
        "identity: a lane leaves the gate before it is noted where it stood",
        "proxy/sale/scripts/gate.lua",
        "local is_noted = last_noted == tonumber(epoch) or not has(wait, lane)",
        "local is_noted = true",
        (Pytest("tests/fault/test_histories.py", "what_redis_lost"),)),
    Mutation(
        "identity: a clock out of its bounds is sold by", "proxy/sale/coalescer.cc",
        "if (!shared_.clock.is_good(now_ms))", "if (false)",
        (Pytest("tests/fault/test_clocks.py", "jumps"),)),
    Mutation(
        "identity: records of the future wait for their time", "flusher/trigger.cc",
        "const bool is_of_future = now.oldest_in_future && max_age_us != 0;",
        "const bool is_of_future = false;",
        (Pytest("tests/fault/test_clocks.py", "ahead_is_drained"),)),
    Mutation(
        "identity: a flusher of another copy is believed", "proxy/flusher_link.cc",
        "last >= 0 && static_cast<uint64_t>(last) < written_before_", "false",
        (Pytest("tests/fault/test_histories.py", "left_on_the_old_folder"),)),
    Mutation(
        "identity: a proxy is forgotten whose sales nobody else proves", "ctl/peers.cc",
        "if (*held == 0) return {};", "return {};",
        (Pytest("tests/system/test_ways_back.py", "retired_proxy"),)),
    Mutation(
        "identity: a shelf sells before the receipts of all are read", "proxy/sale/gate.cc",
        "entry.is_due = shared_.unmet > 0;", "entry.is_due = false;",
        (Pytest("tests/fault/test_clocks.py", "receipts_of_all"),)),
    Mutation(
        "identity: a journal put back with its Redis brings others to sell", "proxy/sale/gate.cc",
        "(shared_.unproven || shared_.veto.stands())", "false",
        (Pytest("tests/fault/test_histories.py", "nobody_sells_before"),)),
    Mutation(
        "identity: ids stay below those of another proxy's item", "proxy/sale/coalescer.cc",
        "shared_.order_ids->raise_above(answer.born);", ";",
        (Pytest("tests/fault/test_clocks.py", "above_that_of_its_item"),)),
    Mutation(
        "identity: a row of a restock alone passes for one of the creation", "ctl/evidence.cc",
        "item->row_is_defined = row.state_ms != 0;", "item->row_is_defined = true;",
        (Pytest("tests/system/test_ways_back_proof.py", "before_the_creation"),)),
    Mutation(
        "identity: an item that only MySQL has is made younger than its orders",
        "ctl/new_journal.cc",
        "for (const auto& [order_id, order] : item.orders) place = std::min(place,"
        " place_of(order_id));",
        "",
        (Pytest("tests/system/test_ways_back_proof.py", "older_than_its_orders"),)),
    Mutation(
        "identity: a cancel that a folder has hides its order in MySQL", "ctl/evidence.cc",
        "    give_changes_to_orders();\n", "",
        (Pytest("tests/system/test_ways_back_proof.py", "cancel_in_the_folder"),)),
    Mutation(
        "identity: an item that only MySQL has is left behind", "ctl/evidence.cc",
        "item->is_created = born == 0 || is_ours(born);", "item->is_created = born == 0;",
        (Pytest("tests/system/test_ways_back_proof.py", "only_mysql_has_are"),)),
)
