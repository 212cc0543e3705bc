"""Child processes that never outlive us, their logs, and ports on loopback."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

LOOPBACK = "127.0.0.1"
_PR_SET_PDEATHSIG = 1
_TAIL_BYTES = 16_384


@dataclass(frozen=True, slots=True)
class Identity:
    """A process, told apart from a later one with the same pid by when it started."""

    pid: int
    started_at: float  # seconds since 1970, as the kernel counts

    @classmethod
    def of(cls, pid: int) -> Identity | None:
        """None when no such process runs."""
        import psutil

        try:
            process = psutil.Process(pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                return None
            return cls(pid, process.create_time())
        except psutil.NoSuchProcess:
            return None

    def runs(self) -> bool:
        """True when this very process runs, not one that got its pid later."""
        now = Identity.of(self.pid)
        return now is not None and abs(now.started_at - self.started_at) < 0.05


def spawn(
    argv: Sequence[str],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    death_signal: signal.Signals = signal.SIGKILL,
    owner: int | None = None,
) -> subprocess.Popen[bytes]:
    """Start a child in a session of its own, output appended to `log`.

    On Linux the child gets `death_signal` when we die, however we die. The kernel ties that to
    the thread that starts the child, so only the main thread, which lasts, asks for it.
    owner: user id to run as, with that user's group and no other; None keeps ours.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(env) if env is not None else None,
            start_new_session=True,
            preexec_fn=_die_with_parent(death_signal),
            user=owner,
            group=group_of(owner),
            extra_groups=None if owner is None else [],
        )


def group_of(owner: int | None) -> int | None:
    """The user's own group; None keeps ours."""
    if owner is None:
        return None
    import pwd

    return pwd.getpwuid(owner).pw_gid


def _die_with_parent(death_signal: signal.Signals) -> Callable[[], None] | None:
    """What the child does between fork and exec; nothing where the kernel can't."""
    if sys.platform != "linux" or threading.current_thread() is not threading.main_thread():
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != parent:  # died before we asked
            os._exit(1)

    return ask


def last_lines(log: Path, count: int = 15) -> str:
    """The end of a log, for people; empty when there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join(lines[-count:])


def limit(log: Path, most_bytes: int = 10_000_000) -> None:
    """Keep a log and one older part, each at most `most_bytes`.

    The writer appends, so emptying the file under it is safe; what it writes between copy and
    cut is lost.
    """
    if not log.exists() or log.stat().st_size <= most_bytes:
        return
    kept = log.read_bytes()[-most_bytes:]
    log.with_name(log.name + ".1").write_bytes(kept)
    os.truncate(log, 0)


def is_free(port: int) -> bool:
    """True when a server of ours could listen on this port of the loopback address now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_port(wanted: int | None = None) -> int:
    """`wanted` when it is free, else one that the system picks."""
    if wanted is not None and is_free(wanted):
        return wanted
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def next_free_port(first: int, tries: int = 100) -> int:
    """The first free port from `first` upwards, so that people find it near where they look."""
    for port in range(first, min(first + tries, 65_536)):
        if is_free(port):
            return port
    return free_port()
