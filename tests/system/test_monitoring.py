"""Alert rules and dashboard are loaded by Debian's Prometheus and name metrics that exist; and the
signals that an operator stands on say what is the case."""

import json
import pathlib
import re
import shutil
import subprocess
import time
import urllib.parse

import pytest
import yaml

from harness import admin
from harness.daemons import ROOT
from harness.lab import HOLD
from harness.ports import free_port
from harness.process import Process
from harness.sql_server import Database
from harness.waiting import until

FOLDER = pathlib.Path(ROOT, "packaging", "prometheus")
DASHBOARD = pathlib.Path(ROOT, "packaging", "grafana", "sluice.json")
NAME = re.compile(r"\bsluice_[a-z_]+")
# They exist only with TLS.
CONDITIONAL = {"sluice_tls_certificate_end_seconds"}


def program(name):
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed (scripts/deps.sh)")
    return name


def promtool(*words):
    done = subprocess.run([program("promtool"), *words], cwd=FOLDER, capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rules():
    groups = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def expressions():
    """All of the dashboard and of the rules."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    shown = [target["expr"] for panel in panels for target in panel.get("targets", [])]
    assert len(shown) > 20
    return shown + [rule["expr"] for rule in rules()]


def test_promtool_takes_rules_and_configuration():
    assert f"{len(rules())} rules found" in promtool("check", "rules", "alerts.yml")
    promtool("check", "config", "prometheus.yml")


def test_each_alert_fires_when_it_should_and_only_then():
    """promtool test rules; and the test names every alert."""
    assert "SUCCESS" in promtool("test", "rules", "alerts.test.yml")
    tested = (FOLDER / "alerts.test.yml").read_text()
    assert [rule["alert"] for rule in rules() if f'"{rule["alert"]}"' not in tested] == []


def test_each_alert_has_a_section_in_the_runbook():
    sections = re.findall(r"^## (\w+)$", pathlib.Path(ROOT, "docs/runbook.md").read_text(),
                          re.MULTILINE)
    assert sections == [rule["alert"] for rule in rules()]
    for rule in rules():
        assert rule["annotations"]["runbook"] == f"docs/runbook.md#{rule['alert'].lower()}"
        assert rule["labels"]["severity"] in ("page", "ticket")


def test_the_runbook_knows_each_cause(lab):
    _, _, proxy, flusher = lab.stack()
    page = pathlib.Path(ROOT, "docs/runbook.md").read_text()
    causes = {re.search(r'reason="(\w+)"', name)[1] for daemon in (proxy, flusher)
              for name in daemon.metrics() if name.startswith("sluice_blocked")}
    assert len(causes) > 15 and [cause for cause in causes if f"`{cause}`" not in page] == []


# ---- A real Prometheus.

def prometheus(lab, proxy, flusher):
    """A running Prometheus with the packaged files, pointed at these two: its port."""
    folder = lab.folder / "prometheus"
    folder.mkdir()
    shutil.copy(FOLDER / "alerts.yml", folder)
    config = (FOLDER / "prometheus.yml").read_text()
    for address, daemon in (("127.0.0.1:9479", proxy), ("127.0.0.1:9480", flusher)):
        assert config.count(address) == 1
        config = config.replace(address, f"127.0.0.1:{daemon.admin_port}")
    config = config.replace("scrape_interval: 5s", "scrape_interval: 200ms")
    (folder / "prometheus.yml").write_text(config)
    port = free_port()
    process = Process("prometheus", [
        program("prometheus"), f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{port}"],
        folder / "prometheus.log")
    lab.processes.append(process)
    process.start()
    until(lambda: admin.request("GET", port, "/-/ready").status == 200, 30, "it answers queries")
    return port


def query(port, expression):
    """{labels as JSON: value} of an instant query."""
    path = "/api/v1/query?" + urllib.parse.urlencode({"query": expression})
    answer = admin.request("GET", port, path).json()
    assert answer["status"] == "success", answer
    return {json.dumps(one["metric"], sort_keys=True): float(one["value"][1])
            for one in answer["data"]["result"]}


def test_a_real_prometheus_scrapes_both_and_every_metric_named_exists(lab):
    """It takes each expression of rules and dashboard; each metric in them is one of the two's."""
    _, _, proxy, flusher = lab.stack()
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 5) == "OK"
        assert client("SECKILL.BUY", "phone", "ann")[0] == "OK"
        assert client("SECKILL.FLUSH", "WAIT", 20_000) == "OK"
    port = prometheus(lab, proxy, flusher)
    until(lambda: len(query(port, "up == 1")) == 2, 30, "both are scraped", every_s=0.1)
    until(lambda: sum(query(port, "sluice_flush_rows_total").values()) == 1, 10, "the order")
    path = "/api/v1/label/__name__/values"
    known = set(admin.request("GET", port, path).json()["data"])
    named = {name for text in expressions() for name in NAME.findall(text)} - CONDITIONAL
    assert len(named) > 25 and sorted(named - known) == []
    for text in expressions():
        query(port, text.replace("$instance", ".*").replace("$__rate_interval", "1m"))
    assert query(port, 'sluice_blocked == 1') == {}
    assert query(port, 'sluice_intake_state{state="open"}').popitem()[1] == 1


# ---- Signals that used to lie.

def test_the_proxy_says_what_keeps_it_from_selling(lab):
    """/readyz and the gauges agree, and name the cause: Redis gone, the intake paused."""
    redis = lab.redis()
    proxy = lab.proxy(redis)
    blocked = 'sluice_blocked{lane="0",reason="%s"}'
    seen = proxy.metrics()
    assert seen["sluice_redis_reachable"] == 1 and seen['sluice_intake_state{state="open"}'] == 1
    assert seen["sluice_journal_disk_free_bytes"] > 1e6 and seen["sluice_journal_full"] == 0
    assert proxy.post("/pause").status == 200
    assert proxy.get("/readyz").status == 503 and "paused" in proxy.get("/readyz").text
    seen = proxy.metrics()
    assert seen['sluice_intake_state{state="paused"}'] == 1
    assert seen['sluice_intake_state{state="open"}'] == 0 and seen[blocked % "paused"] == 1
    assert proxy.post("/resume").status == 200 and proxy.get("/readyz").status == 200
    redis.process.kill()
    until(lambda: proxy.metrics()["sluice_redis_reachable"] == 0, 10, "Redis is gone")
    until(lambda: proxy.metrics()[blocked % "redis_unreachable"] == 1, 10, "the cause")
    assert proxy.metrics()[blocked % "gate"] == 0 and proxy.get("/readyz").status == 503


def test_a_full_journal_is_said(lab):
    """Gauge, /readyz and the words of the refusal, at both sides of the limit."""
    proxy = lab.proxy(lab.redis(), journal__segment_bytes="1MiB", journal__max_bytes="2MiB")
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 1_000_000) == "OK"
        assert proxy.metrics()["sluice_journal_full"] == 0
        fields = ["FIELDS", "a", "x" * 1000, "b", "y" * 1000]
        words = [("SECKILL.BUY", "phone", f"u{n}", *fields) for n in range(1200)]
        replies = [reply for at in range(0, 1200, 100)
                   for reply in client.pipeline(words[at:at + 100])]
    assert "BUSY" in {getattr(reply, "prefix", None) for reply in replies}
    assert proxy.metrics()["sluice_journal_full"] == 1
    ready = proxy.get("/readyz")
    assert ready.status == 503 and "journal.max_bytes" in ready.text
    assert proxy.metrics()['sluice_blocked{lane="0",reason="journal_full"}'] == 1
    assert proxy.metrics()['sluice_intake_state{state="full"}'] == 1
    assert proxy.process.log().count("no further journal segment: ") == 1


def test_the_oldest_order_is_as_old_as_it_is_while_mysql_is_down(lab):
    """Also if a writer has had it for long; and what is in the way has a name."""
    server = lab.sql_server()
    proxy = lab.proxy(lab.redis())
    flusher = lab.flusher(Database(server, "shop").create(), trigger__max_age="1s")
    server.kill()
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 5) == "OK"
        begin = time.time()
        blocked = 'sluice_blocked{destination="mysql",reason="connection"}'
        until(lambda: flusher.metrics()[blocked] == 1, 15, "blocked")
        assert client("SECKILL.BUY", "phone", "ann")[0] == "OK"
    until(lambda: flusher.metrics()["sluice_backlog_records"] == 2, 10, "both wait")
    seen, now = flusher.metrics(), time.time()
    assert now - begin - 1.5 <= seen["sluice_backlog_oldest_age_seconds"] <= now - begin + 1
    assert seen["sluice_mysql_connected"] == 0


def test_a_paused_drain_and_a_failed_reload_are_said(lab):
    """sluice_flush_paused, sluice_reload_failed of both; a reload that succeeds takes it back."""
    _, _, proxy, flusher = lab.stack(flusher=HOLD)
    assert flusher.post("/pause").status == 200
    until(lambda: flusher.metrics()["sluice_flush_paused"] == 1, 5, "paused")
    for daemon in (proxy, flusher):
        assert daemon.metrics()["sluice_reload_failed"] == 0
        good = daemon.config.read_text()
        daemon.config.write_text(good + "\n[nonsense]\nx = 1\n")
        daemon.process.send(1)
        until(lambda: daemon.metrics()["sluice_reload_failed"] == 1, 5, "it failed")
        daemon.config.write_text(good)
        daemon.process.send(1)
        until(lambda: daemon.metrics()["sluice_reload_failed"] == 0, 5, "it succeeded")
