"""What is sent, what waits and what repeats, within one group."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from schemas.catalog import event_types
from schemas.edge import EdgeEvent
from schemas.models import TrainingEnrolled
from services.common.emit import SYSTEM
from services.common.errors import DependencyDown
from services.common.kafka import Position
from services.ingest.drafts import Draft, Status
from services.ingest.eventlog import Delivery
from services.ingest.flights import Flight, Submission
from services.ingest.store import Reserved
from tests.ingest_kit import enrolled

US, OTHERS, AT = uuid4(), uuid4(), datetime(2026, 3, 1, tzinfo=UTC)
PLACE = Position("stories", 1, 7)
MODEL: EdgeEvent = TrainingEnrolled.model_validate(enrolled())


def a_draft(event_id: UUID, content: bytes = b"a", worker_id: UUID | None = None) -> Draft:
    made = Draft(event_types()["TrainingEnrolled"], MODEL, SYSTEM, AT, event_id, content)
    made.worker_id = worker_id
    return made


async def flight_of(*drafts: Draft, registrations: Any = None) -> Flight:
    submission = Submission(drafts, asyncio.get_running_loop().create_future())
    flight = Flight([submission], registrations or {})
    for draft in flight.in_order():
        assert draft.event_id is not None
        flight.by_id.setdefault(draft.event_id, []).append(draft)
    return flight


async def test_nothing_about_a_worker_goes_out_while_another_process_registers_it() -> None:
    ana, ben = uuid4(), uuid4()
    registering = a_draft(uuid4(), worker_id=ana)
    event, other = a_draft(uuid4(), worker_id=ana), a_draft(uuid4(), worker_id=ben)
    flight = await flight_of(event, other, registrations={ana: registering})
    held = {d.event_id: Reserved(b"a", US, None) for d in (event, other) if d.event_id}
    assert registering.event_id is not None
    flight.choose(held | {registering.event_id: Reserved(b"a", OTHERS, None)}, US)

    assert flight.sent == [other]
    assert (registering.busy, event.busy, other.busy) == (True, True, False)


async def test_a_registration_goes_out_before_everything_else() -> None:
    ana = uuid4()
    events = [a_draft(uuid4(), worker_id=ana) for _ in range(3)]
    registering = a_draft(uuid4(), worker_id=ana)
    flight = await flight_of(*events, registrations={ana: registering})
    flight.choose({i: Reserved(b"a", US, None) for i in flight.by_id}, US)
    assert flight.sent == [registering, *events]


async def test_of_drafts_with_one_id_the_first_that_says_the_same_is_sent() -> None:
    event_id = uuid4()
    other, first, second = (a_draft(event_id, content) for content in (b"b", b"a", b"a"))
    flight = await flight_of(other, first, second)
    flight.choose({event_id: Reserved(b"a", US, None)}, US)
    assert flight.sent == [first]

    loop = asyncio.get_running_loop()
    flight.delivered(Delivery("stories", [0], None, loop.create_future()), [PLACE])
    flight.settle()

    results = [draft.result for draft in (other, first, second)]
    assert [r.status for r in results if r] == [
        *(Status.CONFLICT, Status.ACCEPTED, Status.DUPLICATE)
    ]
    assert [r.position for r in results if r] == [None, PLACE, PLACE]
    assert flight.on_the_log() == [(event_id, b"a", PLACE)]


async def test_what_was_not_delivered_is_no_result_and_its_caller_is_told() -> None:
    good, lost = a_draft(uuid4()), a_draft(uuid4())
    flight = await flight_of(good, lost)
    flight.choose({i: Reserved(b"a", US, None) for i in flight.by_id}, US)
    loop = asyncio.get_running_loop()
    flight.delivered(Delivery("stories", [0], None, loop.create_future()), [PLACE])
    flight.settle()

    assert (good.result is not None, lost.result) == (True, None)
    (submission,) = flight.submissions
    submission.answer(None)
    with pytest.raises(DependencyDown):
        await submission.done


async def test_a_repeat_of_what_is_busy_is_busy() -> None:
    event_id = uuid4()
    drafts = [a_draft(event_id), a_draft(event_id)]
    flight = await flight_of(*drafts)
    flight.choose({event_id: Reserved(b"a", OTHERS, None)}, US)
    flight.settle()
    assert [draft.busy for draft in drafts] == [True, True]
    assert flight.sent == []
