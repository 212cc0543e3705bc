"""What an employer may read of its team: each fact decided as a disclosure, and logged as one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from services.common.access import Principal
from services.common.clock import utc_now
from services.common.codec import Decoded
from services.common.reads import hold_withdrawals, log_reads
from services.portal.facts import LATE_FOR
from services.portal.reading import Told, disclosed, opened_fields
from services.portal.said import QUESTION
from services.portal.shared_reads import read_of
from services.portal.store import AgreedGrant, ReadStore, Row
from services.portal.team_store import TeamStore

# What a list of today is for; `promises` takes the same for its own reads.
PURPOSES = ("advancement", "training_support", "hiring")
LINES = 20
_NAMED = ("ContactChanged", "WorkerRegistered")
_ABOUT = {
    "TrainingCompleted": "enrolment_id",
    "PromiseDue": "promise_id",
    "PromiseDisputed": "promise_id",
}
_OPENED = ("display_name", "statement")


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that waits, about somebody who shares it."""

    subject: str  # the person's pseudonym for this employer
    name: str | None  # while the person shares it
    row: Row
    words: str | None = None  # the person's own


@dataclass(frozen=True, slots=True)
class Listed:
    """The lines that have waited longest, and how many there are with those that come after."""

    lines: list[Line] = field(default_factory=list)
    count: int = 0


@dataclass(frozen=True, slots=True)
class Today:
    """Four lists, longest waiting first."""

    ready: Listed
    unnoticed: Listed
    late: Listed
    said: Listed


class TeamReads:
    """Answers one employer."""

    def __init__(self, state: Any, store: ReadStore, who: Principal) -> None:
        self._state = state
        self._store = store
        self._who = who
        self._team = TeamStore(state.pool, who.organization_id, PURPOSES)

    async def today(self) -> Today:
        """What waits, of those who share it. Raises KafkaError when it can't be logged."""
        now = utc_now()
        ready = await self._team.promises(now, LINES, late=False)
        unnoticed = await self._team.unnoticed(now, LINES)
        late = await self._team.promises(now, LINES, late=True)
        said = await self._team.said(now, now - LATE_FOR, LINES)
        rows = (*ready, *unnoticed, *late, *said)
        workers = sorted({row["worker_id"] for row in rows})
        if not workers:
            return Today(Listed(), Listed(), Listed(), Listed())
        events = await self._store.events_of(workers, (*_NAMED, *_ABOUT))
        told = await self._told(workers, _needed(events, rows))
        return Today(*(_lines(part, told) for part in (ready, unnoticed, late, said)))

    async def _told(
        self, workers: Sequence[UUID], events: Sequence[Decoded]
    ) -> Mapping[tuple[UUID, str], Told]:
        """What may be seen now, by worker and what it is about, while withdrawals wait."""
        opened = {
            event_id: {name: text for name, text in fields.items() if name in _OPENED}
            for event_id, fields in (await opened_fields(self._state.keyring, events)).items()
        }
        async with self._state.pool.acquire() as connection, connection.transaction():
            recipient = self._who.organization_id
            await hold_withdrawals(connection, workers, recipient)
            now = utc_now()
            agreed = await self._store.grants_to(recipient, workers, using=connection)
            told = self._decided(events, agreed, opened, now)
            producer, settings = self._state.producer, self._state.settings
            await log_reads(producer, settings, map(read_of, told), self._who, now)
        return {(one.event.worker_id, _about(one.event)): one for one in told}

    def _decided(
        self,
        events: Sequence[Decoded],
        agreed: Sequence[AgreedGrant],
        opened: Mapping[UUID, Mapping[str, object]],
        at: datetime,
    ) -> list[Told]:
        """A name is told only beside something else that is."""
        told = disclosed(
            events,
            self._who.organization_id,
            agreed,
            opened,
            vault=self._state.vault,
            purposes=PURPOSES,
            at=at,
        )
        seen = {one.event.worker_id for one in told if one.event.name in _ABOUT}
        return [one for one in told if one.event.worker_id in seen]


def _lines(rows: Sequence[Row], told: Mapping[tuple[UUID, str], Told]) -> Listed:
    lines = []
    for row in rows:
        if one := told.get((row["worker_id"], _stands_for(row))):
            named = told.get((row["worker_id"], ""))
            name = _text(named, "display_name") if named else None
            lines.append(Line(one.disclosure.subject, name, row, _text(one, "statement")))
    untold = len(rows) - len(lines)
    return Listed(lines, rows[0]["waiting"] - untold if rows else 0)


def _text(told: Told, field: str) -> str | None:
    found = told.disclosure.fields.get(field)
    return str(found) if found else None


def _about(event: Decoded) -> str:
    """Which row an event stands for; empty for the person's name."""
    field = _ABOUT.get(event.name)
    if field is None:
        return ""
    about = str(event.fields[field])
    return _of_saying(about, event.fields["reason"]) if event.name == "PromiseDisputed" else about


def _stands_for(row: Row) -> str:
    """What a row is about, as `_about` has it."""
    if "said_at" in row:
        return _of_saying(row["promise_id"], row["reason"])
    return str(row.get("promise_id") or row["enrolment_id"])


def _of_saying(promise_id: str, reason: str) -> str:
    """Apart from the promise itself: no code has a space."""
    return f"{promise_id} {'asked' if reason == QUESTION else 'disputed'}"


def _needed(events: Iterable[Decoded], rows: Iterable[Row]) -> list[Decoded]:
    """The newest event for each row, and for each person's name; `events` come newest first."""
    wanted: dict[UUID, set[str]] = defaultdict(set)
    for row in rows:
        wanted[row["worker_id"]] |= {"", _stands_for(row)}
    found: dict[tuple[UUID, str], Decoded] = {}
    for event in events:
        about = _about(event)
        has_name = bool(about) or event.fields.get("display_name") is not None
        if has_name and about in wanted[event.worker_id]:
            found.setdefault((event.worker_id, about), event)
    return list(found.values())
