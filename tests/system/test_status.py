"""/status against its schema, /events, and the HTTP headers of the dashboard's files."""

import gzip
import http.client
import json
import pathlib
import socket

import jsonschema

from harness.lab import HOLD
from harness.tcp_fault import LOSE_REPLY, LOSE_REQUEST, TcpFault
from harness.waiting import until

SCHEMA = json.loads((pathlib.Path(__file__).resolve().parents[2]
                     / "docs" / "status.schema.json").read_text())


def check(status):
    # Also against fields that it does not name: who adds one describes it.
    validator = jsonschema.Draft202012Validator(SCHEMA)
    assert [error.message for error in validator.iter_errors(status)] == []
    assert sorted(set(status) - set(SCHEMA["properties"])) == []


def ask(proxy, method, path, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", proxy.admin_port, timeout=10)
    try:
        connection.request(method, path, headers=headers or {})
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()


def events(proxy, count):
    """The first events of /events, as objects."""
    found = []
    with socket.create_connection(("127.0.0.1", proxy.admin_port), timeout=10) as line:
        line.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        for text in line.makefile("r"):
            if text.startswith("data: "):
                found.append(json.loads(text.removeprefix("data: ")))
            if len(found) == count:
                return found
    raise AssertionError(f"the stream has ended after {len(found)} events")


def test_status_is_as_its_schema_says_in_every_state(lab):
    """Before a sale, with a backlog and a dead letter, drained, and without Redis or flusher."""
    redis, database, proxy, flusher = lab.stack(flusher={
        **HOLD, "trigger__schedule": ["30 3 * * *"]})
    check(proxy.get("/status").json())
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 3) == "OK"
        for n in range(5):
            client("SECKILL.BUY", "phone", f"u{n}", "REQ", "r")
    held = until(lambda: (s := proxy.get("/status").json())["backlog"]["rows"] == 4 and s, 10,
                 "the backlog")
    check(held)
    assert held["state"]["name"] in ("HOLDING", "ABSORBING")
    assert held["drain"]["next_scheduled_ms"] > held["time_ms"]
    assert held["totals"]["refused"]["soldout"] == 2
    assert held["latency"]["accept"]["count"] == 5 and held["latency"]["accept"]["p99"] > 0
    database.query("ALTER TABLE orders ADD CONSTRAINT nobody CHECK (user_id <> 'u0')")
    flusher.post("/flush")
    done = until(lambda: (s := proxy.get("/status").json())["refused_orders"]["count"] == 1
                 and s["latency"]["flush"]["count"] > 0 and s, 15, "a dead letter")
    check(done)
    assert "nobody" in done["refused_orders"]["shown"][0]["error"]
    told = until(lambda: (s := proxy.get("/status").json())["top_items"][0]["mysql_sold"] and s,
                 15, "MySQL's numbers")
    assert told["top_items"][0]["mysql_sold"] == 2
    flusher.kill()
    redis.kill()
    down = until(lambda: (s := proxy.get("/status").json())["state"]["name"] == "DEGRADED"
                 and s["flusher"] == "unreachable" and s, 15, "DEGRADED")
    check(down)
    assert down["backlog"]["rows"] is None and down["shelves"]["open"] == 0
    assert sum(down["shelves"]["reasons"].values()) == 64


def test_a_flusher_that_misses_one_look_is_not_unreachable(lab):
    """What it told before stands; after a second one it is, with how long it has been silent."""
    drain = lab.flusher(lab.database(), start=False)
    fault = TcpFault(drain.admin_port, "raw")
    try:
        proxy = lab.proxy(lab.redis(), flusher__admin=f"http://127.0.0.1:{fault.port}")
        drain.start()
        until(lambda: proxy.get("/status").json()["flusher"] in ("IDLE", "HOLDING"), 15,
              "the flusher is known")
        missed = fault.on(rb"GET /status", LOSE_REQUEST)
        missed.wait()
        again = fault.on(rb"GET /status", LOSE_REPLY, nth=2, then=fault.refuse)
        seen = set()
        until(lambda: seen.add(proxy.get("/status").json()["flusher"]) or again.fired.is_set(), 15,
              "two more looks")
        assert "unreachable" not in seen, seen
        down = until(lambda: (s := proxy.get("/status").json())["flusher"] == "unreachable" and s,
                     15, "unreachable")
        assert "; it last answered " in down["drain"]["reason"], down["drain"]
        check(down)
        fault.refuse(False)
        until(lambda: proxy.get("/status").json()["flusher"] != "unreachable", 15, "it is back")
    finally:
        fault.close()


def test_events_are_the_status_once_a_second(lab):
    proxy = lab.proxy(lab.redis())
    seen = events(proxy, 3)
    for status in seen:
        check(status)
    assert 500 < seen[2]["time_ms"] - seen[1]["time_ms"] < 3000
    history = proxy.get("/history").json()
    assert len({len(column) for column in history.values()}) == 1 and history["time_ms"]


def test_dashboard_files_may_load_nothing_from_elsewhere(lab):
    """A strict policy, gzip, an ETag that makes the second answer 304; nothing inline."""
    proxy = lab.proxy(lab.redis())
    for path in ("/", "/app.js", "/app.css", "/uplot.js", "/icon.svg"):
        answer, body = ask(proxy, "GET", path)
        assert answer.status == 200 and answer.getheader("Content-Encoding") == "gzip"
        policy = answer.getheader("Content-Security-Policy")
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert answer.getheader("X-Content-Type-Options") == "nosniff"
        assert answer.getheader("Referrer-Policy") == "no-referrer"
        again, empty = ask(proxy, "GET", path, {"If-None-Match": answer.getheader("ETag")})
        assert again.status == 304 and empty == b""
        text = gzip.decompress(body).decode()
        if path == "/":
            assert "<style" not in text and "style=" not in text and " onclick" not in text
            assert "src=\"http" not in text and "href=\"http" not in text
    assert ask(proxy, "GET", "/", {"Host": "evil.example"})[0].status == 403


def test_pause_names_what_it_pauses(lab):
    _, _, proxy, flusher = lab.stack(flusher=HOLD)
    assert proxy.post("/pause?what=flush").json() == {"flush": "paused"}
    assert flusher.get("/status").json()["state"] == "PAUSED"
    assert proxy.get("/status").json()["intake"] == "open"
    assert proxy.post("/resume?what=flush").json() == {"flush": "open"}
    assert proxy.post("/pause?what=all").status == 400
