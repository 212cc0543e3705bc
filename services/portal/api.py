"""Query API: one person's story and standing."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime

from services.common.access import Principal, Role, caller
from services.common.consent import plain_value
from services.common.errors import not_found
from services.common.positions import parse_after, wait_until_read
from services.portal.reading import Cursors, opened_fields, own_item, with_names
from services.portal.settings import PortalSettings
from services.portal.shared_reads import Asked, SharedReads
from services.portal.store import ReadStore, StoryFilter

router = APIRouter(prefix="/v1/workers", tags=["read"])
Caller = Annotated[Principal, Depends(caller)]
Purpose = Literal["hiring", "advancement", "training_support", "programme_outcomes"]
NO_STORE = {"Cache-Control": "no-store"}


class Page:
    """The parameters that every read of a story takes."""

    def __init__(
        self,
        limit: Annotated[int, Query(ge=1, le=100)] = 50,
        before: Annotated[str | None, Query(max_length=1000)] = None,
        after: Annotated[str | None, Query(max_length=100)] = None,
        as_of: AwareDatetime | None = None,
        purpose: Purpose | None = None,
    ) -> None:
        self.limit = limit
        self.before = before
        self.after = after
        self.as_of = as_of
        self.purpose = purpose


@router.get("/{worker}/story")
async def story(
    worker: str, page: Annotated[Page, Depends()], request: Request, who: Caller
) -> Any:
    """What happened to one person, newest first.

    `worker` is the person's id, or the name that your organisation knows the person by. `before`
    is `next` of the page before; `after` a position that a write answered. An organisation sees
    what the person agreed to, under `purpose` or any purpose agreed, and each such read is shown
    to the person.
    """
    state = request.app.state
    own: PortalSettings = state.portal.settings
    after = parse_after(page.after)
    await wait_until_read(state.pool, after, within_s=own.after_patience.total_seconds())
    if who.role is Role.WORKER:
        await _check_own(request, worker, who)
        answer = await _own_story(request, who.worker_id, page)
    else:
        person = await _person(request, worker, who)
        asked = Asked(page.limit, page.before, page.as_of, page.purpose)
        answer = await SharedReads.of(request).story(person, who, asked)
    return JSONResponse(answer, headers=NO_STORE)


def _read_store(request: Request) -> ReadStore:
    store: ReadStore = request.app.state.portal.store
    return store


async def _own_story(request: Request, worker_id: UUID, page: Page) -> dict[str, Any]:
    store = _read_store(request)
    cursors = Cursors(request.app.state.vault, "self", worker_id)
    before = cursors.read(page.before)
    reflects = await store.reflects(worker_id)
    wanted = StoryFilter(page.limit + 1, as_of=page.as_of, before=before)
    events = await store.story(worker_id, wanted)
    shown = events[: page.limit]
    opened = await opened_fields(request.app.state.keyring, shown)
    items = [own_item(event, opened.get(event.event_id, {})) for event in shown]
    return {
        "worker_id": str(worker_id),
        "position": str(reflects) if reflects else None,
        "parked": await store.is_parked(worker_id),
        "items": await with_names(items, store),
        "next": cursors.write(shown[-1]) if len(events) > page.limit else None,
    }


async def _worker_now(request: Request, worker: str) -> UUID:
    """Whom an id stands for, which a merge may have changed. Raises Problem 404."""
    try:
        return await _read_store(request).worker_now(UUID(worker))
    except ValueError:
        raise not_found("worker") from None


async def _check_own(request: Request, worker: str, who: Principal) -> None:
    """Raises Problem 404 for anybody's id but the caller's, old ones included."""
    if worker != str(who.worker_id) and await _worker_now(request, worker) != who.worker_id:
        raise not_found("worker")


async def _person(request: Request, worker: str, who: Principal) -> UUID:
    """Who an organisation speaks of, by id or by its own name for the person. Raises 404."""
    if not worker.startswith("w-"):
        return await _worker_now(request, worker)
    vault = request.app.state.vault
    for known in await _read_store(request).shared_with(who.organization_id):
        if vault.pseudonym(known, who.organization_id) == worker:
            return known
    raise not_found("worker")


@router.get("/{worker}/standing")
async def standing(
    worker: str, request: Request, who: Caller, after: str | None = None
) -> JSONResponse:
    """Where one's own working life stands: jobs now, skills, promises that are open."""
    if who.role is not Role.WORKER:
        raise not_found("worker")
    await _check_own(request, worker, who)
    state, store = request.app.state, _read_store(request)
    patience: float = state.portal.settings.after_patience.total_seconds()
    await wait_until_read(state.pool, parse_after(after), within_s=patience)
    reflects = await store.reflects(who.worker_id)
    promises = await store.promises(who.worker_id)
    answer = {
        "worker_id": str(who.worker_id),
        "position": str(reflects) if reflects else None,
        "parked": await store.is_parked(who.worker_id),
        "jobs": [_plain(row) for row in await store.jobs(who.worker_id)],
        "skills": [_plain(row) for row in await store.skills(who.worker_id)],
        "open_promises": [
            _plain(row)
            for row in promises
            if not (row["kept_at"] or row["lapsed_at"] or row["declined_at"])
        ],
    }
    return JSONResponse(answer, headers=NO_STORE)


def _plain(row: Any) -> dict[str, object]:
    return {name: plain_value(value) for name, value in row.items()}
