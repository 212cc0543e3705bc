"""HTTP of training that nobody noticed: the list, and saying that it was seen."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request

from services.common.agreements_on_file import may_send
from services.common.emit import Actor
from services.common.errors import not_found
from services.common.ids import derived_id
from services.common.positions import read_after
from services.promises import handlers, pages
from services.promises.calling import Employer, Limit, Parts, Service, person
from services.promises.requests import NoticeOrder
from services.promises.sharing import Seen
from services.promises.store import Row

router = APIRouter(prefix="/v1", tags=["training"])
_TRAINING = "training"


@router.get("/employers/{employer_id}/unnoticed-training")
async def unnoticed(
    employer_id: str,
    request: Request,
    who: Employer,
    service: Service,
    limit: Limit = 100,
    before: Annotated[str | None, Query(max_length=1000)] = None,
    after: str | None = None,
) -> dict[str, Any]:
    """Finished training of present employees that this employer has not noticed, longest first.

    It waits since it was finished, or since the person was hired if that was later
    (`waits_since`). Only of those who share their training with it. `before` is `next` of the page
    before.
    """
    if employer_id != who.organization_id:
        raise not_found("employer")
    position = await read_after(request.app.state.pool, after, of=None)
    now = service.clock()
    cursors = pages.Cursors(service.vault, f"unnoticed:{employer_id}")
    workers = await service.sharing.employees_who_share(employer_id, _TRAINING, now)
    place = cursors.read(before)
    rows = await service.store.unnoticed(workers, employer_id, place=place, limit=limit + 1)
    page = rows[:limit]
    allowed = await service.sharing.disclose([(r, [_seen(r)]) for r in page], who, _TRAINING, now)
    return {
        "trainings": [
            pages.training_answer(
                row, subject=service.vault.pseudonym(row["worker_id"], employer_id), now=now
            )
            for number, row in enumerate(page)
            if allowed[number]
        ],
        "next": pages.next_of(cursors, rows, limit, "waits_since", "enrolment_id"),
        "position": position,
    }


def _seen(row: Row) -> Seen:
    found: UUID | None = row["completion_id"]
    # Until the completion has been taken in here, the log of reads names it by what it is about.
    event_id = found or derived_id(_TRAINING, row["worker_id"], row["enrolment_id"])
    return Seen(row["worker_id"], event_id, "TrainingCompleted")


@router.post(
    "/trainings/acknowledge",
    status_code=202,
    dependencies=[may_send("TrainingAcknowledged")],
)
async def acknowledge(order: NoticeOrder, who: Employer, service: Service) -> dict[str, Any]:
    """Say that a course was seen to be finished; the person finds it in the story.

    Only for present employees who share their training: else 404. Once is enough.
    """
    mine = who.organization_id
    worker_id = await _employee(service, mine, order)
    training = await service.store.finished(worker_id, order.enrolment_id)
    if training is None:
        raise not_found("finished training")
    event = handlers.notice_event(worker_id, training, mine, Actor.of(who), service.clock())
    subject = f"notice:{mine}:{worker_id}:{order.enrolment_id}"
    _, position = await service.writer.write(subject, event)
    return {
        "subject": service.vault.pseudonym(worker_id, mine),
        "enrolment_id": order.enrolment_id,
        "position": position,
    }


async def _employee(service: Parts, employer_id: str, order: NoticeOrder) -> UUID:
    """Which present employee is meant, of those who share. Raises Problem 404."""
    meant = await person(service, employer_id, order.worker_id) if order.worker_id else None
    sharing = await service.sharing.employees_who_share(employer_id, _TRAINING, service.clock())
    for worker_id in sharing:
        if meant == worker_id or order.subject == service.vault.pseudonym(worker_id, employer_id):
            return worker_id
    raise not_found("worker")
