"""HTTP of pathways and promises."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request

from services.common.access import Principal, Role
from services.common.agreements_on_file import may_send
from services.common.emit import Actor
from services.common.errors import FieldError, Problem, not_found
from services.common.positions import DIRECTORY, read_after
from services.promises import handlers, pages
from services.promises.calling import (
    Caller,
    Employer,
    Limit,
    Parts,
    Service,
    person,
    promise_to,
    wait_until_followed,
)
from services.promises.handlers import Offer
from services.promises.requests import AnswerOrder, PathwayOrder, PromiseOrder
from services.promises.sharing import Seen
from services.promises.store import Row

router = APIRouter(prefix="/v1", tags=["promises"])
EmployerId = Annotated[str | None, Query(max_length=63)]
Before = Annotated[str | None, Query(max_length=1000)]


@router.post("/pathways", status_code=202, dependencies=[may_send("PathwayPublished")])
async def publish_pathway(order: PathwayOrder, who: Employer, service: Service) -> dict[str, Any]:
    """Publish a pathway, or its next version. The same content again is the same version."""
    mine, content = who.organization_id, handlers.content_of(order)
    version = await service.store.give_out(mine, order.pathway_id, content)
    event = handlers.pathway_event(
        mine, order.pathway_id, version, content, Actor.of(who), service.clock()
    )
    _, position = await service.writer.write(f"pathway:{mine}:{order.pathway_id}:{version}", event)
    answer = {"organization_id": mine, "pathway_id": order.pathway_id, "version": version}
    return {**pages.pathway_answer({**answer, **content}), "position": position}


@router.get("/pathways")
async def pathways(
    request: Request,
    _who: Caller,
    service: Service,
    employer: EmployerId = None,
    limit: Limit = 100,
    before: Before = None,
    after: str | None = None,
) -> dict[str, Any]:
    """The pathways in force, by employer and id; `next` is the following page."""
    position = await read_after(request.app.state.pool, after, of=DIRECTORY)
    start, _, rest = (before or "").partition(" ")
    place = (start, rest) if before else None
    rows = await service.store.pathways(employer, None, place, limit + 1)
    last = rows[limit - 1] if len(rows) > limit else None
    return {
        "pathways": [pages.pathway_answer(row) for row in rows[:limit]],
        "next": f"{last['organization_id']} {last['pathway_id']}" if last else None,
        "position": position,
    }


@router.get("/pathways/{pathway_id}")
async def pathway(
    pathway_id: str,
    request: Request,
    who: Caller,
    service: Service,
    employer: EmployerId = None,
    after: str | None = None,
) -> dict[str, Any]:
    """One pathway with all its versions. Name the employer when several have one of that id."""
    position = await read_after(request.app.state.pool, after, of=DIRECTORY)
    mine = who.organization_id if employer is None and who.role is Role.EMPLOYER else employer
    found = await service.store.pathways(mine, pathway_id, None, 2)
    if not found:
        raise not_found("pathway")
    if len(found) > 1:
        fix = "Add `employer=` and its id."
        error = FieldError("employer", "several employers have one", fix)
        raise Problem(422, "invalid", f"employer: several have one. {fix}", errors=[error])
    versions = await service.store.versions(found[0]["organization_id"], pathway_id)
    return {
        **pages.pathway_answer(found[0]),
        "versions": [pages.pathway_answer(v) for v in versions],
        "position": position,
    }


@router.post("/promises", status_code=202, dependencies=[may_send("PromiseMade")])
async def promise(order: PromiseOrder, who: Employer, service: Service) -> dict[str, Any]:
    """Promise a pathway to a person. The same version to the same person is the same promise."""
    mine = who.organization_id
    versions = await service.store.versions(mine, order.pathway_id)
    wanted = [v for v in versions if order.version in (None, v["version"])]
    if not wanted:
        raise not_found("pathway" if not versions else "version of this pathway")
    worker_id = await person(service, mine, order.worker_id, order.source_record_id)
    offer = Offer(mine, order.pathway_id, wanted[-1]["version"], worker_id)
    event = offer.event(wanted[-1], Actor.of(who), service.clock())
    _, position = await service.writer.write(f"promise:{offer.promise_id}", event)
    return {
        "promise_id": offer.promise_id,
        "subject": service.vault.pseudonym(worker_id, mine),
        "pathway_id": offer.pathway_id,
        "pathway_version": offer.version,
        "position": position,
    }


@router.post("/promises/{promise_id:path}/answer", status_code=202)
async def answer(
    promise_id: str, order: AnswerOrder, who: Caller, service: Service
) -> dict[str, Any]:
    """Say yes or no; the first answer stands. A yes comes with the employer's request to see how
    it goes, which is a question of its own: nothing is shared by saying yes."""
    worker_id, now = who.worker_id, service.clock()
    made = await promise_to(service.store, worker_id, promise_id)
    if made["state"] == "withdrawn":
        raise Problem(409, "withdrawn", "The employer took this promise back.")
    event = handlers.answer_event(worker_id, promise_id, order.answer, now)
    kept, position = await service.writer.write(f"answer:{worker_id}:{promise_id}", event)
    if kept.name != event.event_type.name:
        raise Problem(409, "answered", "This promise has been answered already.")
    asked = None
    if order.answer == "accept":
        asked, position = await _ask(service, worker_id, promise_id, made["employer_id"], position)
    return {
        "promise_id": promise_id,
        "answer": order.answer,
        "access_request": asked,
        "position": position,
    }


async def _ask(
    service: Parts, worker_id: UUID, promise_id: str, employer_id: str, position: str
) -> tuple[dict[str, Any] | None, str]:
    """Ask for the grant under which the employer sees how it goes, unless there is one.

    Nothing is asked that the employer may not ask itself: the yes is the person's, and stands.
    """
    now, sharing = service.clock(), service.sharing
    if await sharing.shares(worker_id, employer_id, "promise", now):
        return None, position
    wanted = handlers.ASKED_CATEGORIES, (handlers.ASKED_PURPOSE,)
    if not await sharing.may_ask(employer_id, *wanted):
        return None, position
    lasts = service.settings.request_lasts
    event = handlers.request_event(worker_id, promise_id, employer_id, lasts, now)
    asked, position = await service.writer.write(f"ask:{worker_id}:{promise_id}", event)
    names = ("request_id", "recipient_id", "categories", "purposes", "expires_at")
    return {name: asked.fields[name] for name in names}, position


@router.get("/promises")
async def promises(
    who: Caller,
    service: Service,
    limit: Limit = 100,
    before: Before = None,
    after: str | None = None,
) -> dict[str, Any]:
    """A worker's promises, or the ones that an employer made, newest first.

    An employer sees how a promise goes while the person shares that, and else what it said itself.
    """
    worker_id = who.worker_id if who.role is Role.WORKER else None
    position = await wait_until_followed(service.store, after, worker_id)
    cursors = pages.Cursors(service.vault, f"promises:{who.subject}")
    rows = await service.store.promises(
        worker_id=worker_id,
        employer_id=who.organization_id if worker_id is None else None,
        place=cursors.read(before),
        limit=limit + 1,
    )
    return {
        "promises": await _shown(service, who, rows[:limit]),
        "next": pages.next_of(cursors, rows, limit, "made_at", "promise_id"),
        "position": position,
    }


async def _shown(service: Parts, who: Principal, rows: Sequence[Row]) -> list[dict[str, Any]]:
    if who.role is Role.WORKER:
        return [pages.own_promise(row) for row in rows]
    at = service.clock()
    seen = [(row, list(_seen(row))) for row in rows]
    shared = await service.sharing.disclose(seen, who, "promise", at)
    mine = who.organization_id
    return [
        pages.employers_promise(
            row,
            subject=service.vault.pseudonym(row["worker_id"], mine),
            shared=shared[number],
        )
        for number, row in enumerate(rows)
    ]


def _seen(row: Row) -> Iterator[Seen]:
    """What an employer sees of a promise beyond its own words begins with the answer."""
    if row["answer_id"] is not None:
        yield Seen(row["worker_id"], row["answer_id"], row["answer"])
    for event_id in row["dispute_ids"]:
        yield Seen(row["worker_id"], event_id, "PromiseDisputed")
