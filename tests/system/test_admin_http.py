"""The admin listeners of both daemons: routes, JSON, Prometheus text, and who may POST."""

import socket
import threading

import pytest

from harness import admin, invariants
from harness.lab import HOLD
from harness.load import Load, Request
from harness.ports import free_port
from harness.waiting import until

PROXY_METRICS = [
    'sluice_purchases_total{result="accepted"}', "sluice_purchase_seconds_count",
    "sluice_redis_batch_purchases_count", "sluice_journal_fsync_seconds_count",
    "sluice_oversell_total", "sluice_connected_clients",
]
FLUSHER_METRICS = [
    "sluice_backlog_records", "sluice_backlog_bytes", "sluice_backlog_oldest_age_seconds",
    "sluice_flush_rows_total", "sluice_flush_seconds_count", "sluice_dead_letter_rows",
]


def test_both_daemons_answer_the_routes_of_the_contract(lab):
    """/status is JSON, /metrics Prometheus text with HELP and TYPE, /healthz and /readyz 200."""
    _, _, proxy, flusher = lab.stack()
    for daemon in (proxy, flusher):
        status = daemon.get("/status")
        assert status.status == 200 and "application/json" in status.content_type
        assert isinstance(status.json(), dict) and status.json()
        for path in ("/healthz", "/readyz"):
            assert daemon.get(path).status == 200
        text = daemon.get("/metrics")
        assert text.status == 200 and "text/plain" in text.content_type
        names = {line.split()[2] for line in text.text.splitlines() if line.startswith("# TYPE")}
        helped = {line.split()[2] for line in text.text.splitlines() if line.startswith("# HELP")}
        assert names and names == helped and all(name.startswith("sluice_") for name in names)
        assert daemon.get("/nothing").status == 404
        assert admin.request("DELETE", daemon.admin_port, "/status").status == 405
        assert daemon.get("/flush").status == 405


def test_metrics_count_what_happened(lab):
    """100 accepted, 50 refused, 100 rows: the counters say exactly that."""
    _, database, proxy, flusher = lab.stack()
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 100, "LIMIT", 1) == "OK"
        Load(proxy.port, [Request("phone", f"u{n}", "r") for n in range(150)]).start().finish(30)
        invariants.wait_rows(database, "phone", 100)
        seen = proxy.metrics()
        for name in PROXY_METRICS:
            assert name in seen, name
        assert seen['sluice_purchases_total{result="accepted"}'] == 100
        assert seen['sluice_purchases_total{result="soldout"}'] == 50
        assert seen["sluice_purchase_seconds_count"] == 150
        assert seen["sluice_oversell_total"] == 0
        until(lambda: proxy.metrics()["sluice_connected_clients"] == 1, 10,
              "the load's clients left")
        assert any(name.startswith("sluice_build_info") for name in seen)
    drained = until(lambda: (m := flusher.metrics())["sluice_backlog_records"] == 0 and m, 10,
                    "no backlog")
    for name in FLUSHER_METRICS:
        assert name in drained, name
    assert drained["sluice_flush_rows_total"] == 100
    assert drained["sluice_dead_letter_rows"] == 0


def test_pause_resume_and_flush_by_http(lab):
    """POST /pause on the proxy refuses purchases; POST /flush on the flusher brings the rows."""
    _, database, proxy, flusher = lab.stack(flusher=HOLD)
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 5) == "OK"
        assert proxy.post("/pause").status == 200
        assert client("SECKILL.BUY", "phone", "ann").prefix == "BUSY"
        assert proxy.post("/resume").status == 200
        assert client("SECKILL.BUY", "phone", "ann")[0] == "OK"
        assert invariants.count_rows(database, "phone") == 0
        assert flusher.post("/pause").status == 200
        assert flusher.post("/resume").status == 200
        assert flusher.post("/flush").status in (200, 202)
        invariants.wait_rows(database, "phone", 1)
        assert client("SECKILL.BUY", "phone", "bob")[0] == "OK"
        assert proxy.post("/flush").status in (200, 202)
        invariants.wait_rows(database, "phone", 2)


@pytest.mark.parametrize("which", ["proxy", "flusher"])
def test_post_needs_the_token_if_there_is_one(lab, which):
    """401 without or with a wrong one, 200 with it; GET needs none."""
    token = lab.folder / "token"
    token.write_text("s3cret-token-of-16+\n")
    token.chmod(0o600)
    settings = {"admin__token_file": str(token)}
    if which == "proxy":
        daemon = lab.proxy(lab.redis(), **settings)
    else:
        daemon = lab.flusher(lab.database(), start=False, **settings)
        daemon.start(wait=False)
        until(lambda: daemon.get("/healthz").status == 200, 20, "the flusher's listener")
    assert daemon.get("/status").status == 200
    assert daemon.post("/pause").status == 401
    assert daemon.post("/pause", headers={"Authorization": "Bearer wrong"}).status == 401
    right = {"Authorization": "Bearer s3cret-token-of-16+"}
    assert daemon.post("/pause", headers=right).status == 200
    assert daemon.post("/resume", headers=right).status == 200


def test_a_web_page_elsewhere_cannot_reach_the_admin_port(lab):
    """A foreign Origin or Host is 403: DNS rebinding and cross-site POSTs end here."""
    proxy = lab.proxy(lab.redis())
    assert proxy.post("/pause", headers={"Origin": "http://evil.example"}).status == 403
    assert proxy.get("/status", headers={"Host": "evil.example"}).status == 403
    own = {"Origin": f"http://127.0.0.1:{proxy.admin_port}"}
    assert proxy.post("/resume", headers=own).status == 200


def test_two_hosts_are_refused_by_name(lab):
    """A program in between may have looked at the other one; so with Origin and the token."""
    proxy = lab.proxy(lab.redis())
    for header in ("Host: localhost", "Origin: http://localhost", "Authorization: Bearer x"):
        request = f"POST /pause HTTP/1.1\r\nHost: localhost\r\n{header}\r\n{header}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", proxy.admin_port), timeout=10) as client:
            client.sendall(request.encode())
            answer = client.makefile("rb").read().decode()
        assert answer.startswith("HTTP/1.1 400 "), answer
        assert f"more than one {header.split(':')[0]}" in answer
    assert proxy.get("/readyz").status == 200


def test_readiness_follows_redis(lab):
    """/readyz turns 503 when Redis is gone and 200 when it is back; /healthz stays 200."""
    redis = lab.redis()
    proxy = lab.proxy(redis)
    redis.kill()
    until(lambda: proxy.get("/readyz").status == 503, 10, "503")
    assert proxy.get("/healthz").status == 200
    redis.start()
    until(lambda: proxy.get("/readyz").status == 200, 20, "200")


def test_a_backlog_is_not_known_before_mysql_has_told_the_position(lab):
    """A flusher that is started while MySQL is away does not say that nothing waits."""
    database = lab.database()
    flusher = lab.flusher(database, start=False, mysql__port=free_port())
    proxy = lab.proxy(lab.redis(), flusher__admin=f"http://127.0.0.1:{flusher.admin_port}")
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 5) == "OK"
        assert client("SECKILL.BUY", "phone", "ann")[0] == "OK"
        flusher.start(wait=False)

        def told():
            answer = flusher.get("/status").json()
            return answer["state"] == "BLOCKED" and "waiting" not in answer["reason"] and answer
        status = until(told, 10, "it is blocked")
        for name in ("backlog_records", "backlog_bytes", "oldest_age_seconds"):
            assert status[name] == -1
        assert status["eta_seconds"] is None
        assert flusher.metrics()["sluice_backlog_records"] == -1
        until(lambda: invariants.pairs(client("SECKILL.STATUS"))["flusher"] == "BLOCKED", 10,
              "seen by the proxy")
        assert invariants.pairs(client("SECKILL.STATUS"))["backlog_records"] == "-1"
        assert proxy.get("/status").json()["backlog"]["rows"] is None
        assert flusher.stop() == 0
        flusher.settings["mysql.port"] = database.server.port
        flusher.write_config()
        flusher.start()
        until(lambda: flusher.metrics()["sluice_backlog_records"] == 0, 10, "drained")


def test_status_moves_on_while_clients_wait_for_a_flush(lab):
    """A FLUSH WAIT that cannot end (somebody holds the checkpoints) does not stop the proxy's looks
    at the flusher; beyond 1,000 requests they are refused, and none is without an answer."""
    _, database, proxy, _ = lab.stack()
    until(lambda: database.one("SELECT COUNT(*) FROM sluice_checkpoint"), 10, "checkpoints")
    holder = database.server.connect(database.name)
    holder.begin()
    holder.cursor().execute("SELECT * FROM sluice_checkpoint FOR UPDATE")
    with proxy.client() as client, proxy.client() as waiting:
        client("SECKILL.CREATE", "phone", "STOCK", 100)
        until(lambda: invariants.pairs(client("SECKILL.STATUS"))["backlog_records"] == "1", 6,
              "the proxy knows of a backlog")
        waiter = threading.Thread(target=waiting, args=("SECKILL.FLUSH", "WAIT", 8000))
        waiter.start()
        for n in range(10):
            assert client("SECKILL.BUY", "phone", f"u{n}")[0] == "OK"
        until(lambda: invariants.pairs(client("SECKILL.STATUS"))["backlog_records"] == "11", 6,
              "a look at the flusher while a FLUSH waits")
        assert waiter.is_alive(), "the flush has ended, so this was no test"
        replies = []

        def crowd():
            with proxy.client() as own:
                replies.extend(own.pipeline([("SECKILL.FLUSH",)] * 500))

        crowds = [threading.Thread(target=crowd) for _ in range(6)]
        for thread in crowds:
            thread.start()
        for thread in crowds:
            thread.join(60)
        assert len(replies) == 3000
        assert any("wait for the flusher" in str(reply) for reply in replies)
        holder.rollback()
        holder.close()
        waiter.join(60)
