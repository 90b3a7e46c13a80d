"""A program inside a root: chroot in a mount and a process namespace of its own, so that nothing
that was mounted or started there is left when it ends, however it ends."""

import ctypes
import os
import shlex
import signal
import subprocess

# --kill-child: if the caller dies, the kernel kills the first process of the namespace, and with
# that one all others.
UNSHARE = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child"]
# Names are looked up and the mirror is reached in a root as outside.
FROM_MACHINE = ("/etc/resolv.conf", "/etc/hosts")
CARRIED_ENVIRONMENT = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY",
                       "NO_PROXY", "NODE_EXTRA_CA_CERTS", "NPM_CONFIG_REGISTRY",
                       "npm_config_registry")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def _end_with_parent():
    # However the caller ends, its namespace ends.
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class NotRoot(Exception):
    """Only root may chroot and mount; the text says what to do."""


def need_root():
    if os.getuid() != 0:
        raise NotRoot("a root is entered by chroot, which only root may do: start this with sudo")


def environment(**further):
    """What a program in a root is given: nothing of the caller's but how the network is reached."""
    given = {name: os.environ[name] for name in CARRIED_ENVIRONMENT if name in os.environ}
    return {"PATH": PATH, "LANG": "C.UTF-8", "HOME": "/root", "TERM": "dumb", **given, **further}


def mounts(root, binds=(), overlay=None):
    """The shell lines that make `root` ready to be entered.

    binds: pairs of (path outside, path in the root), which is made if it is not there.
    overlay: a folder on a file system that takes one as the upper side; the root itself then stays
    as it is, and what is written goes into that folder.
    """
    quoted = shlex.quote(str(root))
    lines = ["set -e"]
    if overlay is not None:
        upper, work = shlex.quote(f"{overlay}/upper"), shlex.quote(f"{overlay}/work")
        merged = shlex.quote(f"{overlay}/root")
        lines += [f"mkdir -p {upper} {work} {merged}",
                  f"mount -t overlay overlay -o lowerdir={quoted},upperdir={upper},workdir={work} "
                  f"{merged}"]
        root, quoted = f"{overlay}/root", merged
    lines += [f"mount -t proc proc {quoted}/proc", f"mount --rbind /dev {quoted}/dev"]
    for path in FROM_MACHINE:
        inside = shlex.quote(f"{root}{path}")
        lines += [f"[ -e {path} ] && rm -f {inside} && cp -L {path} {inside}"]
    for outside, inside in binds:
        target = shlex.quote(f"{root}{inside}")
        lines += [f"mkdir -p {target}", f"mount --rbind {shlex.quote(str(outside))} {target}"]
    return lines, str(root)


def enter_command(root, argv, binds=(), overlay=None):
    """The command that runs `argv` inside `root`; see mounts()."""
    lines, place = mounts(root, binds, overlay)
    words = " ".join(shlex.quote(str(word)) for word in argv)
    return [*UNSHARE, "sh", "-c", "\n".join([*lines, f"exec chroot {shlex.quote(place)} {words}"])]


def enter(root, argv, binds=(), overlay=None, timeout_s=600, env=None, log=None):
    """Runs `argv` inside `root` and returns its exit code; None if it was ended after timeout_s.

    log: a file that takes the output, else it goes where the caller's goes.
    """
    return run(enter_command(root, argv, binds, overlay), timeout_s, log,
               env=env or environment())


def run(command, timeout_s, log, **popen):
    """Runs a command that begins with UNSHARE; its exit code, or None if it was ended."""
    output = {} if log is None else {"stdout": log, "stderr": subprocess.STDOUT}
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=_end_with_parent,
                             **output, **popen)
    try:
        return child.wait(timeout_s)
    except subprocess.TimeoutExpired:
        return None
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
