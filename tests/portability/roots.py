"""Debootstrapped Debian suites, and copies of them with packages of their own.

    FOLDER/bookworm, trixie, sid     as debootstrap leaves them (variant minbase)
    FOLDER/with/NAME                 a copy of one of them with further packages

A folder is whole when it has the file .ready; the copies' names their packages there. All else is
a half-made one, of a run that was ended, and is made anew. A new one is made beside its place and
renamed, so that two programs never see each other's. FOLDER is /var/cache/sluice/roots, or what
SLUICE_ROOTS names.
"""

import contextlib
import fcntl
import os
import pathlib
import shutil
import subprocess

from . import apt_machine, namespace

FOLDER = pathlib.Path(os.environ.get("SLUICE_ROOTS", "/var/cache/sluice/roots"))
SUITES = ("bookworm", "trixie", "sid")
DEBOOTSTRAP_TIMEOUT_S = 900
INSTALL_TIMEOUT_S = 900
ATTEMPTS = 2  # mirrors have moments in which a file is not there


class CannotMake(Exception):
    """A root could not be made; the text says why and what to do."""


def say(text):
    print(f"roots: {text}", flush=True)


def ready(path):
    return (path / ".ready").is_file()


def suite_root(suite, fresh=False):
    """The root of a debootstrapped suite, made if need be."""
    if suite not in SUITES:
        raise CannotMake(f"no such suite: {suite}; there are {', '.join(SUITES)}")
    path = FOLDER / suite
    with alone(suite):
        if fresh:
            remove(path)
        if not ready(path):
            make(path, lambda part: debootstrap(suite, part))
    return path


def root_with(name, suite, packages):
    """A copy of the suite's root with `packages`, made if need be."""
    path = FOLDER / "with" / name
    base = suite_root(suite)
    with alone(name):
        if not ready(path) or (path / ".ready").read_text().split() != list(packages):
            with alone(suite):
                make(path, lambda part: copy_with(base, part, packages))
    return path


@contextlib.contextmanager
def alone(name):
    """Two programs that want the same root wait for each other."""
    namespace.need_root()
    FOLDER.mkdir(parents=True, exist_ok=True)
    with open(FOLDER / f".lock-{name}", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def make(path, fill):
    """Fills a folder beside `path` and puts it there; tries again once."""
    part = path.with_name(path.name + ".part")
    for attempt in range(1, ATTEMPTS + 1):
        remove(part)
        part.parent.mkdir(parents=True, exist_ok=True)
        try:
            ready_text = fill(part)
            break
        except CannotMake as error:
            if attempt == ATTEMPTS:
                raise
            say(f"{error}; once more")
    remove(path)
    part.rename(path)
    (path / ".ready").write_text(ready_text)


def remove(path):
    """Deletes a root. What is mounted in it is of somebody who works there: it is left alone."""
    if not path.exists():
        return
    busy = mounted_below(path, pathlib.Path("/proc/self/mounts").read_text())
    makers = working_on(path)
    if busy or makers:
        raise CannotMake(f"{path} is in use ({', '.join(busy + makers)}); end that first")
    say(f"removing {path}")
    shutil.rmtree(path)


def mounted_below(path, mounts):
    """The mount points in `path`, of the lines of /proc/self/mounts."""
    points = [line.split()[1] for line in mounts.splitlines() if len(line.split()) > 1]
    return [point for point in points if point.startswith(f"{path}/")]


def working_on(path):
    """Other programs that were told of `path` by name, as debootstrap is, or whose root it is.

    Where we are inside a root ourselves, the kernel tells the root of a program in another
    namespace of mounts from the machine's own root on: the end of it counts.
    """
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
            root = os.readlink(process / "root")
        except OSError:
            continue
        if int(process.name) != os.getpid() and (str(path) in words or root.endswith(str(path))):
            found.append(f"process {process.name}")
    return found


def debootstrap(suite, part):
    program = shutil.which("debootstrap", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if program is None:
        raise CannotMake("debootstrap is not installed: apt-get install debootstrap")
    try:
        mirror = apt_machine.machine_mirror()
    except apt_machine.NoMirror as error:
        raise CannotMake(str(error))
    say(f"debootstrap {suite} into {FOLDER / suite} (a minute or two)")
    log = FOLDER / f"debootstrap-{suite}.log"
    with open(log, "w") as output:
        run_to_end([program, "--variant=minbase", suite, str(part), mirror], DEBOOTSTRAP_TIMEOUT_S,
                   output, f"debootstrap {suite}", log)
    return ""


def run_to_end(command, timeout_s, output, what, log):
    try:
        code = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output,
                              stderr=subprocess.STDOUT, timeout=timeout_s).returncode
    except subprocess.TimeoutExpired:
        raise CannotMake(f"{what} was ended after {timeout_s} s; see {log}")
    if code != 0:
        raise CannotMake(f"{what} failed (exit code {code}); see {log}")


def copy_with(base, part, packages):
    say(f"installing {' '.join(packages)} in {part.with_name(part.name.removesuffix('.part'))}")
    log = part.with_name(part.name.removesuffix(".part") + ".log")
    with open(log, "w") as output:
        run_to_end(["cp", "-a", "--reflink=auto", str(base), str(part)], INSTALL_TIMEOUT_S, output,
                   f"copying {base}", log)
        (part / ".ready").unlink(missing_ok=True)
        prepare(part)
        install(part, packages, output, log)
    return " ".join(packages) + "\n"


def prepare(root):
    """What apt in a root must know of this machine; and services do not start there."""
    (root / "etc/apt/apt.conf.d/90machine").write_text(apt_machine.carried_settings())
    policy = root / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)


def install(root, packages, output, log):
    script = ("apt-get update -qq && apt-get install -y -q --no-install-recommends "
              + " ".join(packages) + " && apt-get clean")
    env = namespace.environment(DEBIAN_FRONTEND="noninteractive")
    code = namespace.enter(root, ["sh", "-c", script], timeout_s=INSTALL_TIMEOUT_S, env=env,
                           log=output)
    if code is None:
        raise CannotMake(f"apt-get in {root} was ended after {INSTALL_TIMEOUT_S} s; see {log}")
    if code != 0:
        raise CannotMake(f"apt-get in {root} failed (exit code {code}); see {log}")
