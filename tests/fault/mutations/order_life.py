"""Bugs in what becomes of an order: paid, refunded, cancelled, expired; and in changes of items."""

from .kinds import Gtest, Mutation, Pytest

_LIFE = "OrderLifeTest.*"
_SCRIPTS = "proxy/sale/scripts/"
_PURCHASE, _OPERATIONS = _SCRIPTS + "purchase.lua", _SCRIPTS + "operations.lua"
_REPLAY = _SCRIPTS + "replay.lua"

ORDER_LIFE = (
    Mutation(
        "order life: a paid order is cancelled without REFUND", _OPERATIONS,
        "    if found.fate ~= '' and refunds ~= 1 then return 'P' end\n", "",
        (Gtest("test_sale", _LIFE),)),
    Mutation(
        "order life: an order expires before its hold is over", _OPERATIONS,
        "if item.hold == 0 or age_ms < item.hold then", "if item.hold == 0 then",
        (Gtest("test_sale", _LIFE),)),
    Mutation(
        "order life: a paid order expires", _OPERATIONS,
        "    if found.fate ~= '' then return 'D' end\n    if item.hold",
        "    if not is_live(found.fate) then return 'D' end\n    if item.hold",
        (Gtest("test_sale", _LIFE),)),
    Mutation(
        "order life: an order of a deleted item expires", _PURCHASE,
        "if item and not item.exists or order ~=", "if order ~=",
        (Gtest("test_sale", _LIFE),)),
    Mutation(
        "order life: a change has the time of its proxy's clock", _OPERATIONS,
        "math.max(batch.time_ms, item.changed + 1)", "batch.time_ms",
        (Gtest("test_sale", _LIFE),)),
    Mutation(
        "order life: a payment that is replayed late takes a cancel back", _REPLAY,
        "return not is_live(before) or before ~= '' and is_live(fate)", "return before == fate",
        (Gtest("test_sale", "ShelfReplayTest.WhatBecame*"),)),
    Mutation(
        "order life: the change that is replayed last holds", _REPLAY,
        "    if time_ms < item.changed then return end\n", "",
        (Gtest("test_sale", "ShelfReplayTest.OfTheChanges*"),)),
    Mutation(
        "order life: what an earlier process sold does not expire", "proxy/sale/holds.cc",
        "  look_for_items(shelf, \"0\");\n}", "}",
        (Pytest("tests/system/test_order_life.py", "after_a_restart"),)),
    Mutation(
        "order life: what is over ends again", "orders/order_status.h",
        "return is_live(before) && (after", "return (after",
        (Gtest("test_orders", "OrderStatus.*"),)),
    Mutation(
        "mapping: a name goes into a number's column as MySQL reads it", "flusher/transaction.cc",
        "  if (auto failure = take_unfit_out()) return failure;\n", "",
        (Pytest("tests/system/test_mapping.py", "existing_table"),)),
    Mutation(
        "mapping: a cancelled order keeps the shop's key", "orders/order_table.cc",
        "  if (is_live(status)) return set;\n", "  return set;\n",
        (Gtest("test_orders", "OrderTable.WritesWhat*"),)),
    Mutation(
        "mapping: the period of a table is that of UTC", "orders/mapping.cc",
        "out += cctz::format(\"%Y%m\", time, zone);",
        "out += cctz::format(\"%Y%m\", time, cctz::utc_time_zone());",
        (Gtest("test_orders", "TableTemplate.FillsIn*"),)),
)
