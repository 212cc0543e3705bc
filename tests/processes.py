"""Real processes of the hub for tests: started, killed, restarted, and always ended."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


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
        self._end(signal.SIGKILL)
        self.kills += 1

    def stop(self) -> None:
        """SIGTERM, and SIGKILL when that takes over 10 s."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        try:
            os.killpg(self._process.pid, how)
            self._process.wait(10)
        except ProcessLookupError:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(10)

    def log_tail(self, lines: int = 40) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:])
