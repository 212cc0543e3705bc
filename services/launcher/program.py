"""One child process that the supervisor keeps running."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from services.launcher.process import spawn


class Child(Protocol):
    """What the supervisor needs of a child; the embedded servers have it too."""

    @property
    def name(self) -> str: ...

    @property
    def log(self) -> Path: ...

    @property
    def pid(self) -> int | None: ...

    def launch(self) -> None: ...

    def wait(self) -> int | None: ...

    def ask_to_stop(self) -> None: ...

    def kill(self) -> None: ...


class Program:
    """A command with its log. Killed when we die: services lose nothing by that."""

    def __init__(self, name: str, argv: Sequence[str], env: Mapping[str, str], log: Path) -> None:
        self.name = name
        self.log = log
        self._argv = tuple(argv)
        self._env = dict(env)
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """None when it does not run."""
        return None if self._child is None or self._child.poll() is not None else self._child.pid

    def launch(self) -> None:
        """Start it, from the main thread. Raises OSError."""
        if self.pid is None:
            self._child = spawn(self._argv, log=self.log, env=self._env)

    def wait(self) -> int | None:
        """Block until it ends; its exit code."""
        return None if self._child is None else self._child.wait()

    def ask_to_stop(self) -> None:
        """SIGTERM, without waiting."""
        if self._child is not None:
            self._child.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.wait()
