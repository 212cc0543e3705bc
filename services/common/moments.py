"""The moments that a read asks about: what had happened by one, of what was known by the other."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, TypeAlias

from fastapi import Query
from pydantic import AwareDatetime, BeforeValidator
from pydantic_core import PydanticCustomError

from services.common.errors import FieldError, Problem


@dataclass(frozen=True, slots=True)
class AsOf:
    """Instants in UTC; None is now.

    as_of: facts that had happened by then (`occurred_at`). known_at: what the hub knew by then
    (`recorded_at`): facts, and also voids, corrections, merges and splits.
    """

    as_of: datetime | None = None
    known_at: datetime | None = None

    @property
    def is_now(self) -> bool:
        return self.as_of is None and self.known_at is None

    def as_answer(self) -> dict[str, str]:
        """What was asked, as an answer repeats it."""
        given = {"as_of": self.as_of, "known_at": self.known_at}
        return {
            name: at.isoformat().replace("+00:00", "Z")
            for name, at in given.items()
            if at is not None
        }


NOW = AsOf()
_AS_OF = Query(
    description="The record as it was then: only what had happened by this instant (RFC 3339, "
    "with a time zone). Without it, as it is now.",
    examples=["2026-03-01T12:00:00Z"],
)
_KNOWN_AT = Query(
    description="Only what the hub had been told by this instant, corrections, merges and splits "
    "included (RFC 3339, with a time zone). Without it, all that is known now.",
    examples=["2026-03-01T12:00:00Z"],
)


def _no_number(text: object) -> object:
    """A bare number would be read as seconds since 1970, and a year is a number."""
    if isinstance(text, str) and "-" not in text[1:]:
        raise PydanticCustomError("datetime_parsing", "is a number, not an instant")
    return text


Instant: TypeAlias = Annotated[AwareDatetime | None, BeforeValidator(_no_number)]


def as_of_parameters(
    as_of: Annotated[Instant, _AS_OF] = None,
    known_at: Annotated[Instant, _KNOWN_AT] = None,
) -> AsOf:
    """The parameters `as_of` and `known_at` of a read. Raises Problem 422."""
    return AsOf(_utc("as_of", as_of), _utc("known_at", known_at))


def _utc(name: str, at: datetime | None) -> datetime | None:
    try:
        return at.astimezone(UTC) if at is not None else None
    except OverflowError:
        fix = "Send an instant of the years 1 to 9999 in UTC, such as 2026-03-01T12:00:00Z."
        wrong = FieldError(name, "outside the years 1 to 9999", fix)
        raise Problem(422, "invalid", f"{name}: it is out of range.", errors=[wrong]) from None
