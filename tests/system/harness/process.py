"""One child process: its log, its signals, its end."""

import ctypes
import fcntl
import os
import pathlib
import signal
import subprocess
import threading

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def _end_with_parent():
    # A test run that is itself killed must not leave servers behind.
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """Started by start(), ended by stop() or kill(); may be started again.

    The kernel ends a child when the thread that started it ends, so start() is for the main thread.
    """

    def __init__(self, name, argv, log_path, cwd=None, env=None):
        self.name = name
        self.argv = [str(word) for word in argv]
        self.log_path = pathlib.Path(log_path)
        self.cwd = cwd
        self.env = dict(os.environ, **(env or {}))
        self.passed = []  # (name, listening socket): passed on as systemd would
        self.child = None

    def start(self):
        assert threading.current_thread() is threading.main_thread(), self.name
        assert not self.alive(), f"{self.name} runs already"
        argv, env, fds = self.argv, self.env, range(3, 3 + len(self.passed))
        if self.passed:
            # The process is to find its own number there, which is known only once it exists.
            argv = ["/bin/sh", "-c", 'export LISTEN_PID=$$; exec "$@"', "sh", *argv]
            env = dict(env, LISTEN_FDS=str(len(fds)),
                       LISTEN_FDNAMES=":".join(name for name, _ in self.passed))
        with open(self.log_path, "ab") as log:
            self.child = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                cwd=self.cwd, env=env, pass_fds=fds, preexec_fn=self._begin)
        return self

    def _begin(self):
        _end_with_parent()
        # By way of high numbers: one of these may be in the way of another.
        high = [fcntl.fcntl(held, fcntl.F_DUPFD_CLOEXEC, 64) for _, held in self.passed]
        for fd, held in enumerate(high, 3):
            os.dup2(held, fd)

    @property
    def pid(self):
        return self.child.pid

    def alive(self):
        return self.child is not None and self.child.poll() is None

    def exit_code(self):
        """None while it runs; negative: the signal that ended it."""
        return self.child.poll()

    def send(self, signal_number):
        self.child.send_signal(signal_number)

    def wait(self, within_s):
        """The exit code; a process that has not ended by then is killed and that is a failure."""
        try:
            return self.child.wait(within_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not end within {within_s} s\n{self.log_tail()}")

    def stop(self, within_s=20):
        """SIGTERM; returns the exit code."""
        if self.alive():
            self.child.terminate()
        return self.wait(within_s)

    def kill(self):
        """SIGKILL: no instruction of the process runs any more when this returns."""
        if self.child is not None and self.child.poll() is None:
            self.child.kill()
            self.child.wait()

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def log_tail(self, lines=40):
        return "\n".join(self.log().splitlines()[-lines:])

    def resident_bytes(self):
        with open(f"/proc/{self.pid}/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
