"""What can go wrong when something is started on this machine, in words a person can act on."""

from __future__ import annotations

from services.common.errors import TerminalError


class LaunchError(TerminalError):
    """Something could not be started; the message says what to do."""


class PortTaken(LaunchError):
    def __init__(self, port: int) -> None:
        super().__init__(f"port {port} is in use by another program; choose another port")
        self.port = port


class DiedAtStart(LaunchError):
    """The process ended before it answered. Carries its last lines.

    exit_code: None when it was tried several times.
    """

    def __init__(self, name: str, exit_code: int | None, last_lines: str) -> None:
        how = "again and again" if exit_code is None else f"with exit code {exit_code}"
        super().__init__(f"{name} ended at start {how}:\n{last_lines}")
        self.last_lines = last_lines


class NotReady(LaunchError):
    def __init__(self, name: str, timeout_s: float, last_lines: str) -> None:
        super().__init__(f"{name} did not answer within {timeout_s:.0f} s:\n{last_lines}")


class JarsMissing(LaunchError):
    """Kafka's jars are neither in the cache nor to be had."""


class JarMismatch(LaunchError):
    """A jar is not the one that was pinned; Java was not started."""


class AlreadyRunning(LaunchError):
    """Another process uses this data directory."""
