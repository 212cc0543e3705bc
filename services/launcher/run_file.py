"""`run.json`: what runs on a data directory, so that nothing is left behind or started twice."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from services.launcher.errors import AlreadyRunning
from services.launcher.process import Identity

_PATIENCE_S = 4.0  # a server that was told to stop ends well within this


@dataclass
class Run:
    """One `throughline up`: itself, its children, how to reach it."""

    supervisor: Identity
    url: str = ""  # empty until it is healthy
    environment: dict[str, str] = field(default_factory=dict)
    children: dict[str, Identity] = field(default_factory=dict)

    @property
    def running(self) -> bool:
        return self.supervisor.runs()


def path_of(data: Path) -> Path:
    return data / "run.json"


def read(data: Path) -> Run | None:
    """The last run that did not end in order, or the one under way. None when there is none."""
    try:
        found = json.loads(path_of(data).read_text())
        children = {name: Identity(**child) for name, child in found["children"].items()}
        return Run(Identity(**found["supervisor"]), found["url"], found["environment"], children)
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def running(data: Path) -> Run | None:
    """The run under way on this data directory."""
    found = read(data)
    return found if found is not None and found.running else None


def write(data: Path, run: Run) -> None:
    """Replace the file in one step. Only its owner may read it: it holds a password."""
    part = path_of(data).with_suffix(".part")
    part.touch(mode=0o600)
    part.write_text(json.dumps(asdict(run), indent=1))
    os.replace(part, path_of(data))


def remove(data: Path) -> None:
    path_of(data).unlink(missing_ok=True)


@contextlib.contextmanager
def claim(data: Path) -> Iterator[None]:
    """Hold the data directory; the kernel lets go when we end, however that happens.

    Raises AlreadyRunning, saying where.
    """
    data.mkdir(parents=True, exist_ok=True)
    with (data / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = running(data)
            where = f" at {other.url}" if other and other.url else " and is still starting"
            pid = f" (pid {other.supervisor.pid})" if other else ""
            raise AlreadyRunning(f"Throughline already runs on {data}{where}{pid}") from None
        yield


def end_leftovers(data: Path) -> list[str]:
    """End what an interrupted run left, by pid and start time; returns their names.

    A pid that another process got since is left alone.
    """
    run = read(data)
    if run is None:
        return []
    left = {name: child for name, child in run.children.items() if child.runs()}
    _signal(left, signal.SIGTERM)
    deadline = time.monotonic() + _PATIENCE_S
    while any(child.runs() for child in left.values()) and time.monotonic() < deadline:
        time.sleep(0.05)
    _signal(left, signal.SIGKILL)
    while any(child.runs() for child in left.values()):
        time.sleep(0.02)
    remove(data)
    return sorted(left)


def _signal(children: dict[str, Identity], number: signal.Signals) -> None:
    for child in children.values():
        if child.runs():
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.pid, number)
