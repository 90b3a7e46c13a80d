"""The bugs that the harness must catch, each of them one line. `old` must be in its file exactly
once, else the run says so: a mutation moves along with the code that it breaks."""

from .draining import DRAINING
from .identity import IDENTITY
from .kinds import Gtest, Mutation, Pytest
from .order_life import ORDER_LIFE

MUTATIONS = (
    # ---- the journal ---------------------------------------------------------------------------
    Mutation(
        "ack before fsync", "journal/group_commit.cc",
        "if (options_.fsync == FsyncPolicy::kAlways) SLUICE_TRY(log_.sync());", "",
        (Gtest("test_journal", "FaultTest.AFailedSync*:GroupCommitTest.*"),)),
    Mutation(
        "everysec acknowledges however old the unsynced bytes are", "journal/group_commit.cc",
        "return background_->oldest_unsynced_age_us() <= options_.sync_age_max_us;",
        "return true;",
        (Gtest("test_journal", "FaultTest.EverySecondStopsAcknowledging*"),)),
    Mutation(
        "a failed write or sync is not the end", "journal/group_commit.cc",
        "if (Status written = write_group(); !written) break_journal(written.error());",
        "if (Status written = write_group(); !written) publish();",
        (Gtest("test_journal", "FaultTest.AFailed*"),)),
    Mutation(
        "torn tail trusted, not rewritten", "journal/recovery.cc",
        "SLUICE_TRY(rewrite_tail(dir, fs, *found));",
        "if (false) SLUICE_TRY(rewrite_tail(dir, fs, *found));",
        (Gtest("test_journal", "RecoveryTest.*Tail*"),)),
    Mutation(
        "no directory fsync after a segment's rename", "journal/segment_log.cc",
        "SLUICE_TRY(fs_.sync_dir(options_.dir));", "",
        (Gtest("test_journal", "FaultTest.ADirectoryChange*"),)),
    Mutation(
        "no directory fsync after recovery's rename", "journal/recovery.cc",
        "SLUICE_TRY(fs.sync_dir(dir));", "",
        (Gtest("test_journal", "FaultTest.ARewrittenTail*"),)),
    Mutation(
        "a segment begins before the one before it is synced", "journal/segment_log.cc",
        "SLUICE_TRY(finish_segment());", "SLUICE_TRY(write());",
        (Gtest("test_journal", "FaultTest.AtTheLimit*"),)),
    Mutation(
        "the reader hands out what is not synced", "journal/reader.cc",
        "SLUICE_TRY(file_->sync());", "",
        (Gtest("test_journal", "ReaderTest.*Sync*"),)),
    Mutation(
        "an item reopened through another proxy is retired", "journal/snapshot.cc",
        "closed_ms = 0;  // a closed item sells nothing", "// a closed item sells nothing",
        (Gtest("test_journal", "CompactorTest.AnItemThatSellsAfterItsClose*"),)),
    # ---- the journal, crashed at every operation -----------------------------------------------
    Mutation(
        "crash: ack before fsync", "journal/group_commit.cc",
        "if (options_.fsync == FsyncPolicy::kAlways) SLUICE_TRY(log_.sync());", "",
        (Gtest("test_crash", "CrashTest.*Always"),)),
    Mutation(
        "crash: no fdatasync of a segment", "journal/segment_log.cc",
        "SLUICE_TRY(file_->sync());", "",
        (Gtest("test_crash", "CrashTest.*"),)),
    Mutation(
        "crash: frames go behind the zeros written ahead of them", "journal/segment_log.cc",
        "offset_ += frames;", "offset_ = std::max(touched_, offset_ + frames);",
        (Gtest("test_crash", "CrashTest.*Always:ZerosAheadTest.*"),)),
    Mutation(
        "zeros go beyond the segment", "journal/segment_log.cc",
        "std::min<uint64_t>(kZerosAhead, capacity_ - end)", "kZerosAhead",
        (Gtest("test_crash", "ZerosAheadTest.TheyEnd*"),)),
    Mutation(
        "crash: no directory fsync after a segment's rename", "journal/segment_log.cc",
        "SLUICE_TRY(fs_.sync_dir(options_.dir));", "",
        (Gtest("test_crash", "CrashTest.*"),)),
    Mutation(
        "crash: a segment is renamed before it is synced", "journal/segment_log.cc",
        "SLUICE_TRY((*next)->sync());", "",
        (Gtest("test_crash", "CrashTest.*"),)),
    Mutation(
        "crash: a segment begins before the one before it is synced", "journal/segment_log.cc",
        "SLUICE_TRY(finish_segment());", "SLUICE_TRY(write());",
        (Gtest("test_crash", "CrashTest.*"),)),
    Mutation(
        "crash: no directory fsync after recovery's rename", "journal/recovery.cc",
        "SLUICE_TRY(fs.sync_dir(dir));", "",
        (Gtest("test_crash", "CrashTest.*"),)),
    Mutation(
        "crash: recovery trusts the tail", "journal/recovery.cc",
        "SLUICE_TRY(rewrite_tail(dir, fs, *found));",
        "if (false) SLUICE_TRY(rewrite_tail(dir, fs, *found));",
        (Gtest("test_crash", "CrashTest.*"),)),
    Mutation(
        "crash: recovery renames before it syncs", "journal/recovery.cc",
        "SLUICE_TRY((*to)->sync());", "",
        (Gtest("test_crash", "CrashTest.*"),)),
    Mutation(
        "crash: segments deleted before the manifest's name is synced", "journal/compactor.cc",
        "SLUICE_TRY(fs_.sync_dir(dir_));\n  published_", "published_",
        (Gtest("test_crash", "CrashTest.*"),)),
    Mutation(
        "crash: the reader hands out what is not synced", "journal/reader.cc",
        "SLUICE_TRY(file_->sync());", "",
        (Gtest("test_crash", "CrashTest.*"),)),
    Mutation(
        "a deleted item is let go before the database has deleted it", "journal/compactor.cc",
        "item.deleted_by_last || found", "item.deleted || found",
        (Gtest("test_journal", "CompactorTest.ADeletedItem*"),)),
    # ---- the scripts ---------------------------------------------------------------------------
    Mutation(
        "skip the epoch check", "proxy/sale/scripts/purchase.lua",
        "if epoch ~= ARGV[2] then return 'GATE ' .. epoch end", "",
        (Gtest("test_sale", "CallTest.AnotherEpoch*"),)),
    Mutation(
        "skip the lane sequence check", "proxy/sale/scripts/purchase.lua",
        "return 'GAP ' .. sequence", "-- ' .. sequence",
        (Gtest("test_sale", "CallTest.SendingABatchAgain*"),)),
    Mutation(
        "receipt trimmed too early", "proxy/sale/scripts/purchase.lua",
        "local journaled = receipts + 1 - ARGV[4]", "local journaled = receipts",
        (Gtest("test_sale", "CallTest.Receipts*"),)),
    Mutation(
        "REQ not kept with the buyer", "proxy/sale/scripts/purchase.lua",
        "plain_fields[size + 2] = user, text",
        "plain_fields[size + 2] = user, (string.gsub(text, '[^,]*$', ''))",
        (Gtest("test_sale", "CallTest.AcceptedRequest*"),)),
    Mutation(
        "a cancel returns its stock each time", "proxy/sale/scripts/operations.lua",
        "    if not is_live(found.fate) then\n      return request",
        "    if false then\n      return request",
        (Gtest("test_sale", "CallTest.CancelReturnsStockOnce*"),)),
    Mutation(
        "a restock's REQ is not looked at", "proxy/sale/scripts/operations.lua",
        "if request ~= '' and call('HEXISTS', buyers_key, mark) == 1 then", "if false then",
        (Gtest("test_sale", "CallTest.RestockIsIdempotent*"),)),
    Mutation(
        "replay not idempotent", "proxy/sale/scripts/replay.lua",
        "elseif list[at + 1] > sequence and list[at + 1] <= last then",
        "elseif list[at + 1] <= last then",
        (Gtest("test_sale", "ShelfReplayTest.OfAChunk*"),)),
    Mutation(
        "a buyer's second order is not replayed", "proxy/sale/scripts/replay.lua",
        "call('HSETNX', buyers_key, user, field) == 1 then",
        "call('HSETNX', buyers_key, user, field) then",
        (Gtest("test_sale", "ShelfReplayTest.*"),)),
    Mutation(
        "replay goes on behind a gap", "proxy/sale/scripts/replay.lua",
        "if sequence < from then return string.format('GAP %d', sequence) end", "",
        (Gtest("test_sale", "ShelfReplayTest.ALaneStands*:*FlushedAgainInTheMiddle*"),)),
    # ---- the sale ------------------------------------------------------------------------------
    Mutation(
        "reservation not taken before Redis", "proxy/sale/coalescer.cc",
        "if (!shared_.journal->reserve(bytes)) return false;", "",
        (Pytest("tests/fault/test_outcomes_disk.py", "mysql_away"),)),
    Mutation(
        "receipts not imported", "proxy/sale/gate.cc",
        "if (applied > shelf.lane_sequence() && !import_receipts(shelf, reply, applied)) return;",
        "", (Gtest("test_sale", "SaleTest.Receipt*"),)),
    Mutation(
        "requeue of a batch of unknown outcome without raising the epoch",
        "proxy/sale/gate.cc",
        "if (!shelf.in_flight().empty()) flags += 'r';", "",
        (Pytest("tests/fault/test_cuts.py", "comes_late or black_hole_is_unknown"),)),
    Mutation(
        "a batch that came too early is sent again as it was", "proxy/sale/coalescer.cc",
        "batch.expected = expected++;", "(void)expected++;",
        (Gtest("test_sale", "InFlightTest.TheSecondIsSentAgain*"),)),
    Mutation(
        "a batch refused behind another is forgotten", "proxy/sale/coalescer.cc",
        "    put_back(shelf);\n    if", "    shelf.in_flight().clear();\n    if",
        (Gtest("test_sale", "InFlightTest.BothPassTheGate*"),)),
    Mutation(
        "an item that a lane has created itself is waited for", "proxy/sale/scripts/replay.lua",
        "if list[at] == 'N' and not (here and older(born, here)) then here = born end", "",
        (Gtest("test_sale", "ShelfReplayTest.Makes*"),)),
    Mutation(
        "a repeated REQ is answered before its commit", "proxy/sale/coalescer_replies.cc",
        "} else if (is_fact(op, verdict) || speaks_of_earlier(verdict)) {",
        "} else if (is_fact(op, verdict)) {",
        (Pytest("tests/fault/test_repeated_req.py", "on_disk"),)),
    Mutation(
        "order ids not raised above the journal's highest", "proxy/sale/order_ids.cc",
        "while (next < floor &&", "while (false && next < floor &&",
        (Gtest("test_sale", "OrderIds.*"),)),
    # ---- the flusher ---------------------------------------------------------------------------
    Mutation(
        "INSERT IGNORE", "orders/order_table.cc",
        'return "INSERT INTO "', 'return "INSERT IGNORE INTO "',
        (Gtest("test_flusher", "FaultTest.RefusedRows*:FaultTest.CheckpointsSetBack*"),)),
    Mutation(
        "checkpoint outside of the transaction", "flusher/transaction.cc",
        "if (auto failure = advance(from, part)) return failure;",
        "if (auto f = advance(from, part); f || (f = connection_.exec(\"COMMIT\"))) return f;",
        (Gtest("test_flusher", "FaultTest.*Killed*:FaultTest.LockHeld*"),)),
    Mutation(
        "checkpoint not compare-and-set", "flusher/checkpoint.cc",
        "\" AND position = \" + std::to_string(from) + \" AND owner = \" +"
        " std::to_string(key.owner));",
        "\" AND owner = \" + std::to_string(key.owner));",
        (Gtest("test_flusher", "CheckpointTest.MovesOnly*"),)),
    Mutation(
        "items.sold not in the same transaction", "flusher/transaction.cc",
        "if (auto failure = update_items(connection_, changes_, most_.bytes)) return failure;",
        "if (auto f = connection_.exec(\"COMMIT\")) return f;"
        " if (auto f = update_items(connection_, changes_, most_.bytes)) return f;",
        (Gtest("test_flusher", "FaultTest.*Killed*"),)),
    Mutation(
        "an unknown COMMIT is taken for a failed one", "flusher/mysql_writer.cc",
        "unknown_ = true;", "unknown_ = false;",
        (Gtest("test_flusher", "FaultTest.LostAnswer*"),)),
    Mutation(
        "no ROLLBACK after a failed statement", "flusher/mysql_writer.cc",
        "    connection_.rollback();\n    if (transaction.conflict())",
        "    if (transaction.conflict())",
        (Gtest("test_flusher", "FaultTest.LockHeld*:FaultTest.Deadlock*"),)),
    Mutation(
        "orders and cancels of two journals do not meet", "flusher/mysql_writer.cc",
        "settle_early_changes(connection_, context_.orders, range, settled)",
        "std::optional<Failure>()",
        (Gtest("test_flusher", "DrainTest.*AtOnceMeet:DrainTest.CancelDrainedBefore*"),)),
    Mutation(
        "a dead letter is called database", "proxy/flusher_link.cc",
        "journal_.refused_orders(std::move(refused));", "",
        (Pytest("tests/system/test_mysql_refuses.py", "never_called"),)),
    Mutation(
        "a REQ of a cancelled order is told OK", "proxy/sale/scripts/operations.lua",
        "(is_live(find_order(user, earlier).fate) and 'R ' or 'K ')", "'R '",
        (Gtest("test_sale", "CallTest.CancelReturns*"),)),
    Mutation(
        "a server that lost transactions passes for a second flusher", "flusher/mysql_writer.cc",
        "is_behind_ = true;", "conflict_ = \"another flusher\";",
        (Gtest("test_flusher", "FaultTest.ServerThatLost*"),)),
    Mutation(
        "a replica that lacks the claim passes for a second flusher", "flusher/checkpoint.cc",
        "return is_unclaimed ? Standing::kBehind",
        "return !row && is_unclaimed ? Standing::kBehind",
        (Pytest("tests/clusters/test_mysql_failover.py", "claim"),)),
    Mutation(
        "checkpoints that are gone pass for lost transactions", "flusher/checkpoint.cc",
        "if (!row) return Standing::kAnothers;", "if (!row) return Standing::kBehind;",
        (Pytest("tests/system/test_mysql_faults.py", "checkpoints"),)),
    Mutation(
        "a full disk is taken for bad rows", "sql/failure.cc",
        "{1114, kFull},", "{1114, kRefusedData},",
        (Pytest("tests/system/test_mysql_faults.py", "disk"),)),
    Mutation(
        "what a new primary lacks shows with the next order only", "flusher/flush_turn.cc",
        "server_ = is_lost ? Server::kBehind", "server_ = false ? Server::kBehind",
        (Pytest("tests/clusters/test_mysql_failover.py", "planned and allowed"),)),
    Mutation(
        "a server that takes no writes is taken", "sql/connection.cc",
        "if (options.must_take_writes || options.hosts.size() > 1) {", "if (false) {",
        (Pytest("tests/clusters/test_mysql_failover.py", "tool"),)),
    Mutation(
        "a node without its cluster is taken", "sql/writable.cc",
        "if (is == \"ON\" || is == \"Primary\") continue;", "if (!is.empty()) continue;",
        (Pytest("tests/clusters/test_galera.py", "meet"),)),
    Mutation(
        "what a cluster does not take is tried again at the same size", "sql/failure.cc",
        '{1105, "writeset size", kTooLarge}', '{1105, "writeset size", kOther}',
        (Pytest("tests/clusters/test_galera.py", "too_large"),)),
    Mutation(
        "an impostor is told the password", "sql/login.cc",
        ': "mysql_native_password,client_ed25519,parsec");',
        ': "mysql_native_password,mysql_clear_password,dialog,caching_sha2_password");',
        (Pytest("tests/system/test_mysql_logins.py", "impostor"),)),
    Mutation(
        "a primary that answers no COMMIT is asked again and again", "sql/connection.cc",
        "choice_->pass_over(server_, servers_);", "choice_->choose(server_);",
        (Pytest("tests/clusters/test_mysql_failover.py", "lets_in"),)),
    Mutation(
        "a writer stays at the old primary", "flusher/mysql_writer.cc",
        "if (connection_.connected() && connection_.is_elsewhere()) connection_.close();", "",
        (Pytest("tests/clusters/test_mysql_failover.py", "idle"),)),
    Mutation(
        "what is refused to everybody becomes dead letters", "flusher/transaction.cc",
        "if (auto failure = judge(reason.code, alike)) return failure;", "",
        (Gtest("test_flusher", "RefusalTest.WhatIsRefused*"),)),
    Mutation(
        "what a buyer writes may stop everything", "flusher/transaction.cc",
        "bare.fields = {};", "",
        (Gtest("test_flusher", "RefusalTest.WhatBuyersWrite*"),)),
    Mutation(
        "a batch that loses the connection is never cut", "flusher/mysql_writer.cc",
        "if (part.records.size() > 1) return Attempt::kTooMuch;", "return Attempt::kAgain;",
        (Gtest("test_flusher", "RefusalTest.WhatATrigger*"),)),
    Mutation(
        "literals are quoted whatever is in them", "sql/connection.cc",
        "return c >= ' ' && c <= '~' && c != '\\'' && c != '\\\\';", "return c != '\\'';",
        (Pytest("tests/system/test_mysql_sessions.py", "gbk"),)),
    Mutation(
        "the session is left as the server made it", "sql/session.cc",
        'if (auto failure = connection.exec(set)) return failure;', "",
        (Pytest("tests/system/test_mysql_sessions.py", "no_setting"),)),
    # ---- sold out ------------------------------------------------------------------------------
    Mutation(
        "a restock under way is not waited for", "proxy/sale/sale.cc",
        "op.under_way = shared_.under_way.change(item_hash);", "",
        (Gtest("test_sale", "SoldOutSaleTest.Restock*"),)),
    Mutation(
        "a purchase under way is not waited for", "proxy/sale/sold_out_board.cc",
        "if (shared_.under_way.any(item.item_hash(), user_hash)) return {};", "",
        (Gtest("test_sale", "SoldOutSaleTest.Whose*:SoldOutSaleTest.Restock*"),)),
    Mutation(
        "a sold-out item stays so when units come back", "proxy/sale/sold_out_keeper.cc",
        "} else if (watch.view && finding.says == Says::kOther) {", "} else if (false) {",
        (Gtest("test_sale", "SoldOutSaleTest.WhatIsAnswered*:SoldOutSaleTest.Closed*"),)),
    Mutation(
        "buyers who come after the load are not known", "proxy/sale/sold_out_keeper.cc",
        "watch.view->buyers().add(name_hash(part.operations[i].user));", "",
        (Gtest("test_sale", "SoldOutSaleTest.Restock*"),)),
    Mutation(
        "buyers beyond the room of the filter are let in", "proxy/sale/sold_out_keeper.cc",
        "if (watch.room == 0) return drop_view(watch);", "if (watch.room == 0) return;",
        (Gtest("test_sale", "SoldOutSaleTest.MoreBuyers*"),)),
    Mutation(
        "buyers of other proxies are not known", "proxy/sale/sold_out_keeper.cc",
        "part.item.fields_before == watch.fields", "true",
        (Gtest("test_sale", "SoldOutSaleTest.BuyersWhom*"),)),
    Mutation(
        "only the first chunk of the buyers is loaded", "proxy/sale/sold_out_keeper.cc",
        'if (cursor != "0") return scan(watch, std::string(cursor));',
        'if (cursor.empty()) return scan(watch, std::string(cursor));',
        (Pytest("tests/system/test_sold_out.py", "two_hundred_thousand"),)),
    Mutation(
        "sold out for ever", "proxy/sale/sold_out.h",
        "now_us < static_cast<int64_t>(state >> kRemainingBits)", "state != 0",
        (Gtest("test_sale", "SoldOutTest.*"),)),
    Mutation(
        "sold out after the sale has ended", "proxy/sale/sold_out_keeper.cc",
        "if (ends_in_ms >= 0)", "if (false)",
        (Gtest("test_sale", "SoldOutSaleTest.Ended*"),)),
    Mutation(
        "sold out while Redis is away", "proxy/sale/coalescer.cc",
        "  sold_out_.drop(shelf);\n  entries_[shelf.number].foresight.forget();", "",
        (Gtest("test_sale", "SoldOutSaleTest.LostRedis*"),)),
    Mutation(
        "LIMIT is told as sold out", "proxy/sale/sold_out.h",
        "quantity > remaining && (limit_ == 0 || quantity <= limit_)", "quantity > remaining",
        (Gtest("test_sale", "SoldOutSaleTest.Buyers*:SoldOutTest.*"),)),
    Mutation(
        "a paused intake refuses as sold out", "proxy/sale/sold_out_board.cc",
        "!purchase || shared_.intake_paused.load(std::memory_order_relaxed)", "!purchase",
        (Gtest("test_sale", "SoldOutSaleTest.Errors*"),)),
    Mutation(
        "a REQ that another proxy accepted is sold out", "proxy/sale/sold_out_board.cc",
        "!purchase->request.empty() && !shared_.lanes->alone()", "false",
        (Gtest("test_sale", "SoldOutSaleTest.Requests*"),)),
    # ---- whichever server stands behind --------------------------------------------------------
    Mutation(
        "a question kills the server's own clients", "proxy/front/client_inquiry.cc",
        '  words.insert(words.begin() + 2, {"LADDR", std::string(kNobody)});\n', "",
        (Gtest("test_front", "Inquiry.HasNoEffect*"),)),
    Mutation(
        "an answer serves the next command", "proxy/front/session.cc",
        "if (taken) forget_answer();", "",
        (Pytest("tests/system/test_front_inquiries.py", "answer_is_for"),)),
    Mutation(
        "a SELECT that fails opens another database", "proxy/front/session_multi.cc",
        "const bool sure = server.databases && !server.in_cluster;",
        "const bool sure = server.databases.has_value();",
        (Pytest("tests/system/test_front_inquiries.py", "select_that_may_fail"),)),
    Mutation(
        "what the server may not be asked is carried out unjudged",
        "proxy/front/session_client.cc",
        "if (judged || client_is_right(args)) return \"\";", "if (true) return \"\";",
        (Pytest("tests/system/test_front_inquiries.py", "is_wrong_is_refused"),)),
    # ---- shelves -------------------------------------------------------------------------------
    Mutation(
        "shelf: an item's checksum is not compared", "proxy/sale/scripts/packed_item.lua",
        "if is ~= should_be then return false end", "",
        (Gtest("test_sale", "CallTest.Whatever*"),)),
    Mutation(
        "shelf: an item that was taken away by hand was never there",
        "proxy/sale/scripts/purchase.lua", "or not packed and fields > 0 then", "then",
        (Pytest("tests/system/test_flushall.py", "no_item"),)),
    Mutation(
        "shelf: another writer of the lane is not noticed", "proxy/sale/scripts/purchase.lua",
        "if writer ~= string.match(ARGV[3], '^%d+ (.*)$') then", "if false then",
        (Gtest("test_sale", "CallTest.AnotherEpoch*"),)),
    Mutation(
        "shelf: an item is written as foreseen whatever it is", "proxy/sale/scripts/purchase.lua",
        "packed ~= '' and packed == ARGV[BEFORE + k]", "packed and ARGV[BEFORE + k] ~= ''",
        (Gtest("test_sale", "ForesightTest.*"),)),
    Mutation(
        "shelf: who has bought is not asked of many who are foreseen",
        "proxy/sale/scripts/purchase.lua",
        "if its_bought[i] then is_foreseen = false end", "",
        (Gtest("test_sale", "ForesightTest.WhoHasBought*"),)),
    Mutation(
        "shelf: one who is foreseen and has bought is taken for new",
        "proxy/sale/scripts/purchase.lua",
        "bought[k], foreseen[k], all_foreseen = {true}, false, false", "",
        (Gtest("test_sale", "ForesightTest.WhoHasBought*"),)),
    Mutation(
        "shelf: what is foreseen is on sale by the proxy's clock",
        "proxy/sale/scripts/purchase.lua",
        "in_window = redis_now_ms() >=", "in_window = true or redis_now_ms() >=",
        (Gtest("test_sale", "ForesightTest.AnItemIsOnSale*"),)),
    Mutation(
        "shelf: the buyers of an item foreseen may have been edited",
        "proxy/sale/scripts/packed_item.lua",
        "return struct.unpack('<I4', packed, 9) == fields",
        "return is_known or struct.unpack('<I4', packed, 9) == fields",
        (Gtest("test_sale", "ForesightTest.EditedItems*"),)),
    Mutation(
        "shelf: the receipts' type is not looked at before the first write",
        "proxy/sale/scripts/purchase.lua",
        "local receipts = call('LLEN', receipts_key)", "local receipts = 0",
        (Gtest("test_sale", "CallTest.KeyOfAnotherType*"),)),
    Mutation(
        "shelf: a lane that must pass is forgotten", "proxy/sale/scripts/gate.lua",
        "if closes then wait = ARGV[10] .. string.sub(without(wait, ARGV[10]), 2) end", "",
        (Gtest("test_sale", "ShelfGateTest.AfterARestart*"),)),
    Mutation(
        "shelf: a living writer loses its lane", "proxy/sale/scripts/gate.lua",
        "return answer('ALIVE', host .. ' ' .. beat_ms)", "",
        (Gtest("test_sale", "ShelfGateTest.ALivingWriter*"),)),
    Mutation(
        "shelf: items that cannot be made anew are taken away", "proxy/sale/scripts/gate.lua",
        "  if not provable then\n", "  if false then\n",
        (Gtest("test_sale", "ShelfGateTest.AnEditedShelf*"),)),
    Mutation(
        "shelf: a lane's sequence ends with its last record", "proxy/sale/scripts/replay.lua",
        "local last = waits_at and waits_at - 1 or to",
        "local last = waits_at and waits_at - 1 or sequence",
        (Gtest("test_sale", "ShelfReplayTest.ALaneStands*"),)),
    Mutation(
        "shelf: records of an earlier item of the name are applied",
        "proxy/sale/scripts/replay.lua",
        "elseif kind == 'N' or not item or item.born ~= born then",
        "elseif kind == 'N' or not item then",
        (Gtest("test_sale", "ShelfReplayTest.RecordsOfAnEarlier*"),)),
    Mutation(
        "shelf: a batch that was settled may be missing", "proxy/sale/shelf.cc",
        'SLUICE_ASSERT(sequence == lane_sequence_ + 1, "settled lane sequences are consecutive");',
        "", (Gtest("test_sale", "ShelfDeath.*"),)),
    Mutation(
        "shelf: what goes back to the queue keeps its order ids", "proxy/sale/shelf.cc",
        "op.order_id = 0;", ";",
        (Gtest("test_sale", "Shelf.WhatWasNotApplied*"),)),
    Mutation(
        "shelf: the gate asks on after its connection was closed", "proxy/sale/sale_thread.cc",
        "  gate_.stop();\n", "",
        (Pytest("tests/system/test_peers.py", "ends_in_order"),)),
    *IDENTITY,
    *ORDER_LIFE,
    *DRAINING,
)
