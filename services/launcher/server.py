"""What the embedded Kafka and PostgreSQL have in common: ports, start, readiness, stop."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from services.launcher.errors import DiedAtStart, NotReady, PortTaken
from services.launcher.process import free_port, is_free, last_lines

_POLL_S = 0.05


class LocalServer(ABC):
    """A server on loopback that belongs to this process and never outlives it.

    Use from the main thread: the kernel ends the child when the thread that started it ends.
    After `stop` or `kill`, `start` starts it again on the same ports with the same data.
    """

    name: ClassVar[str]
    stop_signal: ClassVar[signal.Signals]
    # Longest start that is still hopeful: recovery after a crash, on a busy machine.
    patience_s: ClassVar[float] = 90.0

    def __init__(self, data_dir: Path, port: int | None = None, *, log: Path | None = None) -> None:
        """port: None takes the one of the last start when it is free, else any free one."""
        self.data_dir = data_dir.resolve()
        self.log = log or self.data_dir / f"{self.name}.log"
        self._asked_port = port
        self._ports: dict[str, int] = {}
        self._child: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def _prepare(self) -> None:
        """Make the data directory ready. Ports are chosen."""

    @abstractmethod
    def _spawn(self) -> subprocess.Popen[bytes]:
        """Start the process without waiting."""

    @abstractmethod
    def _answers(self) -> bool:
        """True when it serves. Raises OSError when nobody listens yet."""

    @property
    def port(self) -> int:
        """The port clients connect to, known once started."""
        return self._ports["clients"]

    @property
    def pid(self) -> int | None:
        """None when it does not run."""
        return None if self._child is None or self._child.poll() is not None else self._child.pid

    def start(self) -> None:
        """Start and wait until it answers. Raises LaunchError with its last lines, or OSError."""
        self.launch()
        self.wait_ready()

    def prepare(self) -> None:
        """Make the data directory; may take seconds the first time. Raises LaunchError."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self._choose_ports()
        self._prepare()

    def launch(self) -> None:
        """Start without waiting; `wait_ready` tells when it serves. Raises LaunchError."""
        if self.pid is None:
            self.prepare()
            self._child = self._spawn()

    def wait_ready(self) -> None:
        """Raises DiedAtStart or NotReady."""
        deadline = time.monotonic() + self.patience_s
        while not self.ready():
            if time.monotonic() > deadline:
                raise NotReady(self.name, self.patience_s, last_lines(self.log))
            time.sleep(_POLL_S)

    def ready(self) -> bool:
        """True when it serves, False when not yet. Raises DiedAtStart when it ended."""
        child = self._child
        if child is None or child.poll() is not None:
            code = None if child is None else child.returncode
            raise DiedAtStart(self.name, code, last_lines(self.log))
        try:
            return self._answers()
        except OSError:
            return False

    def wait(self) -> int | None:
        """Block until the process ends; its exit code."""
        return None if self._child is None else self._child.wait()

    def ask_to_stop(self) -> None:
        """Send the signal for an orderly end, without waiting."""
        if self.pid is not None and self._child is not None:
            self._child.send_signal(self.stop_signal)

    def stop(self, timeout_s: float = 5.0) -> None:
        """Ask it to end, and end it after `timeout_s`. The data stays."""
        self.ask_to_stop()
        try:
            if self._child is not None:
                self._child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """SIGKILL, as a crash would. What was acknowledged stays."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()

    def _choose_ports(self) -> None:
        """The ports of the last start where they are free, so that clients find us again."""
        remembered = self.data_dir / "ports.json"
        if not self._ports and remembered.exists():
            self._ports = json.loads(remembered.read_text())
        if self._asked_port is not None:
            if not is_free(self._asked_port):
                raise PortTaken(self._asked_port)
            self._ports["clients"] = self._asked_port
        for role in self._port_roles():
            self._ports[role] = free_port(self._ports.get(role))
        remembered.write_text(json.dumps(self._ports))

    def _port_roles(self) -> tuple[str, ...]:
        return ("clients",)
