"""The suites of drivers, and of one application: each is run and its results read.

A suite here is a function of a Run that returns {name of a test: PASSED, FAILED or SKIPPED}.
"""

import json
import os
import pathlib
import random
import re
import signal
import subprocess
import xml.etree.ElementTree

from fetch import upstream

HERE = pathlib.Path(__file__).resolve().parent
PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
SUITE_TIMEOUT_S = 600
FILE_TIMEOUT_S = 90


class Run:
    """One run of a suite: through Sluice, or directly."""

    def __init__(self, folder, name, stack, direct):
        self.folder, self.name, self.direct = folder, name, direct
        self.start_stack = stack
        self.log = folder / f"{name}.{'direct' if direct else 'sluice'}.log"
        self.log.write_text("")

    def tree(self, package):
        return upstream(package, self.folder)

    def with_server(self, suite):
        """suite(port), with a Redis, and the proxy, that run already."""
        servers = self.start_stack()
        try:
            return suite(servers.redis_port if self.direct else servers.port)
        finally:
            servers.stop()

    def environment(self, **more):
        """The redis-server that a suite starts is tests/suites/bin/redis-server."""
        bin_folder = HERE / "bin"
        return dict(os.environ, PATH=f"{bin_folder}:{os.environ['PATH']}",
                    REDIS_SERVER_PATH=str(bin_folder / "redis-server"),
                    SLUICE_SUITES_DIRECT="1" if self.direct else "", **more)

    def output(self, command, cwd, timeout=SUITE_TIMEOUT_S, **more):
        """(exit code, what it printed), which the log of this run keeps."""
        with open(self.log, "a+", errors="replace") as log:
            log.write(f"$ {' '.join(map(str, command))}\n")
            log.flush()
            begin = log.tell()
            with subprocess.Popen(command, cwd=cwd, env=self.environment(**more),
                                  stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                                  start_new_session=True) as process:
                try:
                    code = process.wait(timeout)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    code = process.wait()
            log.seek(begin)
            text = COLOURS.sub("", log.read())
        return code, text


def junit(path, prefix=""):
    """Results of a JUnit file; an empty one if the suite did not come to write it."""
    out = {}
    if not path.exists():
        return {f"{prefix}(no results)": FAILED}
    for case in xml.etree.ElementTree.parse(path).iter("testcase"):
        name = f"{prefix}{case.get('classname', '')}.{case.get('name')}"
        kinds = {child.tag for child in case}
        out[name] = (FAILED if kinds & {"failure", "error", "warning"} else
                     SKIPPED if "skipped" in kinds else PASSED)
    return out


def pytest(run, tree, arguments, prefix="", **more):
    report = (run.folder / f"{run.log.name}.xml").resolve()
    report.unlink(missing_ok=True)
    run.output(["/usr/bin/python3", "-m", "pytest", "-p", "no:cacheprovider", "-q", "--timeout",
                "30", "-o", "filterwarnings=default", f"--junitxml={report}", *arguments],
               tree, PYTHONDONTWRITEBYTECODE="1", **more)
    return junit(report, prefix)


# ---- Suites for a server that runs already.

def redis_py(run):
    """redis-py's own tests, in RESP2 and RESP3; not those of modules, clusters, sentinels, TLS.

    Nor those that give Redis users and passwords (ACL SETUSER, CONFIG SET requirepass): the proxy
    knows Redis's password from redis.password_file and its own users from auth.users_file, and all
    tests after them would fail too.
    """
    tree = run.tree("python-redis")
    elsewhere = [f"--ignore-glob=*/test_{what}*.py" for what in
                 ("cluster", "ssl", "sentinel", "credentials", "bloom", "json", "search",
                  "timeseries", "vsets", "cwe_404")]
    out = {}
    for protocol in ("2", "3"):
        out |= run.with_server(lambda port: pytest(
            run, tree, ["tests", f"--redis-url=redis://127.0.0.1:{port}/0",
                        f"--protocol={protocol}", *elsewhere, "--ignore=tests/test_auth", "-k",
                        "not acl and not auth", "-m",
                        "not redismod and not onlycluster and not ssl and not cp_integration"],
            f"resp{protocol} ", PYTHONPATH=str(tree.resolve())))
    return out


def rq(run):
    """RQ, job queues on Redis: an application that forks, blocks, watches and subscribes."""
    tree, driver = run.tree("python-rq"), run.tree("python-redis")
    path = ":".join(str(folder.resolve()) for folder in (HERE / "python", tree, driver))
    return run.with_server(lambda port: pytest(run, tree, ["tests"], PYTHONPATH=path,
                                               SLUICE_PORT=str(port)))


def phpredis(run):
    tree = next(run.tree("php-redis").glob("**/tests/TestRedis.php")).parent
    states = {"PASSED": PASSED, "FAILED": FAILED, "SKIPPED": SKIPPED}

    def suite(port):
        _, text = run.output(["php", "TestRedis.php", "--class", "Redis", "--nocolors", "--host",
                              "127.0.0.1", "--port", str(port)], tree)
        found = re.findall(r"(test\w+)[^\[\n]*(?:\n[^\[]*?)?\[(PASSED|FAILED|SKIPPED)\]", text)
        return {name: states[state] for name, state in found}
    return run.with_server(suite)


def predis(run):
    """Those of Predis's tests that need a server."""
    tree = run.tree("php-nrk-predis")
    report = (run.folder / f"{run.log.name}.xml").resolve()
    report.unlink(missing_ok=True)

    def suite(port):
        config = (tree / "phpunit.xml.dist").read_text()
        config = config.replace('value="6379"', f'value="{port}"').replace(
            "<groups>", "<groups><include><group>connected</group></include>")
        (tree / "phpunit.xml").write_text(config)
        run.output(["phpunit", "-c", "phpunit.xml", "--no-coverage", "--debug", "--log-junit",
                    str(report)], tree)
        return junit(report)
    return run.with_server(suite)


# ---- Suites that start their servers.

def perl(run, package, library):
    """Perl tests speak TAP; a test is named by its file and its words."""
    tree = run.tree(package)
    out = {}
    for file in sorted(tree.glob("t/*.t")):
        if file.name.startswith(("author-", "release-")):
            continue
        code, text = run.output(["perl", *library, "-It/tlib", "-I.", f"t/{file.name}"], tree,
                                FILE_TIMEOUT_S)
        results = re.findall(r"^\s*(not )?ok \d+(?: - | |$)(.*)$", text, re.MULTILINE)
        for failed, words in results:
            name = f"{file.name}: {re.sub(r'0x[0-9a-f]+|[0-9]{4,}', 'N', words)}".strip()
            state = (SKIPPED if "# skip" in words or "# TODO" in words else
                     FAILED if failed else PASSED)
            out[name] = max(state, out.get(name, state), key=(SKIPPED, PASSED, FAILED).index)
        if code != 0 and not any(failed for failed, _ in results):
            out[f"{file.name}: exit code"] = FAILED
        elif not results:
            out[f"{file.name}: whole file"] = SKIPPED
    return out


def redigo(run):
    tree = run.tree("golang-github-gomodule-redigo").resolve()
    workspace = (run.folder / "go").resolve()
    link = workspace / "src" / "github.com" / "gomodule" / "redigo"
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink():
        link.symlink_to(tree)
    out = {}
    for package in ("redis", "redisx"):
        # Only the tests of the first start a server of their own, and know the flag for its port.
        port = [f"-redis-port={random.randint(12_000, 28_000)}"] if package == "redis" else []
        _, text = run.output(
            ["go", "test", "-count=1", "-v", f"github.com/gomodule/redigo/{package}", *port], link,
            GO111MODULE="off", GOPATH=f"{workspace}:/usr/share/gocode",
            GOCACHE=str(workspace / "cache"))
        states = {"PASS": PASSED, "FAIL": FAILED, "SKIP": SKIPPED}
        found = re.findall(r"--- (PASS|FAIL|SKIP): (\S+)", text)
        out |= {f"{package}.{name}": states[state] for state, name in found}
        if not found:
            out[f"{package} (no results)"] = FAILED
    return out


def node_redis(run):
    """The tests of @redis/client, without those of clusters, which never meet the proxy.

    tests/suites/bin/docker starts what they want of docker.
    """
    tree = run.tree("node-redis").resolve()
    if not (tree / "packages" / "test-utils" / "dist").is_dir():
        install_node_redis(run, tree)
    _, text = run.output(
        ["npx", "mocha", "-r", "source-map-support/register", "-r", "ts-node/register",
         "./lib/**/*.spec.ts", "--redis-version", "7.0", "--reporter", "json", "--timeout",
         "10000", "--exit", "--invert", "--grep", "[cC]luster"],
        tree / "packages" / "client", TS_NODE_TRANSPILE_ONLY="1")
    start = text.find('{\n  "stats"')
    if start < 0:
        return {"(no results)": FAILED}
    told = json.JSONDecoder().raw_decode(text[start:])[0]
    return {test["fullTitle"]: state for state, kind in
            ((PASSED, "passes"), (SKIPPED, "pending"), (FAILED, "failures")) for test in told[kind]}


def install_node_redis(run, tree):
    """Only what the tests need of the packages that its development needs."""
    wanted = {"@tsconfig/node14": "^14.1.0", "typescript": "5.2", "mocha": "^10.2.0",
              "ts-node": "^10.9.1", "source-map-support": "^0.5.21", "sinon": "^16.0.0",
              "yargs": "^17.7.2", "@types/mocha": "^10.0.1", "@types/node": "20.6.2",
              "@types/yargs": "^17.0.24", "@types/sinon": "^10.0.16", "@types/yallist": "^4.0.1"}
    for path, needs in (("package.json", wanted), ("packages/client/package.json", {}),
                        ("packages/test-utils/package.json", {})):
        package = json.loads((tree / path).read_text())
        package["devDependencies"] = needs
        if path == "package.json":
            package["workspaces"], package["dependencies"] = ["packages/client",
                                                              "packages/test-utils"], {}
        (tree / path).write_text(json.dumps(package, indent=2))
    run.output(["npm", "install", "--no-audit", "--no-fund"], tree)
    for package in ("client", "test-utils"):
        run.output(["npx", "tsc", "-p", f"packages/{package}"], tree)


# name: (suite, the programs that it needs, the packages that have them)
SUITES = {
    "redis-py": (redis_py, [], ["python3-pytest-asyncio", "python3-pytest-timeout",
                                "python3-mock", "python3-numpy"]),
    "rq": (rq, [], ["python3-click", "python3-croniter", "python3-psutil",
                    "python3-pytest-timeout"]),
    "phpredis": (phpredis, ["php"], ["php-cli", "php-redis"]),
    "predis": (predis, ["phpunit"], ["phpunit"]),
    "perl-redis": (lambda run: perl(run, "libredis-perl", ["-Ilib"]), ["perl"],
                   ["libtest-tcp-perl", "libtest-deep-perl", "libtest-fatal-perl",
                    "libtest-sharedfork-perl", "libio-string-perl",
                    "libio-socket-timeout-perl"]),
    "perl-redis-fast": (lambda run: perl(run, "libredis-fast-perl", []), ["perl"],
                        ["libredis-fast-perl", "libtest-tcp-perl", "libtest-deep-perl",
                         "libtest-fatal-perl", "libtest-sharedfork-perl"]),
    "redigo": (redigo, ["go"], ["golang-go", "golang-github-stretchr-testify-dev"]),
    "node-redis": (node_redis, ["npm"], ["npm"]),
}
