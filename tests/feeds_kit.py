"""For the tests of the feeds: people who take courses and jobs, told as events to the real log and
read by a real projections worker.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from services.common.settings import Settings
from tests.integration.test_projections import Positions, ends, positions, publish, running
from tests.projection_kit import Event, make

__all__ = ["positions", "read"]
COLLEGE = "river-college"
Read = Callable[[Iterable[Event]], Awaitable[None]]


def day(text: str) -> datetime:
    """Noon (UTC) of a day."""
    return datetime.fromisoformat(f"{text}T12:00:00Z")


class Person:
    """Somebody new, of whom events are made."""

    def __init__(self) -> None:
        self.worker_id = secrets.token_bytes(16)
        self.events: list[Event] = []

    def tell(self, name: str, at: datetime, **fields: Any) -> Person:
        ids = {"worker_id": self.worker_id, "event_id": secrets.token_bytes(16)}
        self.events.append(make(name, occurred_at=at, recorded_at=at, **ids, **fields))
        return self

    def enrol(self, course: str, at: datetime, *, provider: str = COLLEGE) -> Person:
        about = {"enrolment_id": f"e-{course}-{provider}", "course_id": course}
        return self.tell("TrainingEnrolled", at, **about, provider_id=provider)

    def attend(
        self, course: str, since: datetime, *, weeks: int, provider: str = COLLEGE
    ) -> Person:
        """One session a week, the first one a week after `since`."""
        about = {"enrolment_id": f"e-{course}-{provider}", "course_id": course}
        for week in range(1, weeks + 1):
            self.tell("TrainingProgressed", since + timedelta(weeks=week), **about)
        return self

    def work(self, since: datetime, until: datetime | None = None) -> Person:
        job = {"employment_id": secrets.token_hex(4), "employer_id": "acme"}
        self.tell("EmploymentStarted", since, **job)
        return self if until is None else self.tell("EmploymentEnded", until, **job)


def programme(course: str, provider: str = COLLEGE, title: str | None = None) -> Event:
    """A programme as the directory has it."""
    own = {"organization_id": provider, "entity_id": course, "title": title or course}
    return make("ProgrammePublished", event_id=secrets.token_bytes(16), **own)


def people(course: str, *, exiters: int, employed: int, before: int = 0) -> list[Event]:
    """A course whose people left it on 20 May 2024: some with a job from November, and of the
    others as many as `before` with one that ended before the course.
    """
    found = [programme(course)]
    for number in range(exiters):
        person = Person().enrol(course, day("2024-05-20"))
        if number < employed:
            person.work(day("2024-11-01"))
        elif number < employed + before:
            person.work(day("2023-01-02"), until=day("2024-01-31"))
        found += person.events
    return found


@pytest.fixture
async def read(
    settings: Settings, producer: AIOKafkaProducer, positions: Positions
) -> AsyncIterator[Read]:
    """Puts events on the log and waits until the read model has them."""
    async with AsyncExitStack() as stack:

        async def told(events: Iterable[Event]) -> None:
            await publish(settings, producer, events)
            await positions.reach(await ends(settings))

        await stack.enter_async_context(running(settings))
        yield told
