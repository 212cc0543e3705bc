"""What is said on the log when a promise's standing has changed.

Each promise has places of which something is said: every criterion, due, kept, lapsed. An event's
id follows from what it says and from what was said of its place before, so the same change is
always the same event, and what came to be so a second time is a new one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.common.emit import SYSTEM, Event, about_worker
from services.common.ids import derived_id
from services.promises.moments import Moment
from services.promises.standing import Promise, Standing

_NOTHING = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True)
class Said:
    """The last event of a place, and what it said; None when that no longer holds."""

    event_id: str
    content: str | None


@dataclass(frozen=True, slots=True)
class Statement:
    """What holds at one place now, and the event that would say so."""

    place: str
    name: str
    at: datetime
    cause: object
    own: Mapping[str, Any]

    @property
    def content(self) -> str:
        return f"{self.at.isoformat()} {self.cause} {self.own.get('due_at', '')}".strip()


@dataclass(frozen=True, slots=True)
class Announcement:
    """Events to send, in order, and what has been said of each place then."""

    events: tuple[tuple[UUID, Event], ...]
    said: Mapping[str, Said]


def announce(
    worker_id: UUID,
    promise: Promise,
    now_stands: Standing,
    said: Mapping[str, Said],
    *,
    trigger: Moment | None,
    now: datetime,
) -> Announcement:
    """The events that lead from what was said to how it stands.

    trigger: the event that came; None when only time has passed. now: when this is written down.
    Of a promise that its employer took back nothing more is said.
    """
    if now_stands.withdrawn is not None:
        return Announcement((), said)
    holds = {statement.place: statement for statement in _statements(promise, now_stands)}
    events, after = [], dict(said)
    for place, before in said.items():
        if place not in holds and before.content is not None:
            after[place] = Said(before.event_id, None)
            if place.startswith("criterion ") and trigger is not None:
                back = _taken_back(place, before, trigger)
                events.append(_event(worker_id, promise, back, before, now))
                after[place] = Said(str(events[-1][0]), None)
    for place, statement in holds.items():
        before = said.get(place, Said(_NOTHING, None))
        if before.content != statement.content:
            events.append(_event(worker_id, promise, statement, before, now))
            after[place] = Said(str(events[-1][0]), statement.content)
    return Announcement(tuple(events), after)


def _statements(promise: Promise, stands: Standing) -> Iterator[Statement]:
    if not promise.criteria or stands.accepted is None:
        return
    for criterion, moment in zip(promise.criteria, stands.met, strict=True):
        if moment is not None:
            own = {"criterion": criterion.code, "caused_by": moment.cause.bytes}
            place = f"criterion {criterion.code}"
            yield Statement(place, "CriterionMet", moment.at, moment.cause, own)
    if stands.due is None or stands.due_at is None:
        return
    due = {"due_at": stands.due_at}
    yield Statement("due", "PromiseDue", stands.due.at, stands.due.cause, due)
    if stands.lapsed_at is not None:
        yield Statement("lapsed", "PromiseLapsed", stands.lapsed_at, stands.due.cause, {})
    if stands.outcome is not None:
        # What was given before all was done is kept from the moment that it was due.
        at = max(stands.outcome.at, stands.due.at)
        yield Statement("kept", "PromiseKept", at, stands.outcome.cause, {})


def _taken_back(place: str, before: Said, trigger: Moment) -> Statement:
    """A criterion is open again: not from before the moment that had counted."""
    assert before.content is not None
    counted_at = datetime.fromisoformat(before.content.split(" ")[0])
    own = {"criterion": place.removeprefix("criterion "), "caused_by": trigger.cause.bytes}
    at = max(counted_at, trigger.at)
    return Statement(place, "CriterionUnmet", at, trigger.cause, own)


def _event(
    worker_id: UUID, promise: Promise, statement: Statement, before: Said, now: datetime
) -> tuple[UUID, Event]:
    parts = (statement.name, worker_id, promise.promise_id, statement.place, statement.cause)
    event_id = derived_id(*parts, statement.content, before.event_id)
    event = about_worker(
        statement.name,
        event_id,
        worker_id,
        SYSTEM,
        at=statement.at,
        recorded_at=now,
        promise_id=promise.promise_id,
        **statement.own,
    )
    return event_id, event
