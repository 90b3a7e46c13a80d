"""sluice-ctl status, flush, pause, resume and items: the operator's look and his levers."""

import json
import os
import pty
import signal
import subprocess

import pytest

from harness.daemons import BIN
from harness.lab import HOLD
from harness.load import Load, Request
from harness.waiting import until


def servers(proxy, flusher):
    return ("--proxy", f"http://127.0.0.1:{proxy.admin_port}",
            "--flusher", f"http://127.0.0.1:{flusher.admin_port}")


def configs(proxy, flusher):
    return ("--config", proxy.config, "--config", flusher.config)


def sell(proxy, buyers, item="phone"):
    with proxy.client() as client:
        assert client("SECKILL.CREATE", item, "STOCK", 100_000) == "OK"
    Load(proxy.port, [Request(item, f"u{n}", "r") for n in range(buyers)]).start().finish(30)


class Watch:
    """sluice-ctl status --watch under way, its output in a file."""

    def __init__(self, lab, *words, terminal=False):
        self.path = lab.folder / "watch.out"
        argv = [str(BIN / "sluice-ctl"), "status", "--watch", *map(str, words)]
        self.side = None
        if terminal:
            self.side, end = pty.openpty()
            self.child = subprocess.Popen(argv, stdout=end, stderr=end)
            os.close(end)
        else:
            with open(self.path, "wb") as out:
                self.child = subprocess.Popen(argv, stdout=out, stderr=out)
        self.seen = ""

    def text(self):
        if self.side is None:
            return self.path.read_text()
        self.seen += os.read(self.side, 65536).decode()
        return self.seen

    def interrupt(self):
        self.child.send_signal(signal.SIGINT)
        code = self.child.wait(10)
        if self.side is not None:
            os.close(self.side)
        return code

    def kill(self):
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()


@pytest.fixture
def watch(lab):
    made = []

    def make(*words, **kwargs):
        made.append(Watch(lab, *words, **kwargs))
        return made[-1]

    yield make
    for one in made:
        one.kill()


def test_status_tells_state_reason_and_figures(lab):
    """By URL and by config the same; the JSON holds what /status holds."""
    _, _, proxy, flusher = lab.stack(flusher=HOLD)
    sell(proxy, 1200)
    for words in (servers(proxy, flusher), configs(proxy, flusher)):
        def held():
            done = lab.ctl("status", *words)
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout if "backlog 1,20" in done.stdout.split("flusher  ")[1] else None
        text = until(held, 10, "the flusher to see the backlog")
        assert f"proxy 0  http://127.0.0.1:{proxy.admin_port}  OPEN" in text
        assert "accepted 0/s, 1,200 in all" in text
        assert f"flusher  http://127.0.0.1:{flusher.admin_port}  HOLDING: " in text
        assert "ETA -" in text and "dead letters 0" in text
    done = lab.ctl("status", "--json", *servers(proxy, flusher))
    of_proxy, of_flusher = json.loads(done.stdout)["servers"]
    assert of_proxy["status"]["purchases_accepted"] == 1200 and of_proxy["state"] == "OPEN"
    assert of_proxy["accepted_per_second"] == 0
    assert of_flusher["state"] == "HOLDING" and of_flusher["reason"]
    assert of_flusher["status"]["backlog_records"] == flusher.get("/status").json()[
        "backlog_records"]


def test_a_server_that_does_not_answer_is_a_line_and_exit_code_1(lab):
    proxy = lab.proxy(lab.redis())
    done = lab.ctl("status", "--proxy", f"http://127.0.0.1:{proxy.admin_port}",
                   "--flusher", "http://127.0.0.1:1")
    assert done.returncode == 1
    assert "OPEN" in done.stdout
    assert "flusher  http://127.0.0.1:1  DOES NOT ANSWER" in done.stdout
    answers = json.loads(lab.ctl("status", "--json", "--flusher", "http://127.0.0.1:1").stdout)
    assert answers["servers"][0]["answers"] is False and answers["servers"][0]["error"]
    redis_port = proxy.settings["redis.servers"][0].rsplit(":")[-1]
    other = lab.ctl("status", "--proxy", f"http://127.0.0.1:{redis_port}")
    assert other.returncode == 1 and "DOES NOT ANSWER" in other.stdout


def test_status_says_why_nothing_is_sold(lab):
    redis = lab.redis()
    proxy = lab.proxy(redis)
    redis.kill()
    url = f"http://127.0.0.1:{proxy.admin_port}"
    until(lambda: "LOADING: Redis at" in lab.ctl("status", "--proxy", url).stdout, 20, "the reason")


def test_watch_shows_rates_and_the_drains_progress(lab, watch):
    """A paced drain: a bar that grows, with records left and ETA; Ctrl-C ends it with 0."""
    _, _, proxy, flusher = lab.stack(flusher={**HOLD, "pace__rows_per_second": 150,
                                              "batch__rows": 50})
    looking = watch(*servers(proxy, flusher))
    until(lambda: looking.text().count("accepted 0/s") >= 1, 10, "a first look")
    sell(proxy, 1200)
    until(lambda: any(int(line.split("accepted ")[1].split("/s")[0].replace(",", "")) > 100
                      for line in looking.text().splitlines()
                      if "accepted " in line and "accepted -" not in line), 10, "a rate")
    assert lab.ctl("flush", *servers(proxy, flusher)).returncode == 0

    # A slow drain, so that several looks fall into it.
    def percents():
        return [int(line.split("]")[1].split("%")[0]) for line in looking.text().splitlines()
                if "records left, ETA" in line]
    until(lambda: len(set(percents())) >= 3, 20, "a bar that grows")
    assert percents() == sorted(percents()) and max(percents()) <= 100
    assert "\x1b" not in looking.text()
    assert looking.interrupt() == 0


def test_watch_redraws_a_terminal_and_outlives_its_servers(lab, watch):
    proxy = lab.proxy(lab.redis())
    looking = watch("--proxy", f"http://127.0.0.1:{proxy.admin_port}", terminal=True)
    until(lambda: looking.text().count("\x1b[H\x1b[2J") >= 2, 10, "a second drawing")
    assert "OPEN" in looking.text()
    proxy.kill()
    until(lambda: "DOES NOT ANSWER" in looking.text(), 10, "the proxy's end to be seen")
    assert looking.interrupt() == 0


def test_watch_as_json_is_an_object_a_line(lab, watch):
    proxy = lab.proxy(lab.redis())
    looking = watch("--json", "--proxy", f"http://127.0.0.1:{proxy.admin_port}")
    until(lambda: looking.text().count("\n") >= 2, 10, "two lines")
    assert looking.interrupt() == 0
    for line in looking.text().splitlines():
        assert json.loads(line)["servers"][0]["state"] == "OPEN"


def test_flush_waits_for_the_drain(lab):
    _, database, proxy, flusher = lab.stack(flusher=HOLD)
    sell(proxy, 50)
    assert database.one("SELECT COUNT(*) FROM orders")[0] == 0
    done = lab.ctl("flush", "--wait", 20, *configs(proxy, flusher))
    assert done.returncode == 0 and "drained" in done.stdout, done.stderr
    assert database.one("SELECT COUNT(*) FROM orders")[0] == 50
    sell(proxy, 50, item="radio")
    by_proxy = lab.ctl("flush", "--wait", 20, "--json", "--config", proxy.config)
    assert json.loads(by_proxy.stdout)["servers"][0]["answer"]["drained"] is True
    assert database.one("SELECT COUNT(*) FROM orders")[0] == 100


def test_pause_and_resume(lab):
    """Intake at the proxy; flush at the flusher, where a flush is refused meanwhile (409)."""
    _, _, proxy, flusher = lab.stack(flusher=HOLD)
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 5) == "OK"
        paused = lab.ctl("pause", "intake", *configs(proxy, flusher))
        assert paused.returncode == 0 and "resume intake" in paused.stdout
        assert client("SECKILL.BUY", "phone", "ann").prefix == "BUSY"
        assert "PAUSED" in lab.ctl("status", *configs(proxy, flusher)).stdout
        assert lab.ctl("resume", "intake", *configs(proxy, flusher)).returncode == 0
        assert client("SECKILL.BUY", "phone", "ann")[0] == "OK"
    assert lab.ctl("pause", "flush", *servers(proxy, flusher)).returncode == 0
    refused = lab.ctl("flush", *servers(proxy, flusher))
    assert refused.returncode == 1
    assert "not now: the flusher is paused" in refused.stderr
    assert lab.ctl("resume", "flush", *servers(proxy, flusher)).returncode == 0
    assert lab.ctl("flush", "--wait", 20, *servers(proxy, flusher)).returncode == 0
    wrong = lab.ctl("pause", "intake", "--flusher", "http://127.0.0.1:1")
    assert wrong.returncode == 2 and "is a proxy's" in wrong.stderr
    assert lab.ctl("pause", "everything").returncode == 2
    gone = lab.ctl("pause", "intake", "--proxy", "http://127.0.0.1:1")
    assert gone.returncode == 1 and "does not answer" in gone.stderr


def test_the_token_comes_from_the_config_or_a_file(lab):
    token = lab.folder / "token"
    token.write_text("s3cret-token-of-16+\n")
    proxy = lab.proxy(lab.redis(), admin__token_file=str(token))
    url = f"http://127.0.0.1:{proxy.admin_port}"
    without = lab.ctl("pause", "intake", "--proxy", url)
    assert without.returncode == 1
    assert "wants a bearer token" in without.stderr and "--token-file" in without.stderr
    wrong = lab.folder / "wrong"
    wrong.write_text("another-token-of-16+\n")
    other = lab.ctl("pause", "intake", "--proxy", url, "--token-file", wrong)
    assert other.returncode == 1 and "wants another bearer token" in other.stderr
    assert lab.ctl("pause", "intake", "--proxy", url, "--token-file", token).returncode == 0
    assert lab.ctl("resume", "intake", "--config", proxy.config).returncode == 0


def test_a_listener_beyond_loopback_without_a_token_refuses(lab):
    proxy = lab.proxy(lab.redis(), start=False)
    proxy.settings["admin.address"] = f"0.0.0.0:{proxy.admin_port}"
    proxy.write_config()
    proxy.start()
    done = lab.ctl("pause", "intake", "--config", proxy.config)
    assert done.returncode == 1 and "does not let you: POST needs a token" in done.stderr


def test_items_shows_what_the_proxy_tells(lab):
    proxy = lab.proxy(lab.redis())
    with proxy.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 100, "LIMIT", 2) == "OK"
        made = client.pipeline([("SECKILL.CREATE", f"item{n}", "STOCK", 7)
                                for n in range(1500)])
        assert set(made) == {"OK"}
        assert client("SECKILL.BUY", "phone", "ann", "QTY", 2)[0] == "OK"
        assert client("SECKILL.CLOSE", "item3") == "OK"
    done = lab.ctl("items", "--config", proxy.config)
    assert done.returncode == 0, done.stderr
    rows = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines()}
    assert rows["item"] == ["state", "stock", "sold", "remaining", "limit"]
    assert rows["phone"][1:] == ["100", "2", "98", "2"] and rows["item3"][0] == "closed"
    assert len(rows) == 1502
    items = json.loads(lab.ctl("items", "--json", "--address",
                               f"127.0.0.1:{proxy.port}").stdout)["items"]
    assert len(items) == 1501
    phone = next(item for item in items if item["item"] == "phone")
    assert (phone["stock"], phone["sold"], phone["remaining"]) == (100, 2, 98)
    gone = lab.ctl("items", "--address", "127.0.0.1:1")
    assert gone.returncode == 1 and "the proxy at 127.0.0.1:1 is not reachable" in gone.stderr


def test_output_that_cannot_be_written_is_a_failure(lab):
    """A full disk under `> report.json` is no success."""
    with open("/dev/full", "w") as full:
        done = subprocess.run([BIN / "sluice-ctl", "schema", "print"], stdout=full,
                              stderr=subprocess.PIPE, text=True, timeout=20)
    assert done.returncode == 1 and "could be written" in done.stderr


def test_items_logs_in(lab):
    users = lab.folder / "users.acl"
    users.write_text("user default off\nuser shop on >secret ~* +@all\n")
    password = lab.folder / "password"
    password.write_text("secret\n")
    proxy = lab.proxy(lab.redis(), auth__users_file=str(users))
    refused = lab.ctl("items", "--config", proxy.config)
    assert refused.returncode == 1 and "NOAUTH" in refused.stderr
    done = lab.ctl("items", "--config", proxy.config, "--user", "shop", "--password-file", password)
    assert done.returncode == 0 and done.stdout.startswith("item"), done.stderr


def test_items_over_tls_and_a_unix_socket(lab, secured):
    """A file with a certificate is enough to know that TLS is spoken; the authority is named."""
    with secured.client() as client:
        assert client("SECKILL.CREATE", "phone", "STOCK", 5) == "OK"
    done = lab.ctl("items", "--config", secured.proxy.config, "--tls-ca-file",
                   secured.authority.ca)
    assert done.returncode == 0 and "phone" in done.stdout, done.stderr
    unknown = lab.ctl("items", "--config", secured.proxy.config)
    assert unknown.returncode == 1 and "TLS handshake" in unknown.stderr
    local = lab.ctl("items", "--address", secured.unix_socket)
    assert local.returncode == 0 and "phone" in local.stdout, local.stderr
