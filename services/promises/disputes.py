"""HTTP of what a person says of a promise: that it was not kept, or a question about it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from services.common.codec import Decoded
from services.common.errors import FieldError, Problem
from services.common.vault import Redacted
from services.promises import handlers
from services.promises.calling import Caller, Parts, Service, promise_to
from services.promises.handlers import Dispute
from services.promises.requests import DisputeOrder

router = APIRouter(prefix="/v1", tags=["promises"])


@router.post("/promises/{promise_id:path}/dispute", status_code=202)
async def dispute(
    promise_id: str, order: DisputeOrder, who: Caller, service: Service
) -> dict[str, Any]:
    """Say that a promise was not kept, or ask whoever made it. The employer sees it while the
    person shares promises with it.

    The same `dispute_id` again is the same; without one, a promise has one of each reason.
    """
    said = Dispute.of(who.worker_id, promise_id, order)
    promise = await promise_to(service.store, said.worker_id, promise_id)
    # What was said before is answered as it was, however the promise stands by now.
    if await service.store.written(said.subject) is None:
        handlers.check_dispute(said.reason, promise)
    sealed = await _sealed(service, said, order.statement)
    kept, position = await service.writer.write(said.subject, said.event(sealed, service.clock()))
    if (kept.fields["reason"], await _words(service, said, kept)) != (said.reason, order.statement):
        raise _taken()
    return {
        "promise_id": promise_id,
        "dispute_id": str(said.dispute_id),
        "reason": said.reason,
        "disputed_at": kept.fields["occurred_at"],
        "position": position,
    }


async def _sealed(service: Parts, said: Dispute, words: str | None) -> bytes | None:
    if words is None:
        return None
    keys = await service.keyring.for_sealing([(said.worker_id, "promise")])
    return keys[said.worker_id, "promise"].seal(said.place, words.encode())


async def _words(service: Parts, said: Dispute, event: Decoded) -> str | Redacted | None:
    sealed = event.fields["statement"]
    if sealed is None:
        return None
    return (await service.keyring.open_all({said.place: sealed}))[said.place]


def _taken() -> Problem:
    fix = "Send another `dispute_id` to say more."
    error = FieldError("dispute_id", "it has said something else", fix)
    return Problem(
        409, "conflict", f"dispute_id: it has said something else. {fix}", errors=[error]
    )
