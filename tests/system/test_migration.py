"""docs/migration.md as printed: a shop's own stock key goes into Sluice and comes back out of it,
with what was sold meanwhile. docs/comparison.md has figures of the README's."""

import os
import re
import shutil
import subprocess

import pytest

from harness.daemons import BIN, ROOT
from harness.sql_server import PASSWORD, USER
from harness.waiting import until

PAGE = (ROOT / "docs" / "migration.md").read_text()


class Machine:
    """The page's ports, files and database, as they are here."""

    def __init__(self, lab):
        self.lab = lab
        self.redis, self.database, self.proxy, self.flusher = lab.stack()
        for daemon in (self.proxy, self.flusher):
            link = lab.folder / f"{daemon.name}.toml"
            link.symlink_to(daemon.config)
        mysql = lab.folder / "mysql"
        client = shutil.which("mariadb") or shutil.which("mysql")
        mysql.write_text("#!/bin/bash\n"
                         f'exec {client} --host=127.0.0.1 --port={self.database.server.port} '
                         f'--user={USER} --password={PASSWORD} {self.database.name} "${{@:2}}"\n')
        mysql.chmod(0o755)

    def run(self, line):
        line = line.replace("-p 6479", f"-p {self.proxy.port}")
        line = line.replace("-p 6379", f"-p {self.redis.port}")
        env = dict(os.environ, PATH=f"{self.lab.folder}:{BIN}:{os.environ['PATH']}")
        done = subprocess.run(["bash", "-o", "pipefail", "-c", line], cwd=self.lab.folder, env=env,
                              timeout=60, capture_output=True, text=True)
        assert done.returncode == 0, (line, done.stdout, done.stderr)
        return done.stdout.strip()


def blocks(title):
    """The commands that the page prints under a heading, block by block."""
    section = PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]
    return [block.splitlines() for block in section.split("```\n")[1::2]]


def test_into_sluice_and_back_out(lab):
    """The stock that the old key has is sold; afterwards the old keys say what is left and who
    has bought, MySQL has the orders, and nothing of Sluice is in Redis."""
    shop = Machine(lab)
    with shop.redis.client() as direct, shop.proxy.client() as client:
        direct("SET", "stock:phone", 100)
        create, take_away = blocks("The way in")[0]
        assert shop.run(create) == "OK" and shop.run(take_away) == "1"
        orders = {user: client("SECKILL.BUY", "phone", user, "REQ", "r")[1]
                  for user in ("ann", "bob", "eve", "joe")}
        assert client("SECKILL.PAY", "phone", "ann", orders["ann"]) == ["OK"]
        assert client("SECKILL.CANCEL", "phone", "joe", orders["joe"])[0] == "OK"

        drain, keys, (sweep,) = blocks("The way back out")
        told = [shop.run(line) for line in drain]
        assert told[:2] == ["OK", "OK"] and "all agree" in told[3], told
        stock, buyers, delete = keys
        assert shop.run(stock) == "OK" and shop.run(buyers).split() == ["1", "1", "1"]
        until(lambda: shop.run(delete) == "OK", 20, "the item is deleted", every_s=0.1)
        assert shop.proxy.stop() == 0 and shop.flusher.stop() == 0
        shop.run(sweep)
        assert direct("GET", "stock:phone") == "97"
        assert sorted(direct("SMEMBERS", "buyers:phone")) == ["ann", "bob", "eve"]
        assert sorted(direct("KEYS", "*")) == ["buyers:phone", "stock:phone"]
    rows = dict(shop.database.query("SELECT user_id, status FROM orders"))
    assert rows == {"ann": "paid", "bob": "placed", "eve": "placed", "joe": "cancelled"}


@pytest.mark.parametrize("page", ["comparison.md", "faq.md"])
def test_figures_are_those_of_the_readme(page):
    """Whatever looks like a measured rate stands in the README, or in docs/performance.md."""
    known = (ROOT / "README.md").read_text() + (ROOT / "docs" / "performance.md").read_text()
    figures = set(re.findall(r"\b\d{1,3}(?:,\d{3})+\b", (ROOT / "docs" / page).read_text()))
    assert figures, "a page without figures needs no such test"
    assert [figure for figure in sorted(figures) if figure not in known] == []
