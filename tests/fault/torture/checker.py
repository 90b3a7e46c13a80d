"""What must hold in the end, judged from three things only: what clients were told (told.py), what
MySQL holds, and what Redis answers through the proxies. It knows no protocol, journal or fault,
except the moments at which Redis may have lost writes: a refusal told before such a moment says
nothing about the stock behind it.

A REQ's *fate is known* if every time it was asked somebody said what happened. One that was asked
and then cut off may still be carried out later, so it may have one order or none.
"""

import json
from collections import Counter, defaultdict

from harness import invariants
from harness.resp import RespError

from .told import outcome

PORTION = 500


class Row:
    __slots__ = ("order", "item", "user", "qty", "status", "req", "fields")

    def __init__(self, order, item, user, qty, status, req, fields):
        self.order, self.item, self.user, self.qty = str(order), item, user, qty
        self.status, self.req = status, req
        self.fields = json.loads(fields) if fields else None

    @property
    def live(self):
        return self.status in ("placed", "paid")

    def __repr__(self):
        return (f"order {self.order} of {self.item} {self.user} REQ {self.req}: {self.qty}, "
                f"{self.status}")


class Checker:
    def __init__(self, plan, told, database, proxies, rewinds, fields_lost=False):
        """fields_lost: a way back was gone that may bring orders without FIELDS."""
        self.fields_lost = fields_lost
        self.plan = {item["name"]: item for item in plan["items"]}
        self.told = told
        self.database = database
        self.proxies = proxies
        self.last_rewind = max(rewinds, default=0)
        self._restocks = defaultdict(list)
        self._created = {line["item"]: line["qty"] for line in told.of("CREATE")
                         if line["reply"] == "OK"}
        self.violations = []
        self.rows = [Row(*row) for row in database.query(
            "SELECT order_id, item_id, user_id, quantity, status, request_id, fields FROM orders")]
        self.by_order = {row.order: row for row in self.rows}
        self.by_req = defaultdict(list)
        self.by_user = defaultdict(list)
        for row in self.rows:
            self.by_user[row.item, row.user].append(row)
            if row.req is not None:
                self.by_req[row.item, row.user, row.req].append(row)
        self.asked_by_req = defaultdict(list)
        for line in told.of("BUY"):
            if "req" in line:
                self.asked_by_req[line["item"], line["user"], line["req"]].append(line)

    def violation(self, rule, detail):
        self.violations.append((rule, str(detail)))

    def expect(self, holds, rule, detail):
        if not holds:
            self.violation(rule, detail)

    def run(self):
        for rule in (self.everybody_was_answered, self.one_row_a_req,
                     self.acknowledged_is_in_mysql, self.without_req, self.every_row_was_asked_for,
                     self.stories_of_users, self.cancelled_is_cancelled, self.paid_is_paid,
                     self.limits_hold,
                     self.stock_adds_up, self.sold_out_was_true, self.nothing_is_left_aside,
                     self.queries_agree):
            try:
                rule()
            except (OSError, EOFError) as error:
                self.violation("no answer in the end", f"{rule.__name__}: {error!r}")
        return self.violations

    # ---- orders ------------------------------------------------------------------------------

    def everybody_was_answered(self):
        for line in self.told.lines:
            if line["reply"] is None and not (line["op"] == "BUY" and "req" not in line):
                self.violation("never answered", line)

    def one_row_a_req(self):
        for key, rows in self.by_req.items():
            self.expect(len(rows) == 1, "several orders for one REQ", (key, rows))

    def acknowledged_is_in_mysql(self):
        for key, lines in self.asked_by_req.items():
            ids = {line["reply"][1] for line in lines if outcome(line) == "OK"}
            rows = self.by_req.get(key, [])
            self.expect(len(ids) <= 1, "a REQ was told different orders", (key, ids))
            if ids:
                self.expect({row.order for row in rows} == ids, "acknowledged but not in MySQL",
                            (key, ids, rows, lines))
                self._same_content(lines[0], rows)
            elif rows and all(line["unknown"] == 0 for line in lines):
                # Nobody was ever left in doubt, and everybody was refused.
                self.violation("refused but in MySQL", (key, rows, lines))

    def _same_content(self, line, rows):
        if rows and "qty" in line:
            self.expect(rows[0].qty == line["qty"], "wrong quantity", (line, rows))
        if rows and "fields" in line and not (self.fields_lost and rows[0].fields is None):
            self.expect(rows[0].fields == line["fields"], "wrong fields", (line, rows[0].fields))

    def without_req(self):
        told, doubtful = defaultdict(list), Counter()
        for line in self.told.of("BUY"):
            if "req" in line:
                continue
            key = line["item"], line["user"]
            if outcome(line) == "OK":
                told[key].append(line["reply"][1])
                row = self.by_order.get(line["reply"][1])
                self.expect(row and row.user == line["user"] and row.item == line["item"],
                            "acknowledged but not in MySQL", line)
                self._same_content(line, [row] if row else [])
            else:
                told.setdefault(key, [])
                doubtful[key] += line["unknown"] > 0
        for key, ids in told.items():
            rows = [row for row in self.by_user.get(key, []) if row.req is None]
            self.expect(len(set(ids)) == len(ids), "one order was told twice", (key, ids))
            self.expect(len(rows) <= len(ids) + doubtful[key], "more orders than purchases",
                        (key, rows, ids, doubtful[key]))

    def every_row_was_asked_for(self):
        users = {(line["item"], line["user"]) for line in self.told.of("BUY") if "req" not in line}
        for row in self.rows:
            known = ((row.item, row.user, row.req) in self.asked_by_req if row.req is not None
                     else (row.item, row.user) in users)
            self.expect(known, "an order that nobody asked for", row)

    # ---- what one user was told, in his order ------------------------------------------------

    def stories_of_users(self):
        self.to_cancel = {line["order"] for line in self.told.lines if line["op"] == "CANCEL"}
        orders = {}     # (item, user) → {REQ: order}
        cancelled = {}  # (item, user, order) → the CANCEL line
        paid = {}       # the same of PAY
        for line in self.told.lines:
            key = line["item"], line.get("user")
            if self._may_be_forgotten(line["item"]):
                continue
            if line["op"] == "BUY" and outcome(line) == "OK" and "req" in line:
                orders.setdefault(key, {})[line["req"]] = line["reply"][1]
                gone = cancelled.get((*key, line["reply"][1]))
                self.expect(not gone or gone["done"] > line["sent"],
                            "a REQ of a cancelled order was told OK", (line, gone))
            elif line["op"] == "BUY" and outcome(line) == "CANCELLED":
                known = orders.get(key, {}).get(line.get("req"), line["reply"][1])
                self.expect(line["reply"][1] == known and line["reply"][1] in self.to_cancel,
                            "an order that nobody cancelled was told so", line)
            elif line["op"] == "BUY" and line.get("again"):
                self.expect(line["reply"] is None, "an accepted REQ was refused later", line)
            elif line["op"] == "BUY":
                self.expect(outcome(line) != "NOITEM", "NOITEM for an item that exists", line)
            elif line["op"] == "CANCEL":
                self._cancel_told(line, cancelled)
            elif line["op"] == "PAY":
                self._pay_told(line, paid)
            elif line["op"] == "ORDER":
                self._order_told(line, orders.get(key, {}), cancelled, paid)

    def _may_be_forgotten(self, item):
        """A closed item may be retired after journal.retain, and is then unknown to a new Redis."""
        return item in self.plan and self.plan[item]["closes"]

    def _cancel_told(self, line, cancelled):
        key = line["item"], line["user"], line["order"]
        said, before = outcome(line), cancelled.get(key)
        if said is None:
            return
        if before is None:
            self.expect(said == "OK", "a cancel was refused", line)
            cancelled[key] = line
        else:
            self.expect(said == "ALREADY", "an order was cancelled twice", (before, line))

    def _pay_told(self, line, paid):
        key = line["item"], line["user"], line["order"]
        said, before = outcome(line), paid.get(key)
        if said is not None:
            self.expect(said == ("ALREADY" if before else "OK"), "a payment was refused",
                        (before, line))
        paid.setdefault(key, line)

    def _order_told(self, line, orders, cancelled, paid):
        said = outcome(line)
        if said is None:
            return
        if line.get("stranger"):
            self.expect(said == "NOORDER", "a stranger was told of an order", line)
            return
        order = line.get("order") or orders.get(line["req"])
        self.expect(said == "FOUND" and line["reply"][1] == order,
                    "an acknowledged order was denied", (line, order))
        if said == "FOUND":
            key = line["item"], line["user"], order
            expected = "cancelled" if key in cancelled else "paid" if key in paid else "placed"
            self.expect(line["reply"][4] == expected, "wrong status told",
                        (line, cancelled.get(key), paid.get(key)))

    def cancelled_is_cancelled(self):
        asked = set()
        for line in self.told.of("CANCEL"):
            asked.add(line["order"])
            row = self.by_order.get(line["order"])
            if outcome(line) in ("OK", "ALREADY"):
                self.expect(row and not row.live, "a cancel was acknowledged, MySQL has it not",
                            (line, row))
        for row in self.rows:
            self.expect(row.live or row.order in asked, "cancelled, but nobody asked", row)

    def paid_is_paid(self):
        asked = set()
        for line in self.told.of("PAY"):
            asked.add(line["order"])
            row = self.by_order.get(line["order"])
            if outcome(line) in ("OK", "ALREADY"):
                self.expect(row and row.status != "placed",
                            "a payment was acknowledged, MySQL has it not", (line, row))
        for row in self.rows:
            self.expect(row.status != "paid" or row.order in asked, "paid, but nobody asked", row)

    # ---- sums --------------------------------------------------------------------------------

    def _given(self, item):
        """(least, most) units that were given to an item."""
        first = self.plan[item]["stock"] if item in self.plan else self._created[item]
        least = most = first
        for line in self._restocks[item]:
            least += line["qty"] if outcome(line) == "OK" else 0
            most += line["qty"]
        return least, most

    def stock_adds_up(self):
        for line in self.told.of("RESTOCK"):
            self._restocks[line["item"]].append(line)
        names = set(self.plan) | set(self._created)
        live = Counter()
        for row in self.rows:
            live[row.item] += row.qty if row.live else 0
        items = {name: (stock, sold) for name, stock, sold in
                 self.database.query("SELECT item_id, stock, sold FROM items")}
        with self.proxies[0].client() as client:
            for name in sorted(names):
                self._sums_of(name, live[name], items.get(name), client("SECKILL.STOCK", name))
        asked_for = {line["item"] for line in self.told.of("CREATE")}
        for name in set(items) - names - asked_for:
            self.violation("an item that nobody made", name)

    def _sums_of(self, name, live, in_mysql, reply):
        least, most = self._given(name)
        self.expect(live <= most, "oversold", f"{name}: {live} sold of {most}")
        self.expect(in_mysql is not None, "an item is not in MySQL", name)
        if in_mysql:
            self.expect(least <= in_mysql[0] <= most, "wrong stock in MySQL",
                        f"{name}: {in_mysql[0]}, given {least} to {most}")
            self.expect(in_mysql[1] == live, "items.sold is not the sum of the orders",
                        f"{name}: {in_mysql[1]}, orders {live}")
        if isinstance(reply, RespError) or reply == ["NOITEM"]:
            self.expect(self._may_be_forgotten(name), "Redis does not know an item",
                        f"{name}: {reply}")
            return
        stock = invariants.pairs(reply)
        if in_mysql:
            self.expect((stock["stock"], stock["sold"]) == in_mysql, "Redis and MySQL differ",
                        f"{name}: Redis {stock['stock']} given, {stock['sold']} sold; MySQL "
                        f"{in_mysql[0]} given, {in_mysql[1]} sold, orders {live}")
        self.expect(stock["remaining"] == stock["stock"] - live,
                    "stock left and orders are not what was given", f"{name}: {stock}, {live} live")

    def limits_hold(self):
        limits = {name: item["limit"] for name, item in self.plan.items()}
        limits.update((line["item"], line["limit"]) for line in self.told.of("CREATE"))
        for (item, user), rows in self.by_user.items():
            bought = sum(row.qty for row in rows if row.live)
            limit = limits.get(item, 0)
            self.expect(not limit or bought <= limit, "over the limit",
                        f"{item} {user}: {bought} of {limit}: {rows}")

    def sold_out_was_true(self):
        """Where stock never comes back, what was told as remaining can only have become less."""
        left = {name: self.plan[name]["stock"] - sum(row.qty for row in self.rows
                                                     if row.item == name and row.live)
                for name in self.plan
                if not self.plan[name]["cancels"] and not self.plan[name]["restocks"]}
        for line in self.told.of("BUY"):
            if outcome(line) == "SOLDOUT" and line["sent"] > self.last_rewind \
                    and line["item"] in left:
                self.expect(left[line["item"]] <= line["reply"][1] < line.get("qty", 1),
                            "sold out was told while stock was left",
                            (line, f"left in the end: {left[line['item']]}"))

    def nothing_is_left_aside(self):
        for table in ("sluice_dead_letter", "sluice_early_change"):
            rows = self.database.query(f"SELECT * FROM {table}")
            self.expect(not rows, f"rows in {table}", rows[:3])

    # ---- questions afterwards ----------------------------------------------------------------

    def queries_agree(self):
        """SECKILL.ORDER says of every REQ, acknowledged or not, what MySQL says, at each proxy."""
        keys = [key for key in self.asked_by_req if not self._may_be_forgotten(key[0])]
        for proxy in self.proxies:
            with proxy.client() as client:
                for at in range(0, len(keys), PORTION):
                    self._portion_agrees(client, keys[at:at + PORTION])

    def _portion_agrees(self, client, keys):
        replies = client.pipeline(
            [("SECKILL.ORDER", item, user, "REQ", req) for item, user, req in keys])
        for key, reply in zip(keys, replies):
            self._query_agrees(key, reply)

    def _query_agrees(self, key, reply):
        rows = self.by_req.get(key, [])
        if isinstance(reply, RespError):
            self.violation("no answer in the end", (key, reply.text))
        elif reply == ["NOORDER"]:
            self.expect(not rows, "Redis does not know an order", (key, rows))
        else:
            row = rows[0] if rows else None
            self.expect(row and reply[1:5] == [row.order, row.user, row.qty, row.status],
                        "Redis and MySQL differ about an order", (key, reply[:5], rows))
