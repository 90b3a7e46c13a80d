"""Bugs of when the flusher drains, how hard it presses, and what it says of it."""

from .kinds import Gtest, Mutation, Pytest

_DAYS = Gtest("test_flusher", "TriggerDay.*")

DRAINING = (
    Mutation(
        "drain: an hour that comes twice fires twice", "flusher/schedule.cc",
        "if (is_second_time) return false;", "(void)is_second_time;",
        (Gtest("test_flusher", "Schedule.AnHourThatComesTwice*"),)),
    Mutation(
        "drain: a minute that is left out never fires", "flusher/schedule.cc",
        "if (matches(cron, left_out)) return true;", "(void)left_out;",
        (_DAYS,)),
    Mutation(
        "drain: a window ends at the second of two equal times", "flusher/schedule.cc",
        "(is_left_out ? found.trans : found.pre)", "(is_left_out ? found.trans : found.post)",
        (Gtest("test_flusher", "Schedule.AWindowOverTheChange*"),)),
    Mutation(
        "drain: a window goes on in a peak", "flusher/trigger.cc",
        "if (!is_peak_ && options_.schedule.in_window(now.wall_s))",
        "if (options_.schedule.in_window(now.wall_s))",
        (_DAYS, Gtest("test_flusher", "TriggerTest.AWindowAndACronLine*"))),
    Mutation(
        "drain: a cron line that gave way has had its due", "flusher/trigger.cc",
        "if (drained) cron_due_ = false;", "(void)drained, cron_due_ = false;",
        (Gtest("test_flusher", "TriggerTest.AWindowAndACronLine*"),)),
    Mutation(
        "drain: a full disk waits for the end of a peak", "flusher/trigger.cc",
        "if (now.room_wanted || now.disk_free_bytes < options_.disk_free_bytes)", "if (false)",
        (Gtest("test_flusher", "TriggerTest.AFullDisk*:AdminTest.EachTrigger*"),)),
    Mutation(
        "drain: a proxy without room waits for a trigger", "flusher/flush_turn.cc",
        "now_.room_wanted = fs_.open(wanted, base::OpenMode::kRead).ok();", "(void)wanted;",
        (Pytest("tests/system/test_draining.py", "without_room"),)),
    Mutation(
        "drain: runs begin while MySQL suffers", "flusher/trigger.cc",
        "must || now.mysql_suffers.empty()", "must || true",
        (Gtest("test_flusher", "AdminTest.NothingBegins*"),)),
    Mutation(
        "drain: cron minutes in which the loop stood still are lost", "flusher/trigger.cc",
        "std::max(minute_s_, minute_s - kMadeUpS)", "minute_s - kMinuteS",
        (Gtest("test_flusher", "TriggerTest.CronMinutesThatNobody*"),)),
    Mutation(
        "drain: a pause ends with the process", "flusher/pause_switch.cc",
        "Status kept = keep(on);", "Status kept;",
        (Pytest("tests/system/test_draining.py", "outlives"),)),
    Mutation(
        "drain: a whole batch goes at once under a low limit", "flusher/mysql_writer.cc",
        "std::min(most, context_.pace.batch_rows())", "most",
        (Gtest("test_flusher", "AdminTest.ALimitFarBelow*"),)),
    Mutation(
        "drain: a limit that is felt is lifted", "flusher/pace.cc",
        " && !is_felt_) rate_ = 0;", ") rate_ = 0;",
        (Gtest("test_flusher", "PaceTest.ARunThatBegins*"),)),
    Mutation(
        "drain: a limit does not shrink with what MySQL suffers from", "flusher/pace.cc",
        "(rate_ == 0 ? measured : std::min(rate_, measured)) / 2", "rate_ == 0 ? measured : rate_",
        (Gtest("test_flusher", "AdminTest.SlowCommits*:PaceTest.SlowCommits*"),)),
    Mutation(
        "drain: a replica that applies nothing passes for one that is up to date",
        "flusher/replica_watch.cc",
        "if (!behind) return;", "if (!behind) continue;",
        (Pytest("tests/system/test_draining.py", "replica"),)),
    Mutation(
        "drain: who stands still without an error drains", "flusher/progress.cc",
        "if (still_us < kSilentForUs) return", "if (true) return",
        (Gtest("test_flusher", "ProgressTest.ARunThatStandsStill*"),)),
    Mutation(
        "drain: a look at a silent MySQL holds up all that is said", "flusher/flush_turn.cc",
        "mysql.timeout_s = std::min(mysql.timeout_s, kLookMaxS);", "(void)kLookMaxS;",
        (Pytest("tests/system/test_draining.py", "silent"),)),
    Mutation(
        "drain: who is held back passes for one that drains", "flusher/progress.cc",
        "if (!now.held_by.empty()) return", "if (false) return",
        (Gtest("test_flusher", "ProgressTest.*HeldBack*:AdminTest.ALimitFarBelow*"),)),
    Mutation(
        "drain: SIGUSR1 ends the thread of the signals", "flusher/main.cc",
        "if (ended_) return;", "if (ended_ || number == SIGUSR1) return;",
        (Pytest("tests/system/test_draining.py", "sigusr1"),)),
    Mutation(
        "drain: a statement is whole under a limit, too", "flusher/mysql_writer.cc",
        "{context_.statement_bytes, context_.pace.statement_rows()}", "{context_.statement_bytes}",
        (Gtest("test_flusher", "DrainTest.StatementsAreShort*"),)),
)
