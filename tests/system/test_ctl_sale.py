"""sluice-ctl sale: items made by hand, from a file and from MySQL; the look before, the report."""

import datetime
import json
import re
import time
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from harness.clock import Clock, SHIM
from harness.daemons import toml
from harness.lab import HOLD, Lab
from harness.load import Load, Request
from harness.redis_server import RedisServer
from harness.waiting import until

DAY_MS = 86_400_000


def soon_ms(days=30):
    """A whole second ahead."""
    return int(time.time()) * 1000 + days * DAY_MS


def iso(ms, offset_hours=0):
    zone = datetime.timezone(datetime.timedelta(hours=offset_hours))
    return datetime.datetime.fromtimestamp(ms / 1000, zone).isoformat()


class Shop:
    """A stack that drains when it is told to, for all tests that break nothing."""

    def __init__(self, shared):
        self.lab = Lab(shared)
        self.redis, self.database, self.proxy, self.flusher = self.lab.stack(flusher=HOLD)
        self.client = self.proxy.client()

    def sale(self, *words, code=0):
        done = self.lab.ctl("sale", *words)
        assert done.returncode == code, (done.stdout, done.stderr)
        return done

    def make(self, *words, **kwargs):
        return self.sale(*words, "--config", self.proxy.config, **kwargs)

    def both(self):
        return "--config", self.proxy.config, "--config", self.flusher.config

    def stock(self, item):
        reply = self.client("SECKILL.STOCK", item)
        return dict(zip(reply[::2], reply[1::2])) if len(reply) > 1 else None

    def flush(self):
        done = self.lab.ctl("flush", "--wait", 20, *self.both())
        assert done.returncode == 0, done.stderr

    def check(self, *words):
        """The findings by where."""
        done = self.lab.ctl("sale", "check", "--json", *words, *self.both())
        assert done.returncode in (0, 1), done.stderr
        findings = json.loads(done.stdout)["findings"]
        assert done.returncode == (1 if findings else 0)
        return findings


@pytest.fixture(scope="module")
def shop(shared):
    made = Shop(shared)
    yield made
    made.client.close()
    made.lab.end()
    made.lab.remove()


def test_create_says_what_it_made(shop):
    start, end = soon_ms(), soon_ms(31)
    made = shop.make("create", "phone", "--stock", 100, "--limit", 2, "--start", iso(start, 8),
                     "--end", end, "--hold", "15m")
    assert "+08:00" in iso(start, 8)
    assert "made phone: stock 100, limit 2, starts " in made.stdout and "hold 15m" in made.stdout
    stock = shop.stock("phone")
    assert [stock[name] for name in ("stock", "limit", "start", "end", "hold")] == [
        100, 2, start, end, 900_000]
    again = shop.make("create", "phone", "--stock", 100, "--limit", 2, "--start", iso(start),
                      "--end", iso(end, -3), "--hold", "900s")
    assert "phone is there with the same settings" in again.stdout
    other = shop.make("create", "phone", "--stock", 90, "--limit", 2, "--start", start, "--end",
                      end, "--hold", "15m", code=1)
    assert "exists with other settings: stock is 100 and not 90 (SECKILL.CHANGE" in other.stderr
    assert json.loads(shop.make("create", "--json", "radio", "--stock", 5).stdout) == {
        "made": ["radio"], "same": []}


@pytest.mark.parametrize("start, words", [
    (lambda: soon_ms() // 1000, "looks like seconds since 1970: milliseconds are wanted"),
    (lambda: soon_ms() * 1000, "more than two years ahead; milliseconds since 1970"),
    (lambda: soon_ms(800), "more than two years ahead"),
    (lambda: soon_ms(-1), "is past (it is "),
    (lambda: iso(soon_ms())[:19], "has no zone: append Z for UTC"),
    (lambda: "2027-02-30T10:00:00Z", "is not a time: write one with its zone"),
    (lambda: "2027-02-20T25:00:00Z", "is not a time"),
    (lambda: "tomorrow", "is not a time"),
])
def test_a_wrong_start_is_refused_with_words(shop, start, words):
    done = shop.make("create", "wrong", "--stock", 1, "--start", start(), code=2)
    assert "start: " in done.stderr and words in done.stderr
    assert "nothing was made" in done.stderr and shop.stock("wrong") is None


@pytest.mark.parametrize("options, words", [
    (("--stock", 0), "stock: \"0\" is not a whole number from 1 to 2147483647"),
    (("--stock", 5, "--hold", 15), "hold: "),
    (("--stock", 5, "--limit", -1), "limit: "),
    (("--stock", 5, "--end", "2001-01-01T00:00:00Z"), "end: 2001-01-01 00:00:00 UTC is past"),
    (("--stock", 5, "--start", iso(soon_ms()), "--end", iso(soon_ms())), "end: is not later"),
])
def test_other_wrong_settings(shop, options, words):
    done = shop.make("create", "wrong", *options, code=2)
    assert words in done.stderr and shop.stock("wrong") is None
    assert "is no name" in shop.make("create", "a b", "--stock", 1, code=2).stderr


def test_import_makes_all_and_may_be_run_again(shop):
    start = soon_ms()
    path = shop.lab.folder / "sale.csv"
    path.write_text("\ufeffItem,STOCK,limit,start,end,hold\r\n"
                    f'csv1,10,2,"{iso(start, 8)}",,15m\r\n\r\n'
                    f"csv2 , 20,,{start},{start + DAY_MS},\r\n")
    made = shop.make("import", path)
    assert "2 items made, 0 there with the same settings" in made.stdout
    assert (shop.stock("csv1")["start"], shop.stock("csv2")["end"]) == (start, start + DAY_MS)
    with open(path, "a", encoding="utf8") as file:
        file.write("csv3,5,,,,")
    again = shop.make("import", path)
    assert "made csv3: stock 5, on sale at once" in again.stdout
    assert "1 item made, 2 there with the same settings" in again.stdout


def test_import_names_every_wrong_line_and_makes_nothing(shop):
    shop.make("create", "old", "--stock", 3)
    path = shop.lab.folder / "wrong.csv"
    path.write_text("item,stock,start\n"
                    "good,5,\n"
                    "bad1,many,\n"
                    f"bad2,5,{soon_ms() // 1000}\n"
                    "bad3,5\n"
                    "good,6,\n")
    text = shop.make("import", path, code=2).stderr
    for words in (":3: stock: \"many\"", ":4: start: ", "looks like seconds", ":5: has 2 columns",
                  f":6: item: good stands at {path}:2 already", "nothing was made: 4 problems"):
        assert words in text, text
    path.write_text(f"item,stock,start\ngood,5,\nold,4,\nbad,5,{soon_ms(-2)}\n")
    text = shop.make("import", path, code=1).stderr
    assert ":3: old exists with other settings: stock is 3 and not 4" in text
    assert ":4: start: " in text and "is past" in text
    assert shop.stock("good") is None
    for content, words in (("", "is empty; its first line"),
                           ("item,price\n", "\"price\" is none of"),
                           ("item,item,stock\n", "stands there twice"),
                           ("item,stock\n\"good,5\n", ":2: a quote is not closed"),
                           ("item\ngood\n", "there is no column \"stock\""),
                           ("item,stock\n", "there is no item below it")):
        path.write_text(content)
        assert words in shop.make("import", path, code=2).stderr
    assert "cannot be read" in shop.make("import", "/nowhere.csv", code=2).stderr


def test_an_import_whose_start_has_come_may_still_be_run_again(shop):
    """What is there with the same settings is fine, whatever time it is."""
    start = int(time.time() * 1000) + 1500
    path = shop.lab.folder / "now.csv"
    path.write_text(f"item,stock,start\nnow1,5,{start}\n")
    shop.make("import", path)
    until(lambda: shop.client("SECKILL.BUY", "now1", "ann")[0] == "OK", 10, "the start")
    assert "1 there with" not in shop.make("import", path).stdout
    assert "now1 is there with the same settings" in shop.make("import", path).stdout


def test_warm_makes_the_rows_of_a_select(shop):
    start = soon_ms()
    shop.database.query("CREATE TABLE products (sku VARCHAR(20), qty INT, opens DATETIME)")
    shop.database.query("INSERT INTO products VALUES ('sql1', 7, "
                        f"'{iso(start)[:19].replace('T', ' ')}'), ('sql2', 8, NULL)")
    select = "SELECT sku AS item, qty AS STOCK, {} AS start, '10m' AS hold FROM products"
    words = ("warm", *shop.both(), "--from-mysql")
    ms = "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', opens) DIV 1000"
    assert "2 items made" in shop.sale(*words, select.format(ms)).stdout
    assert shop.stock("sql1")["start"] == start and shop.stock("sql2")["hold"] == 600_000
    assert "0 items made, 2 there" in shop.sale(
        *words, select.format("CONCAT(opens, 'Z')")).stdout
    assert "row 1: start: " in shop.sale(*words, select.format("opens"), code=2).stderr
    assert "doesn't exist" in shop.sale(*words, "SELECT * FROM nothing", code=1).stderr
    refused = shop.sale(*words, "DELETE FROM products", code=1)
    assert "READ ONLY" in refused.stderr
    assert shop.database.one("SELECT COUNT(*) FROM products")[0] == 2
    only = shop.make("warm", "--from-mysql", "SELECT 1", code=2)
    assert "the file of a flusher is missing" in only.stderr


def test_check_finds_nothing_on_a_right_sale(shop):
    shop.make("create", "ready", "--stock", 1000, "--start", iso(soon_ms()))
    shop.flush()
    done = shop.sale("check", "ready", *shop.both())
    assert "nothing found: looked at 1 item, of which 1,000 units are left" in done.stdout


def test_check_names_each_fault_and_the_remedy(shop):
    def finding(where, *words, items=("fault",)):
        found = [one for one in shop.check(*items) if where in one["where"]]
        assert len(found) == 1, found
        for word in words:
            assert word in found[0]["what"] + " do: " + found[0]["remedy"], found

    shop.make("create", "fault", "--stock", 10, "--start", iso(soon_ms()))
    finding("item fault", "MySQL no row of it", "waiting to be drained",
            "sluice-ctl flush --wait 60")
    shop.flush()
    assert shop.check("fault") == []
    shop.database.query("UPDATE items SET stock = 11 WHERE item_id = 'fault'")
    finding("item fault", "Redis has stock 10 and 0 sold, MySQL 11 and 0",
            "sluice-ctl reconcile --item fault")
    shop.database.query("UPDATE items SET stock = 10 WHERE item_id = 'fault'")
    shop.make("create", "open", "--stock", 10)
    shop.flush()
    finding("item open", "it has no start: it is on sale now", "SECKILL.CHANGE open",
            items=("open",))
    assert shop.client("SECKILL.CLOSE", "open") == "OK"
    finding("item open", "it is closed", "SECKILL.REOPEN open", items=("open",))
    finding("item nobody", "the proxy does not know it", "sale create", items=("nobody",))
    assert shop.lab.ctl("pause", "intake", *shop.both()).returncode == 0
    finding("proxy at", "the intake is paused", "sluice-ctl resume intake")
    assert shop.lab.ctl("resume", "intake", *shop.both()).returncode == 0
    assert shop.lab.ctl("pause", "flush", *shop.both()).returncode == 0
    finding("flusher at", "the flush is paused", "sluice-ctl resume flush")
    assert shop.lab.ctl("resume", "flush", *shop.both()).returncode == 0
    with shop.redis.client() as redis:
        redis("CONFIG", "SET", "maxmemory", "1gb")
        shop.make("create", "huge", "--stock", 2_000_000_000, "--start", iso(soon_ms()))
        shop.flush()
        finding("Redis at", "2,000,000,000 orders may come", "left of maxmemory",
                "raise maxmemory", items=("huge",))
        finding("journal", "249.6 GiB", "raise journal.max_bytes", items=("huge",))
        redis("CONFIG", "SET", "maxmemory", "0")


def test_check_looks_at_clocks_and_redis_as_doctor_does(shop):
    if not SHIM.exists():
        pytest.skip(f"{SHIM} is not built")
    server = RedisServer(shop.lab.folder / "late-redis")
    clock = Clock(shop.lab.folder / "clock")
    clock.of(server)
    clock.turn(-7000)
    shop.lab._keep(server).start()
    path = shop.lab.folder / "late.toml"
    path.write_text(toml({**shop.proxy.settings, "redis.servers": [f"127.0.0.1:{server.port}"]}))
    with server.client() as redis:
        redis("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    done = shop.sale("check", "--config", path, "--config", shop.flusher.config, code=1)
    assert "ms behind this machine's" in done.stdout and "do: synchronise" in done.stdout
    assert "maxmemory-policy is allkeys-lru" in done.stdout
    server.kill()


def test_check_says_which_server_does_not_answer(lab):
    redis, _, proxy, flusher = lab.stack()
    proxy.kill()
    flusher.kill()
    done = lab.ctl("sale", "check", "--config", proxy.config, "--config", flusher.config)
    assert done.returncode == 1
    for words in ("error    proxy at http", "error    flusher at http",
                  "error    the proxy's port: the proxy at"):
        assert words in done.stdout, done.stdout
    alone = lab.ctl("sale", "check", "--config", proxy.config)
    assert alone.returncode == 2 and "and of their flushers" in alone.stderr


class Page(HTMLParser):
    """What a report's page asks a browser for, and its plots."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.text = [], [], ""
        self.feed(text)
        self.close()
        self.plots = [ElementTree.fromstring(svg)
                      for svg in re.findall(r"<svg.*?</svg>", text, re.S)]

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data):
        self.text += data

    def plot(self, title):
        return next(plot for plot in self.plots if plot.find("title").text.startswith(title))

    def bars(self, title):
        """The bars' own titles, "name: figure", and their widths."""
        return {rect.find("title").text: float(rect.get("width"))
                for rect in self.plot(title).iter("rect")}


def sell_out(shop, item, stock, buyers):
    shop.make("create", item, "--stock", stock, "--limit", 1)
    Load(shop.proxy.port, [Request(item, f"u{n}", "r") for n in range(buyers)]).start().finish(30)


def report(shop, item, *words, code=0):
    done = shop.sale("report", item, *words, *shop.both(), code=code)
    return json.loads(done.stdout) if "--json" in words else done.stdout


def test_report_tells_the_sale_as_mysql_and_the_journal_have_it(shop):
    sell_out(shop, "sold", 300, 400)
    before = report(shop, "sold", "--json")
    assert before["orders"] == 0 and before["waiting_records"] == 301
    assert before["sold_in_journal"] == 300 and before["drained_by_ms"] is None
    assert "not yet: 301 records waiting" in report(shop, "sold")
    found = [(f"u{n}", shop.client("SECKILL.ORDER", "sold", f"u{n}", "REQ", "r"))
             for n in range(400)]
    buyer, order_id = next((user, order[1]) for user, order in found if order[0] == "FOUND")
    assert shop.client("SECKILL.PAY", "sold", buyer, order_id) == ["OK"]
    since = int(time.time() * 1000)
    shop.flush()
    told = report(shop, "sold", "--json")
    assert (told["stock"], told["sold"], told["left"]) == (300, 300, 0)
    assert (told["orders"], told["buyers"], told["waiting_records"]) == (300, 300, 0)
    assert told["statuses"]["paid"] == {"orders": 1, "units": 1}
    assert told["statuses"]["placed"] == {"orders": 299, "units": 299}
    rows = shop.database.query(
        "SELECT TIMESTAMPDIFF(SECOND, '1970-01-01', created_at) AS second, COUNT(*) FROM orders"
        " WHERE item_id = 'sold' GROUP BY second ORDER BY second")
    assert told["orders_by_second"] == [list(row) for row in rows]
    assert told["peak_orders_per_second"] == max(count for _, count in rows)
    low, high = shop.database.one(
        "SELECT MIN(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', created_at)) DIV 1000,"
        " MAX(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', created_at)) DIV 1000"
        " FROM orders WHERE item_id = 'sold'")
    assert (told["first_order_ms"], told["last_order_ms"]) == (low, high)
    assert since - 100 <= told["drained_by_ms"] <= time.time() * 1000 + 100
    refused = shop.proxy.metrics()['sluice_purchases_total{result="soldout"}']
    assert told["since_start"]["refused"]["soldout"] == refused >= 100
    purchase = told["since_start"]["latencies"][0]
    assert purchase["what"] == "a purchase" and purchase["count"] >= 400
    assert 0 < purchase["p50_seconds"] <= purchase["p99_seconds"] <= purchase["p999_seconds"] < 10
    text = report(shop, "sold")
    for words in ("sold         300 of 300, 0 left", "orders       300 by 300 buyers",
                  "paid 1, units 1", "since the proxies' start (", "soldout ", "a purchase: p50 "):
        assert words in text, text


def test_report_as_a_page_loads_nothing_and_plots_the_figures(shop):
    sell_out(shop, "page", 50, 60)
    shop.flush()
    path = shop.lab.folder / "page.html"
    assert "written to" in report(shop, "page", "--html", path)
    text = path.read_text()
    page = Page(text)
    assert "script" not in page.tags and "link" not in page.tags and page.links == []
    assert "url(" not in text and "@import" not in text
    assert "prefers-color-scheme: dark" in text and "Sale of page" in page.text
    told = report(shop, "page", "--json")
    counts = [int(re.search(r": (\d+) orders", title).group(1))
              for title in page.bars("Orders a second")]
    assert sum(counts) == 50 and max(counts) == told["peak_orders_per_second"]
    statuses = page.bars("Orders by status")
    assert statuses["placed: 50"] > 0 and statuses["paid: 0"] == 0
    soldout = told["since_start"]["refused"]["soldout"]
    assert f"soldout: {soldout:,}" in page.bars("Refused purchases")
    refused = shop.sale("report", "page", "--html", "/nowhere/page.html", *shop.both(), code=1)
    assert "cannot be written" in refused.stderr
    nobody = shop.sale("report", "nobody", *shop.both(), code=2)
    assert "neither MySQL nor a journal knows this item" in nobody.stderr


def test_report_reads_the_shops_own_table(lab):
    """Its names and statuses; with no column for the time, that of the ids."""
    redis, database = lab.redis(), lab.database()
    flusher = lab.flusher(
        database, start=False, orders__table="shop_orders",
        orders__names={"order_id": "id", "item_id": "sku", "user_id": "buyer", "quantity": "pieces",
                       "status": "state", "created_at": "", "updated_at": "", "fields": ""},
        orders__statuses={"placed": "0", "paid": "1", "cancelled": "2", "expired": "3"})
    proxy = lab.proxy(redis, flusher__admin=f"http://127.0.0.1:{flusher.admin_port}")
    flusher.start()
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 10) == "OK"
        orders = [client("SECKILL.BUY", "phone", f"u{n % 2}", "QTY", 2) for n in range(3)]
        assert client("SECKILL.CANCEL", "phone", "u0", orders[0][1])[0] == "OK"
        until(lambda: database.query("SELECT id FROM shop_orders WHERE state = '2'"), 20,
              "the cancelled order")
    words = ("sale", "report", "phone", "--config", proxy.config, "--config", flusher.config)
    done = lab.ctl(*words, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["sold"], told["orders"], told["buyers"]) == (4, 3, 2)
    assert told["statuses"]["cancelled"] == {"orders": 1, "units": 2}
    assert told["statuses"]["placed"] == {"orders": 2, "units": 4}
    assert sum(count for _, count in told["orders_by_second"]) == 3
    assert abs(told["last_order_ms"] - time.time() * 1000) < 60_000
    proxy.kill()
    silent = lab.ctl(*words)
    assert silent.returncode == 1 and "missing      figures of the proxy at" in silent.stdout
