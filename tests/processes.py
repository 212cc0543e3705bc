"""Real processes of the hub for tests: started, killed, restarted, and always ended."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TypeVar

from services.launcher.process import is_free

T = TypeVar("T")
# Below those that the system gives out by itself: nobody is given ours before its server listens.
_FIRST_PORT, _PORTS, _MOST_WORKERS = 20_000, 1_000, 12
_port_numbers = itertools.count(os.getpid())  # so that another run begins elsewhere
_KILLED_WITHIN_S = 60  # the kernel ends it at once; a busy machine says so late


def free_port() -> int:
    """A port that nothing listens on, of those that belong to this worker of pytest."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = _FIRST_PORT + worker % _MOST_WORKERS * _PORTS
    numbers = itertools.islice(_port_numbers, _PORTS)
    return next(port for n in numbers if is_free(port := first + n % _PORTS))


async def until(
    condition: Callable[[], Awaitable[T]], *, within_s: float = 60, every_s: float = 0.05
) -> T:
    """Ask until the answer is true. Raises AssertionError, with the last answer, when it never is."""
    deadline = time.monotonic() + within_s
    while True:
        answer = await condition()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"not within {within_s} s; last answer: {answer!r}"
        await asyncio.sleep(every_s)


class HubProcess:
    """One process of `throughline`, with its log in a file."""

    def __init__(self, *command: str, environment: Mapping[str, str], log: Path) -> None:
        self._command = [sys.executable, "-m", "services.cli", *command]
        self._environment = dict(environment)
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self.kills = 0

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None, "not started"
        return self._process.pid

    def kill(self) -> None:
        """SIGKILL, to the process and whatever it started."""
        self._end(signal.SIGKILL, within_s=_KILLED_WITHIN_S)
        self.kills += 1

    def stop(self) -> None:
        """SIGTERM, and SIGKILL when that takes over 10 s."""
        self._end(signal.SIGTERM, within_s=10)

    def _end(self, how: signal.Signals, within_s: float) -> None:
        if self._process is None:
            return
        try:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, how)
            self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(_KILLED_WITHIN_S)

    def log_tail(self, lines: int = 40) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:])
