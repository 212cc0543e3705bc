"""Where a working life stands: the views of standing over one worker's record, as answers."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.common.consent import plain_value
from services.common.postgres import Connection
from services.projections.events import Events
from services.projections.one_worker import WorkerViews, feeding, view_named

# What an answer has under another name, or what is ours alone.
_LEFT_OUT = {"worker_id"}
_OURS = {"event_id", "disputed_event_id"}


@dataclass(frozen=True, slots=True)
class Section:
    """A part of an answer: the view it comes from, the category it takes to see it, its order."""

    name: str
    view: str
    category: str | None  # None: the worker's alone
    order: tuple[str, ...]
    newest_first: bool = False


STANDING = (
    Section("jobs", "current_job", "employment", ("started_at", "employment_id"), True),
    Section("credentials", "live_credential", "credential", ("awarded_at", "credential_id"), True),
    Section("skills", "skill_standing", "skill", ("skill_id",)),
    Section("open_promises", "open_promise", "promise", ("due_at", "promise_id")),
    Section("support", "support_received", "support", ("kind",)),
    Section("open_disputes", "open_dispute", None, ("disputed_at", "dispute_id"), True),
)
SKILLS = Section("skills", "skill_standing", "skill", ("skill_id",))
EVIDENCE = Section("evidence", "live_attestation", "skill", ("attested_at", "attestation_id"), True)
Rows = list[dict[str, Any]]


class Sections:
    """Asks for sections of one worker: of the tables, or of some events."""

    def __init__(self, connection: Connection, at: datetime, worker_id: UUID) -> None:
        self._views = WorkerViews(connection, at)
        self._worker_id = worker_id

    async def now(self, section: Section) -> Rows:
        rows = await self._views.now(self._worker_id, view_named(section.view))
        return _sorted(rows, section)

    async def over(self, events: Events | None, section: Section) -> Rows:
        return _sorted(await self._views.over(events, view_named(section.view)), section)


def seen_by(sections: Iterable[Section], categories: Collection[str]) -> tuple[Section, ...]:
    """The sections that an organisation sees to which these categories are shared."""
    return tuple(one for one in sections if one.category in categories)


def types_behind(sections: Iterable[Section]) -> frozenset[str]:
    """The event types that sections are made of."""
    return frozenset(name for one in sections for name in feeding(view_named(one.view)))


def answer(rows: Sequence[Mapping[str, Any]], *, to_worker: bool) -> Rows:
    """Rows as JSON: without what stands elsewhere, and for others without ids of ours."""
    out = _LEFT_OUT if to_worker else _LEFT_OUT | _OURS
    return [{k: _plain(v, k) for k, v in row.items() if k not in out} for row in rows]


def with_evidence(skills: Rows, attestations: Sequence[Mapping[str, Any]]) -> Rows:
    """Skills, each with what others saw of it."""
    seen: dict[str, list[Mapping[str, Any]]] = {}
    for one in attestations:
        seen.setdefault(one["skill_id"], []).append(one)
    return [{**skill, "evidence": seen.get(skill["skill_id"], [])} for skill in skills]


def _sorted(rows: Rows, section: Section) -> Rows:
    # What has no value comes last either way.
    def key(row: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple((row[c] is not None) == section.newest_first for c in section.order), tuple(
            row[c] for c in section.order if row[c] is not None
        )

    return sorted(rows, key=key, reverse=section.newest_first)


def _plain(value: object, name: str) -> object:
    if isinstance(value, UUID):
        return str(value)
    if name == "state" and isinstance(value, str):
        return value.lower()
    return plain_value(value)
