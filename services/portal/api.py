"""Query API: one person's story, standing, skills and promises, now or as they were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse

from services.common.access import Principal, Role, caller
from services.common.clock import utc_now
from services.common.errors import not_found
from services.common.moments import AsOf, as_of_parameters
from services.common.people import person_meant
from services.common.positions import parse_after, wait_until_read
from services.portal.past import Subject, one_state, story_page, telling
from services.portal.promise_store import PromiseStore
from services.portal.reading import Cursors, opened_fields, own_item, with_names
from services.portal.settings import PortalSettings
from services.portal.shared_reads import Asked, SharedReads
from services.portal.standing import (
    EVIDENCE,
    PROMISES,
    SKILLS,
    STANDING,
    Rows,
    Section,
    Sections,
    answer,
    with_criteria,
    with_evidence,
    with_titles,
)
from services.portal.store import ReadStore, StoryFilter

router = APIRouter(prefix="/v1/workers", tags=["read"])
Caller = Annotated[Principal, Depends(caller)]
Purpose = Literal["hiring", "advancement", "training_support", "programme_outcomes"]
NO_STORE = {"Cache-Control": "no-store"}


class Page:
    """The parameters that every read of a worker takes."""

    def __init__(
        self,
        moment: Annotated[AsOf, Depends(as_of_parameters)],
        limit: Annotated[int, Query(ge=1, le=100, description="Most items in an answer.")] = 50,
        before: Annotated[
            str | None, Query(max_length=1000, description="`next` of the page before.")
        ] = None,
        after: Annotated[
            str | None,
            Query(
                max_length=100,
                description="A position that a write answered: the answer reflects it, or is 503 "
                "with the lag.",
                examples=["stories:3:1207"],
            ),
        ] = None,
        purpose: Annotated[
            Purpose | None,
            Query(description="What an organisation reads it for; any purpose agreed without it."),
        ] = None,
    ) -> None:
        self.moment = moment
        self.limit = limit
        self.before = before
        self.after = after
        self.purpose = purpose


AnyPage = Annotated[Page, Depends()]


@router.get("/{worker}/story")
async def story(worker: str, page: AnyPage, request: Request, who: Caller) -> JSONResponse:
    """What happened to one person, newest first.

    `worker` is the person's id, or the name that your organisation knows the person by. An
    organisation sees what the person agrees to now, also of an earlier moment, and each such read
    is shown to the person.
    """
    subject = await _subject(worker, page, request, who)
    if who.role is Role.WORKER:
        found = await _own_story(request, subject, page)
    else:
        found = await SharedReads.of(request).story(who, _asked(subject, page))
    return JSONResponse(found, headers=NO_STORE)


@router.get("/{worker}/standing")
async def standing(worker: str, page: AnyPage, request: Request, who: Caller) -> JSONResponse:
    """Where a working life stands: jobs, credentials, skills, open promises, support received.

    An organisation gets the parts of the categories that the person agreed to (`categories`),
    made of what it may see. Each part has `limit` rows at most; `more` names those with further.
    """
    subject = await _subject(worker, page, request, who)
    if who.role is Role.WORKER:
        head, sections = await _own_rows(request, subject, page, STANDING)
    else:
        shared = await SharedReads.of(request).rows(who, _asked(subject, page), STANDING)
        head = {**shared.head, "categories": sorted(shared.categories)}
        sections = dict(shared.sections)
    found = {
        **head,
        **{name: rows[: page.limit] for name, rows in sections.items()},
        "more": [name for name, rows in sections.items() if len(rows) > page.limit],
    }
    return JSONResponse(found, headers=NO_STORE)


@router.get("/{worker}/skills")
async def skills(worker: str, page: AnyPage, request: Request, who: Caller) -> JSONResponse:
    """A person's skills by id: what the person says, and what others saw, each with its evidence.

    An organisation sees them when the person agrees to share skills.
    """
    subject = await _subject(worker, page, request, who)
    wanted = (SKILLS, EVIDENCE)
    if who.role is Role.WORKER:
        reader = "self"
        head, sections = await _own_rows(request, subject, page, wanted)
    else:
        reader = who.organization_id
        shared = await SharedReads.of(request).rows(who, _asked(subject, page), wanted)
        if SKILLS.name not in shared.sections:
            raise not_found("worker")
        head, sections = dict(shared.head), dict(shared.sections)
    cursors = Cursors(request.app.state.vault, f"skills:{reader}", subject.worker_id)
    key = cursors.read_key(page.before, 1)
    rows = [one for one in sections[SKILLS.name] if key is None or one["skill_id"] > key[0]]
    shown = with_evidence(rows[: page.limit], sections[EVIDENCE.name])
    following = cursors.write_key(shown[-1]["skill_id"]) if len(rows) > page.limit else None
    return JSONResponse({**head, "skills": shown, "next": following}, headers=NO_STORE)


@router.get("/{worker}/promises")
async def promises(worker: str, page: AnyPage, request: Request, who: Caller) -> JSONResponse:
    """The promises made to one person, newest first, each with its state and its criteria.

    An organisation sees them while the person agrees to share promises (`shared`); an employer
    sees those that it made in its own words, whatever is shared.
    """
    subject = await _subject(worker, page, request, who)
    cursors = Cursors(request.app.state.vault, f"promises:{who.subject}", subject.worker_id)
    place = cursors.read_key(page.before, 2)
    head: Mapping[str, Any]
    if who.role is Role.WORKER:
        head, sections = await _own_rows(request, subject, page, (PROMISES,))
        rows = [with_criteria(row) for row in sections[PROMISES.name]]
    else:
        head, rows = await SharedReads.of(request).promises(who, _asked(subject, page))
    rows = rows if place is None else [row for row in rows if _place(row) < _parsed(place)]
    shown = await with_titles(rows[: page.limit], PromiseStore(request.app.state.pool))
    last = shown[-1] if len(rows) > page.limit else None
    following = cursors.write_key(last["made_at"], last["promise_id"]) if last else None
    return JSONResponse({**head, "promises": shown, "next": following}, headers=NO_STORE)


def _place(row: Mapping[str, Any]) -> tuple[datetime, str]:
    return _parsed((row["made_at"], row["promise_id"]))


def _parsed(key: Sequence[str]) -> tuple[datetime, str]:
    return datetime.fromisoformat(key[0]), key[1]


async def _subject(worker: str, page: Page, request: Request, who: Principal) -> Subject:
    """Whom the call is about, once the read model is as far as it asks for. Raises Problem."""
    state = request.app.state
    own: PortalSettings = state.portal.settings
    after = parse_after(page.after)
    await wait_until_read(state.pool, after, within_s=own.after_patience.total_seconds())
    if who.role is not Role.WORKER:
        return await _person(request, worker, who)
    subject = await _worker_now(request, worker)
    if subject.worker_id != who.worker_id:
        raise not_found("worker")
    return subject


def _asked(subject: Subject, page: Page) -> Asked:
    return Asked(subject, page.moment, page.limit, page.before, page.purpose)


async def _own_rows(
    request: Request, subject: Subject, page: Page, wanted: tuple[Section, ...]
) -> tuple[dict[str, Any], dict[str, Rows]]:
    """The head of the answer, and the sections, of one's own record."""
    pool, store = request.app.state.pool, _read_store(request)
    at, worker_id = page.moment.as_of or utc_now(), subject.worker_id
    if page.moment.is_now:
        async with one_state(pool) as connection:
            position = await store.reflects(worker_id, using=connection)
            parked = await store.is_parked(worker_id, using=connection)
            tables = Sections(connection, at, worker_id)
            rows = {one.name: await tables.now(one) for one in wanted}
    else:
        found = await telling(pool, store, subject, page.moment, to_worker=True)
        position, parked = found.position, found.parked
        async with pool.acquire() as connection:
            folded = Sections(connection, at, worker_id)
            rows = {one.name: await folded.over(found.events, one) for one in wanted}
    head = _own_head(worker_id, page.moment, position, parked)
    return head, {name: answer(found, to_worker=True) for name, found in rows.items()}


def _own_head(worker_id: UUID, moment: AsOf, position: object, parked: bool) -> dict[str, Any]:
    return {
        "worker_id": str(worker_id),
        "position": str(position) if position else None,
        "parked": parked,
        **moment.as_answer(),
    }


def _read_store(request: Request) -> ReadStore:
    store: ReadStore = request.app.state.portal.store
    return store


async def _own_story(request: Request, subject: Subject, page: Page) -> dict[str, Any]:
    store, worker_id = _read_store(request), subject.worker_id
    cursors = Cursors(request.app.state.vault, "self", worker_id)
    wanted = StoryFilter(page.limit + 1, before=cursors.read(page.before))
    if page.moment.is_now:
        position = await store.reflects(worker_id)
        parked = await store.is_parked(worker_id)
        events = await store.story(worker_id, wanted)
    else:
        pool = request.app.state.pool
        found = await telling(pool, store, subject, page.moment, to_worker=True)
        position, parked = found.position, found.parked
        events = story_page(found.events, wanted)
    shown = events[: page.limit]
    opened = await opened_fields(request.app.state.keyring, shown)
    items = [own_item(event, opened.get(event.event_id, {})) for event in shown]
    return {
        **_own_head(worker_id, page.moment, position, parked),
        "items": await with_names(items, store),
        "next": cursors.write(shown[-1]) if len(events) > page.limit else None,
    }


async def _worker_now(request: Request, worker: str) -> Subject:
    """Whom an id stands for, which a merge may have changed. Raises Problem 404."""
    asked = _id(worker)
    return Subject(asked, await _read_store(request).worker_now(asked))


def _id(worker: str) -> UUID:
    try:
        return UUID(worker)
    except ValueError:
        raise not_found("worker") from None


async def _person(request: Request, worker: str, who: Principal) -> Subject:
    """Who an organisation speaks of, by id or by its own name for the person. Raises 404."""
    state, mine = request.app.state, who.organization_id
    if not worker.startswith("w-"):
        subject = await _worker_now(request, worker)
        meant = await person_meant(state.pool, state.vault, mine, worker_id=subject.asked)
        # A record that was parted has its own story from before that, too.
        return subject if meant == subject.worker_id else Subject(meant, meant)
    for known in await _read_store(request).shared_with(mine):
        if state.vault.pseudonym(known, mine) == worker:
            return Subject(known, known)
    raise not_found("worker")
