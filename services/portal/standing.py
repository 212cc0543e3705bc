"""Where a working life stands: the views of standing over one worker's record, as answers."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.common.consent import plain_value
from services.common.postgres import Connection
from services.portal.promise_store import PromiseStore
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
PROMISES = Section("promises", "promise_standing", "promise", ("made_at", "promise_id"), True)
# What an employer has said itself, which it may always see.
_SAID = ("promise_id", "employer_id", "pathway_id", "pathway_version", "outcome")
_SAID_TOO = ("due_in_days", "made_at")
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


def with_criteria(promise: Mapping[str, Any]) -> dict[str, Any]:
    """A promise with each criterion and since when it is met, as it stands in the answer."""
    met = dict(zip(promise["met"], promise["met_at"], strict=True))
    criteria = [{"criterion": one, "met_at": met.get(one)} for one in promise["criteria"] or ()]
    left_out = ("met", "met_at", "criteria")
    kept = {name: value for name, value in promise.items() if name not in left_out}
    return {**kept, "criteria": {"all": criteria}}


async def with_titles(promises: Iterable[Mapping[str, Any]], store: PromiseStore) -> Rows:
    """Promises with the title of their pathway."""
    rows = list(promises)
    names = ("employer_id", "pathway_id", "pathway_version")
    known = [(row[names[0]], row[names[1]], row[names[2]]) for row in rows]
    titles = await store.pathway_titles([key for key in known if None not in key])
    return [{**row, "title": titles.get(key)} for row, key in zip(rows, known, strict=True)]


def as_said(promise: Mapping[str, Any]) -> dict[str, Any]:
    """What the employer who made a promise has said of it itself."""
    said = {name: promise[name] for name in (*_SAID, *_SAID_TOO)}
    criteria = [{"criterion": one["criterion"]} for one in promise["criteria"]["all"]]
    return {**said, "criteria": {"all": criteria}}


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
    if isinstance(value, list):
        return [plain_value(one) for one in value]
    return plain_value(value)
