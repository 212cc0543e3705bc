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
from services.portal.reading import Told, disclosed, opened_fields
from services.portal.shared_reads import read_of
from services.portal.store import AgreedGrant, ReadStore, Row
from services.portal.team_store import TeamStore

# What a list of today is for; `promises` takes the same for its own reads.
PURPOSES = ("advancement", "training_support", "hiring")
LINES = 20
_NAMED = ("ContactChanged", "WorkerRegistered")
_ABOUT = {"TrainingCompleted": "enrolment_id", "PromiseDue": "promise_id"}


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that waits, about somebody who shares it."""

    subject: str  # the person's pseudonym for this employer
    name: str | None  # while the person shares it
    row: Row


@dataclass(frozen=True, slots=True)
class Listed:
    """The lines that have waited longest, and how many there are with those that come after."""

    lines: list[Line] = field(default_factory=list)
    count: int = 0


@dataclass(frozen=True, slots=True)
class Today:
    """Three lists, longest waiting first."""

    ready: Listed
    unnoticed: Listed
    late: Listed


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
        workers = sorted({row["worker_id"] for row in (*ready, *unnoticed, *late)})
        if not workers:
            return Today(Listed(), Listed(), Listed())
        events = await self._store.events_of(workers, (*_NAMED, *_ABOUT))
        told = await self._told(workers, _needed(events, (*ready, *unnoticed, *late)))
        return Today(
            self._lines(ready, "promise_id", told),
            self._lines(unnoticed, "enrolment_id", told),
            self._lines(late, "promise_id", told),
        )

    async def _told(
        self, workers: Sequence[UUID], events: Sequence[Decoded]
    ) -> Mapping[tuple[UUID, str], Told]:
        """What may be seen now, by worker and what it is about, while withdrawals wait."""
        opened = {
            event_id: {"display_name": fields.get("display_name")}
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

    def _lines(
        self, rows: Sequence[Row], key: str, told: Mapping[tuple[UUID, str], Told]
    ) -> Listed:
        lines = []
        for row in rows:
            if (row["worker_id"], row[key]) in told:
                named = told.get((row["worker_id"], ""))
                name = named.disclosure.fields.get("display_name") if named else None
                subject = told[row["worker_id"], row[key]].disclosure.subject
                lines.append(Line(subject, str(name) if name else None, row))
        untold = len(rows) - len(lines)
        return Listed(lines, rows[0]["waiting"] - untold if rows else 0)


def _about(event: Decoded) -> str:
    """Which row an event stands for; empty for the person's name."""
    field = _ABOUT.get(event.name)
    return str(event.fields[field]) if field else ""


def _needed(events: Iterable[Decoded], rows: Iterable[Row]) -> list[Decoded]:
    """The newest event for each row, and for each person's name; `events` come newest first."""
    wanted: dict[UUID, set[str]] = defaultdict(set)
    for row in rows:
        wanted[row["worker_id"]] |= {"", row.get("promise_id") or row["enrolment_id"]}
    found: dict[tuple[UUID, str], Decoded] = {}
    for event in events:
        about = _about(event)
        has_name = bool(about) or event.fields.get("display_name") is not None
        if has_name and about in wanted[event.worker_id]:
            found.setdefault((event.worker_id, about), event)
    return list(found.values())
