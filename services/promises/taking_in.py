"""From records to what changes: facts kept, promises looked at again, events to announce.

No I/O. One event after the other in log order, so that the log read again tells the same story.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from services.common.agent import Record
from services.common.codec import decode
from services.common.emit import Event
from services.common.errors import DoesNotDecode
from services.common.log import get_logger
from services.promises.announcing import Said, announce
from services.promises.facts import Fact, fact_of, is_own, is_read
from services.promises.moments import Moment, Time
from services.promises.standing import Promise, Standing, promises_in, standing

log = get_logger("promises")


@dataclass(frozen=True, slots=True)
class Told:
    """One fact and whose it is, with the partition that it came on."""

    partition: int
    worker_id: UUID
    fact: Fact


@dataclass(slots=True)
class Read:
    """A batch, decoded: facts in log order, and the events of our own that are on the log."""

    told: list[Told] = field(default_factory=list)
    own: list[tuple[UUID, UUID, int]] = field(default_factory=list)  # event, worker, partition


def read(records: Iterable[Record]) -> Read:
    """Decode what matters here.

    What does not decode is parked by `projections` with everything the worker does after it; here
    it is left out. Raises UnknownSchema: the event may matter, so the partition stops.
    """
    found = Read()
    for record in records:
        try:
            if not is_read(record.value):
                continue
            event = decode(record.value)
            if event.worker_id.bytes != record.key:
                raise DoesNotDecode(f"{event.name}: the record's key is not its worker")
        except DoesNotDecode as error:
            where = f"stories:{record.partition}:{record.offset}"
            log.error("unreadable record, left out", position=where, why=str(error))
            continue
        if is_own(event):
            found.own.append((event.event_id, event.worker_id, record.partition))
        else:
            found.told.append(Told(record.partition, event.worker_id, fact_of(event)))
    return found


@dataclass(frozen=True, slots=True)
class Followed:
    """What is kept of a promise beside its facts."""

    let_in: frozenset[datetime] = frozenset()
    wake_at: datetime | None = None
    said: Mapping[str, Said] = field(default_factory=dict)
    stands: Standing | None = None


@dataclass(frozen=True, slots=True)
class Changed:
    """A promise after a look at it."""

    worker_id: UUID
    partition: int
    promise: Promise
    followed: Followed


@dataclass(slots=True)
class Book:
    """The promises of some workers, with their facts, as a transaction sees them."""

    partitions: Mapping[UUID, int]
    facts: dict[UUID, list[Fact]]
    followed: dict[tuple[UUID, str], Followed]
    now: datetime
    changed: dict[tuple[UUID, str], Changed] = field(default_factory=dict)
    events: list[tuple[UUID, UUID, int, Event]] = field(default_factory=list)

    def add(self, worker_id: UUID, fact: Fact) -> None:
        """Take in one fact, and look at the worker's promises again."""
        self.facts.setdefault(worker_id, []).append(fact)
        for promise in promises_in(self.facts[worker_id]):
            followed = self.followed.get((worker_id, promise.promise_id), Followed())
            self._look(worker_id, promise, Time.of(followed.let_in), trigger=fact.moment)

    def let_time_in(self, worker_id: UUID, promise_id: str, until: datetime) -> None:
        """Look at one promise with all time before `until` passed."""
        let_in = self.followed.get((worker_id, promise_id), Followed()).let_in
        for promise in promises_in(self.facts.get(worker_id, ())):
            if promise.promise_id == promise_id:
                self._look(worker_id, promise, Time.of(let_in, until), trigger=None)

    def _look(
        self, worker_id: UUID, promise: Promise, time: Time, *, trigger: Moment | None
    ) -> None:
        key = worker_id, promise.promise_id
        before = self.followed.get(key)
        stands = standing(promise, self.facts[worker_id], time)
        said = before.said if before is not None else {}
        answer = announce(worker_id, promise, stands, said, trigger=trigger, now=self.now)
        after = Followed(frozenset(time.let_in), time.wake_at, answer.said, stands)
        if after == before:
            return
        partition = self.partitions[worker_id]
        self.followed[key] = after
        self.changed[key] = Changed(worker_id, partition, promise, after)
        self.events += [(event_id, worker_id, partition, e) for event_id, e in answer.events]


def open_book(
    told: Sequence[Told],
    facts: Mapping[UUID, Sequence[Fact]],
    followed: Mapping[tuple[UUID, str], Followed],
    now: datetime,
) -> Book:
    """Take in new facts of workers who have promises. `facts` are the ones known before."""
    known = defaultdict(list, {worker: list(before) for worker, before in facts.items()})
    partitions = {t.worker_id: t.partition for t in told}
    book = Book(partitions, known, dict(followed), now)
    for item in told:
        book.add(item.worker_id, item.fact)
    return book
