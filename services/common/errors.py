"""Errors say what the caller should do: retry, give up, or change the request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


class ThroughlineError(Exception):
    """Base of every error this project raises."""


class RetryableError(ThroughlineError):
    """The same call may work later."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class TerminalError(ThroughlineError):
    """The same call will fail again."""


class DependencyDown(RetryableError):
    """Kafka or PostgreSQL does not answer; nothing was acknowledged."""


class Overloaded(DependencyDown):
    """More waits already than this process will hold; nothing of this was kept."""


class UnknownSchema(RetryableError):
    """A record names a schema id that neither the catalogue nor the registry knows."""

    def __init__(self, message: str, schema_id: int | None = None) -> None:
        super().__init__(message)
        self.schema_id = schema_id


class PositionOutsideLog(RetryableError):
    """The log no longer, or not yet, holds a stored position: one of the two was restored.

    Nothing may be read on: what comes at such a place now was never read.
    """


class DoesNotDecode(TerminalError):
    """A record's bytes are not what its schema says."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field, and how to put it right."""

    field: str
    problem: str
    fix: str | None = None

    def as_dict(self) -> dict[str, str]:
        fix = {"fix": self.fix} if self.fix else {}
        return {"field": self.field, "problem": self.problem, **fix}


class Problem(ThroughlineError):
    """An answer as RFC 9457 problem details. `code` is stable and names the page of the error.

    extensions: further members of the answer (RFC 9457, section 3.2).
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        extensions: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.extensions = dict(extensions or {})

    def body(self) -> dict[str, object]:
        title = self.code.replace("-", " ").capitalize()
        body: dict[str, object] = {
            "type": f"/problems/{self.code}",
            "title": title,
            "status": self.status,
            "detail": self.detail,
        }
        if self.errors:
            body["errors"] = [error.as_dict() for error in self.errors]
        return self.extensions | body


def not_found(what: str) -> Problem:
    """404, also for what belongs to somebody else, so that nothing can be guessed."""
    return Problem(404, "not-found", f"There is no such {what}.")


def unavailable(detail: str, *, retry_after_s: int = 2) -> Problem:
    return Problem(503, "unavailable", detail, headers={"Retry-After": str(retry_after_s)})
