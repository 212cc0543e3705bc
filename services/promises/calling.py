"""What every route here needs: who calls, and the parts of the service."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Request

from services.common.access import Principal, Role, caller
from services.common.clock import Clock
from services.common.codec import decode
from services.common.errors import Problem, not_found
from services.common.kafka import Position
from services.common.people import person_meant
from services.common.positions import behind, last_before, parse_after, reflected_of
from services.common.postgres import Pool
from services.common.vault import Keyring, Vault
from services.promises.settings import PromisesSettings
from services.promises.sharing import Sharing
from services.promises.store import PromisesStore, Row
from services.promises.writing import Writer

Caller = Annotated[Principal, Depends(caller)]
Limit = Annotated[int, Query(ge=1, le=100)]


@dataclass(frozen=True, slots=True)
class Parts:
    """What the service is made of."""

    settings: PromisesSettings
    pool: Pool
    store: PromisesStore
    writer: Writer
    sharing: Sharing
    vault: Vault
    keyring: Keyring
    clock: Clock


def parts(request: Request) -> Parts:
    found: Parts = request.app.state.promises
    return found


Service = Annotated[Parts, Depends(parts)]


def employer(who: Caller) -> Principal:
    """The caller, who must be an employer. Raises Problem 403."""
    if who.role is not Role.EMPLOYER:
        raise Problem(403, "employers-only", "Only an employer's key may do this.")
    return who


Employer = Annotated[Principal, Depends(employer)]


async def person(
    service: Parts, employer_id: str, worker_id: UUID | None, source_record_id: str | None = None
) -> UUID:
    """Whom an employer means, by id or by its own number for the person. Raises Problem 404."""
    return await person_meant(
        service.pool, service.vault, employer_id, worker_id=worker_id, number=source_record_id
    )


async def promise_to(store: PromisesStore, worker_id: UUID, promise_id: str) -> Row:
    """A promise that was made to this worker, and how it stands.

    Raises Problem 404, and 409 when whoever made it has said that it was no promise.
    """
    found = await store.promises(worker_id=worker_id, promise_id=promise_id, limit=1)
    if found:
        return found[0]
    taken_back = await store.taken_back(worker_id, promise_id)
    if taken_back:
        raise Problem(409, "voided", "This promise was made by mistake and was taken back.")
    if taken_back is not None:
        raise not_found("promise")
    # It may not have been taken in yet.
    written = await store.written(f"promise:{promise_id}")
    if written is None or written.position is None or written.key != worker_id.bytes:
        raise not_found("promise")
    nothing_yet = dict.fromkeys(("due_at", "outcome_at", "lapsed_at"))
    return {**decode(written.value).fields, **nothing_yet, "dispute_ids": (), "state": "made"}


async def wait_until_followed(
    store: PromisesStore, after: str | None, worker_id: UUID | None, *, within_s: float = 5.0
) -> str | None:
    """Wait until the promises worker has taken in the position; answer the one that a read
    reflects, as `read_after` does: on the worker's partition, or on that of `after`.

    Raises Problem 422 for another text, 503 with the lag when it does not happen in time.
    """
    position = parse_after(after)
    if position is not None and position.topic == "stories":
        await _wait(store, position, within_s)
    if worker_id is not None:
        found = reflected_of(worker_id, await store.held())
    elif position is not None:
        place = position.topic, position.partition
        found = last_before(place, await store.reached(*place))
    else:
        return None
    return str(found) if found else None


async def _wait(store: PromisesStore, position: Position, within_s: float) -> None:
    deadline, pause = time.monotonic() + within_s, 0.005
    while (reached := await store.reached(position.topic, position.partition)) <= position.offset:
        if time.monotonic() > deadline:
            raise behind("promises", position, reached)
        await asyncio.sleep(pause)
        pause = min(pause * 2, 0.1)
