"""From drafts to positions. Requests that arrive together are resolved, reserved and produced
together, in the order in which they arrived.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from uuid import UUID, uuid4

from aiokafka.errors import KafkaError

from services.common.clock import Clock, utc_now
from services.common.errors import DependencyDown, FieldError, Overloaded, RetryableError
from services.common.log import get_logger
from services.common.postgres import AWAY
from services.common.tasks import end
from services.common.vault import Keyring
from services.ingest.drafts import Draft, Status
from services.ingest.eventlog import EventLog, Record
from services.ingest.flights import Flight, Submission
from services.ingest.records import keys_wanted, record
from services.ingest.resolving import Resolver
from services.ingest.settings import IngestSettings
from services.ingest.store import ReservationStore

log = get_logger("ingest")
_RETRY_S = 0.5  # between tries while PostgreSQL is away


class Pipeline:
    """Writes drafts. One group at a time is resolved, reserved and handed to Kafka, while earlier
    ones wait for their acknowledgement.
    """

    def __init__(
        self,
        store: ReservationStore,
        events: EventLog,
        resolver: Resolver,
        keyring: Keyring,
        settings: IngestSettings,
        *,
        clock: Clock = utc_now,
    ) -> None:
        self._store, self._events, self._resolver = store, events, resolver
        self._keyring, self._settings, self._clock = keyring, settings, clock
        self._holder = uuid4()  # this process, in reservations
        self._waiting: deque[Submission] = deque()
        self._under_way = 0  # events, waiting ones included
        self._running: asyncio.Task[None] | None = None
        self._landing: set[asyncio.Task[None]] = set()
        self._held: dict[UUID, asyncio.Future[None]] = {}

    async def submit(self, drafts: Sequence[Draft]) -> None:
        """Give each draft a result, or mark it busy.

        Raises DependencyDown when log or database do not answer in time, Overloaded when too much
        waits: then none of it is acknowledged, and the same ids may be sent again.
        """
        if self._under_way + len(drafts) > self._settings.queue_events:
            raise Overloaded("too many events are waiting", retry_after_s=2)
        submission = Submission(drafts, asyncio.get_running_loop().create_future())
        self._under_way += len(drafts)
        self._waiting.append(submission)
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run(), name="ingest pipeline")
        try:
            async with asyncio.timeout(self._settings.patience.total_seconds()):
                await submission.done
        except TimeoutError:
            raise DependencyDown("the log does not answer in time", retry_after_s=2) from None
        finally:
            if submission.done.cancelled():
                # While nothing takes off, callers come and give up: it must not pile up.
                with suppress(ValueError):
                    self._waiting.remove(submission)
            self._under_way -= len(drafts)

    async def close(self) -> None:
        """End what is under way. What was not acknowledged is produced again when re-sent."""
        tasks = [*self._landing, *([self._running] if self._running else [])]
        if tasks:
            await asyncio.wait(tasks, timeout=1)
        await end(*tasks)

    async def _run(self) -> None:
        while self._waiting:
            if len(self._landing) >= self._settings.flights:
                await asyncio.wait(self._landing, return_when=asyncio.FIRST_COMPLETED)
            flight = Flight(self._next_group())
            try:
                await self._take_off(flight)
            except Exception as error:  # noqa: BLE001 - told to every caller of the group
                flight.failure = error
            task = asyncio.create_task(self._land(flight), name="ingest landing")
            self._landing.add(task)
            task.add_done_callback(self._landing.discard)

    def _next_group(self) -> list[Submission]:
        group: list[Submission] = []
        events = 0
        while self._waiting and events < self._settings.flush_events:
            submission = self._waiting.popleft()
            if not submission.done.done():  # or the caller has given up
                group.append(submission)
                events += len(submission.drafts)
        return group

    async def _take_off(self, flight: Flight) -> None:
        """Everything up to the hand-over to Kafka."""
        async with asyncio.timeout(2 * self._settings.patience.total_seconds()):
            flight.registrations = await self._resolver.resolve(list(flight.drafts))
            records = await self._records(flight.in_order())
            for draft in records:
                assert draft.event_id is not None, "the resolver names registrations"
                flight.by_id.setdefault(draft.event_id, []).append(draft)
            if not flight.by_id:
                return
            await self._hold(flight)
            wanted = {event_id: drafts[0].content for event_id, drafts in flight.by_id.items()}
            reserved = await self._store.reserve(
                wanted, self._holder, self._clock(), self._settings.hold
            )
        flight.choose(reserved, self._holder)
        if flight.sent:
            await self._resolver.keep_contacts(flight.sent)
            flight.deliveries = await self._events.append([records[d] for d in flight.sent])

    async def _records(self, drafts: Sequence[Draft]) -> dict[Draft, Record]:
        """Seal and encode what can be; the rest is refused."""
        keys = await self._keyring.for_sealing(keys_wanted(drafts))
        made: dict[Draft, Record] = {}
        for draft in drafts:
            try:
                made[draft] = record(draft, keys)
            except (ValueError, OverflowError, TypeError) as error:
                # Not its words: they may repeat what was sent.
                kind = type(error).__name__
                log.error("does not encode", event_type=draft.event_type.name, error=kind)
                fix = "Compare the values with GET /v1/event-types."
                draft.refuse(Status.INVALID, FieldError("", "can't be written down", fix))
        return made

    async def _hold(self, flight: Flight) -> None:
        """Have these ids alone in this process until the flight has landed."""
        while busy := {self._held[i] for i in flight.by_id if i in self._held}:
            await asyncio.wait(busy)
        flight.landed = asyncio.get_running_loop().create_future()
        self._held.update(dict.fromkeys(flight.by_id, flight.landed))

    def _release(self, flight: Flight) -> None:
        if flight.landed is not None:
            for event_id in flight.by_id:
                del self._held[event_id]
            flight.landed.set_result(None)

    async def _land(self, flight: Flight) -> None:
        """Wait for the acknowledgements, remember them, and answer the callers."""
        try:
            if flight.failure is None:
                await self._remember(flight)
        except asyncio.CancelledError:
            flight.failure = DependencyDown("the hub is stopping", retry_after_s=2)
            raise
        except Exception as error:  # noqa: BLE001 - told to every caller of the group
            flight.failure = error
        finally:
            self._release(flight)
            for submission in flight.submissions:
                submission.answer(flight.failure)

    async def _remember(self, flight: Flight) -> None:
        """Callers that gave up are not forgotten: this goes on until log and database answer, so
        that in this process no event is produced twice.
        """
        for delivery in flight.deliveries:
            try:
                flight.delivered(delivery, await self._events.positions(delivery))
            except (KafkaError, RetryableError) as error:
                log.warning("not delivered", topic=delivery.topic, error=repr(error))
        if done := flight.on_the_log():
            await _until_back(lambda: self._store.publish(done, self._holder))
        flight.settle()
        if registered := flight.registered():
            await _until_back(lambda: self._resolver.registered(registered, self._clock()))


async def _until_back(statement: Callable[[], Awaitable[None]]) -> None:
    """Run an idempotent statement, again and again while PostgreSQL is away."""
    while True:
        try:
            return await statement()
        except AWAY as error:
            log.warning("waiting for PostgreSQL", error=repr(error))
            await asyncio.sleep(_RETRY_S)
