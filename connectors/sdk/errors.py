"""What can go wrong when an event is sent or put, and what the caller should do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connectors.sdk.answers import Result
    from connectors.sdk.encoding import Event


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """What is wrong with one field, and how to put it right."""

    field: str
    problem: str
    fix: str | None = None

    def __str__(self) -> str:
        said = f"{self.field} {self.problem}".strip()
        return f"{said}. {self.fix}" if self.fix else said

    def as_dict(self) -> dict[str, str]:
        fix = {"fix": self.fix} if self.fix else {}
        return {"field": self.field, "problem": self.problem, **fix}


class SdkError(Exception):
    """Base of every error the SDK raises."""


class InvalidEvent(SdkError, ValueError):
    """The event is not as its type says: nothing was sent or put. `problems` names the fields."""

    def __init__(self, problems: Sequence[FieldProblem]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class NotInTransaction(SdkError):
    """`put` was called outside a transaction, so the event could outlive what it tells of."""


class OutboxProblem(SdkError):
    """The outbox's table or database is not as it must be; the message says what to do."""


class SendError(SdkError):
    """A call did not go through. Nothing of it is lost: send `unsent` again as it is.

    results: what the hub said of the events before. unsent: the rest, ids included, of which some
    may be on the log without our knowing; those answer `duplicate` the next time.
    """

    results: Sequence[Result] = ()
    unsent: Sequence[Event] = ()


class HubUnavailable(SendError):
    """The hub did not answer, or asked to come later, for longer than the retry policy allows."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class NotAuthorised(SendError):
    """The hub does not take this key (401), or not for this call (403)."""


class CallRefused(SendError):
    """The hub will not take the call as it is."""

    def __init__(self, http_status: int, message: str) -> None:
        super().__init__(f"HTTP {http_status}: {message}")
        self.http_status = http_status
        self.message = message


class UnexpectedAnswer(SendError):
    """What answered is no hub, or one that is newer than this SDK."""
