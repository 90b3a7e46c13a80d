"""How long a start takes with a long history, measured by sluice-bench on private servers."""

import json

from harness.daemons import run


def test_a_start_does_not_depend_on_what_is_drained(lab):
    """1,500,000 drained and 20,000 undrained purchases: the proxy is ready within 2 s beyond
    reading the undrained ones, with less than 200 MB, and rebuilds an empty Redis from them."""
    done = run("sluice-bench", "startup", "--drained", 1_500_000, "--undrained", 20_000,
               "--folder", lab.folder, "--json", timeout_s=150)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["snapshot_bytes"] > 30_000_000, "nothing was compacted"
    assert result["start_s"] - result["undrained_read_s"] < 2
    assert result["start_peak_bytes"] < 200_000_000
    assert result["rebuild_s"] > result["start_s"], "there was nothing to rebuild"
