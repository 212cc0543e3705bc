"""Exit codes, the same for every command, and the errors that lead to them."""

from __future__ import annotations

from enum import IntEnum

from services.common.errors import DependencyDown, ThroughlineError
from services.launcher.errors import AlreadyRunning


class Exit(IntEnum):
    DONE = 0
    FAILED = 1
    USAGE = 2  # Typer's own
    CANNOT_TELL = 2  # of a comparison that could not be made, as of diff(1)
    NOT_FOUND = 3
    UNREACHABLE = 4
    REFUSED = 5
    PARTLY = 6


class NotFound(ThroughlineError):
    """There is nothing of that name."""


class Refused(ThroughlineError):
    """It could be done, but would do harm now; the message says what to do first."""


def exit_code_of(error: ThroughlineError) -> Exit:
    match error:
        case NotFound():
            return Exit.NOT_FOUND
        case DependencyDown():
            return Exit.UNREACHABLE
        case Refused() | AlreadyRunning():
            return Exit.REFUSED
        case _:
            return Exit.FAILED
