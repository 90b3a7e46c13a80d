"""Killing a daemon at a failpoint, and what every test of an outcome looks at."""

import hashlib
import json
import re
import signal

from harness import invariants
from harness.daemons import ROOT
from harness.load import Load, Request
from harness.resp import RespError
from harness.shelves import shelf_key
from harness.waiting import until

VARIABLE = "SLUICE_FAILPOINT"


def start_armed(daemon, failpoint, wait=True):
    """Starts a daemon that has "name:count[:action]" armed; later starts have nothing armed."""
    daemon.process.env[VARIABLE] = failpoint
    try:
        return daemon.start(wait=wait)
    finally:
        del daemon.process.env[VARIABLE]


def wait_killed(daemon, within_s=20):
    """The failpoint was passed: the daemon has killed itself there."""
    code = daemon.process.wait(within_s)
    assert code == -signal.SIGKILL, f"exit code {code}\n{daemon.process.log_tail()}"


def buy_once(proxy, item, user, req, more=()):
    """One BUY on a connection of its own; None: the connection broke before the answer."""
    with proxy.client() as client:
        try:
            return client("SECKILL.BUY", item, user, "REQ", req, *more)
        except (EOFError, OSError):
            return None


def buy(proxy, item, user, req, within_s=20, more=()):
    """BUY with its REQ until the answer is an outcome, as a client does that has a back-off."""
    def outcome():
        reply = buy_once(proxy, item, user, req, more)
        return reply if isinstance(reply, list) else None
    return until(outcome, within_s, f"an outcome for {user} {req}", every_s=0.05)


def order_of(client, item, user, req):
    """The order's number, or None."""
    reply = client("SECKILL.ORDER", item, user, "REQ", req)
    assert not isinstance(reply, RespError), reply
    return int(reply[1]) if reply[0] == "FOUND" else None


def script_call(name, item):
    """A pattern of the requests that call a script for the item's shelf: there are many others, of
    other shelves and of beats. A script that the server forgot is sent whole, and is not meant."""
    folder = ROOT / "proxy" / "sale"
    made_of, = re.findall(rf"make_script\(\{{([^}}]*\bk{name.title()}Script)\}}\)",
                          (folder / "script_call.cc").read_text())
    parts = [re.sub(r"(?<!^)(?=[A-Z])", "_", part).lower()
             for part in re.findall(r"k(\w+)Script", made_of)]
    text = b"".join((folder / "scripts" / f"{part}.lua").read_bytes() for part in parts)
    sha = hashlib.sha1(text).hexdigest().encode()
    return sha + rb"\r\n.*" + re.escape(shelf_key(item).encode() + b"\r\n")


def redis_sold(redis, item):
    """What Redis itself says, behind the proxy's back."""
    with redis.client() as client:
        found = invariants.item_in_redis(client, item)
        return found["sold"] if found else 0


def journaled(lab, kind="buy", journal=None):
    """{(user, request): order id} of the journal's records of a kind."""
    done = lab.ctl("journal", "dump", journal or lab.journal)
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines()]
    return {(record.get("user"), record.get("request")): int(record.get("order_id", 0))
            for record in records if record["type"] == kind}


def buyers(item, count, first=0, more=()):
    return [Request(item, f"u{n}", "r", *more) for n in range(first, first + count)]


def load(proxy, requests, **keywords):
    keywords.setdefault("connections", 16)
    return Load(proxy.port, requests, **keywords)


def check(lab, flusher, database, proxy, item, done, given):
    """Drains, then the invariants of the design. The flusher may have stopped already."""
    if flusher.process.alive():
        assert flusher.stop() == 0, flusher.process.log_tail()
    drained = flusher.once()
    assert drained.returncode == 0, drained.stdout + drained.stderr
    with proxy.client() as client:
        return invariants.check_consistent(database, client, item, done, given)
