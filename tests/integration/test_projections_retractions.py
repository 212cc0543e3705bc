"""What leaves a story, rule by rule; `test_projections_lives.py` mixes all of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from schemas.catalog import event_types
from services.common.settings import Settings
from services.common.staying import ERASURE
from services.projections import settling
from services.projections.batch import Batch
from services.projections.declaration import STORIES
from services.projections.projections import RETRACTIONS
from services.projections.store import ReadModelStore, StalePosition, open_store
from tests.integration.test_projections_lives import (
    LIVE,
    Log,
    Process,
    clear,
    contents,
    own_settings,
)
from tests.integration.test_projections_store import DECLARED
from tests.life_kit import HUB, TOLD_OF_ERASURE
from tests.projection_kit import NOON, Event, FakeRecord, make, record, topic_of

__all__ = ["own_settings"]  # a fixture of the other module
ANA, BEN = bytes([2]) * 16, bytes([4]) * 16


def number(n: int) -> bytes:
    return n.to_bytes(16, "big")


def session(worker: bytes, n: int, **fields: Any) -> Event:
    fields = {"enrolment_id": "e", "source": "acme", **fields}
    return make("TrainingProgressed", worker_id=worker, event_id=number(n), **fields)


def erasure(worker: bytes, n: int, *categories: str, **fields: Any) -> Event:
    about = {"worker_id": worker, "event_id": number(n), "source": HUB, **fields}
    return make("ErasureKeysDestroyed", **about, categories=list(categories))


def of_ana(name: str, n: int, **fields: Any) -> Event:
    return make(name, **{"worker_id": ANA, "event_id": number(n), "source": "acme", **fields})


class World:
    """A log of one partition, and the process that reads it."""

    def __init__(self, store: ReadModelStore) -> None:
        self.store = store
        self.log: Log = {("stories", 0): [], ("deliveries", 0): []}
        self.process = Process(store, self.log)

    def publish(self, *events: Event) -> None:
        for event in events:
            batch = self.log[topic_of(event), 0]
            batch.append(record(event, len(batch)))

    def publish_broken(self, event: Event) -> None:
        batch = self.log[topic_of(event), 0]
        whole = record(event, len(batch))
        assert whole.value is not None
        batch.append(FakeRecord(whole.key, whole.value[:-3], whole.offset, whole.headers))

    async def read(self, *events: Event) -> None:
        """Publish events, and let the process read to the end."""
        self.publish(*events)
        await self.process.finish()

    async def told(self, table: str = "story", worker: bytes = ANA) -> list[int]:
        query = f"SELECT event_id FROM {LIVE}.{table} WHERE worker_id = $1 ORDER BY 1"
        rows = await self.store._connection.fetch(query, UUID(bytes=worker))
        return [row["event_id"].int for row in rows]

    async def sessions(self, worker: bytes = ANA) -> int | None:
        query = f"SELECT sessions FROM {LIVE}.training WHERE worker_id = $1"
        found: int | None = await self.store._connection.fetchval(query, UUID(bytes=worker))
        return found

    async def counters(self) -> dict[str, int]:
        row = await self.store._connection.fetchrow(
            f"SELECT records, taken, repeats, parked, erased FROM {LIVE}.stream_position"
            " WHERE topic = 'stories'"
        )
        assert row is not None
        return dict(row)


@pytest.fixture
async def world(own_settings: Settings) -> AsyncIterator[World]:
    async with open_store(own_settings, LIVE, DECLARED, RETRACTIONS) as store:
        await clear(store)
        yield World(store)


def test_every_type_that_takes_something_away_is_declared() -> None:
    assert RETRACTIONS.types == {
        *("RecordVoided", "RecordCorrected", "WorkersMerged", "ErasureKeysDestroyed")
    }
    assert RETRACTIONS.kept == ERASURE == TOLD_OF_ERASURE


# -- erased --------------------------------------------------------------------------------------


async def tables_with(world: World, worker: bytes) -> set[str]:
    """The tables that hold a row of this person."""
    columns = await world.store._connection.fetch(
        "SELECT table_name, column_name FROM information_schema.columns"
        " JOIN information_schema.tables USING (table_schema, table_name)"
        " WHERE table_schema = $1 AND table_type = 'BASE TABLE'"
        " AND column_name IN ('worker_id', 'owner')",
        LIVE,
    )
    found = set()
    for table, column in columns:
        value = UUID(bytes=worker) if column == "worker_id" else worker
        query = f"SELECT count(*) FROM {LIVE}.{table} WHERE {column} = $1"
        if await world.store._connection.fetchval(query, value):
            found.add(table)
    return found


async def test_an_erased_person_is_in_no_table_and_never_comes_back(world: World) -> None:
    rest = [kind.name for kind in event_types().values() if "worker_id" in kind.fields]
    life = [
        *(of_ana(name, n) for n, name in enumerate(rest, 100) if name not in TOLD_OF_ERASURE),
        session(ANA, 1),
        session(ANA, 2),
        of_ana("RecordVoided", 3, voided_event_id=number(2)),
        of_ana("WageChanged", 4, employment_id="j"),
        of_ana("DisclosureAttempted", 5, message_id="m"),
    ]
    await world.read(*life, life[0], session(BEN, 1))
    fed = {p.table for p in DECLARED if p.stream is STORIES} - shows_erasures()
    assert await tables_with(world, ANA) >= {*fed, "void", "set_aside", "left_out"}

    await world.read(of_ana("ErasureRequested", 6, source=HUB), erasure(ANA, 7))
    assert await tables_with(world, ANA) - shows_erasures() == {"story", "erased"}
    assert await world.told() == [6, 7]
    await world.read(*life, session(ANA, 8), of_ana("RecordVoided", 9, voided_event_id=number(8)))
    await world.read(of_ana("RecallAcknowledged", 10), session(ANA, 8))
    assert await world.told() == [6, 7, 10]
    assert await world.sessions() is None
    assert await world.sessions(BEN) == 1


def shows_erasures() -> set[str]:
    """The tables of the read model that tell of an erasure."""
    return {p.table for p in DECLARED if set(p.events) & ERASURE}


async def test_an_erasure_that_comes_first_is_known_when_the_events_come(world: World) -> None:
    await world.read(erasure(ANA, 1))
    await world.read(session(ANA, 2), session(BEN, 2))
    assert await world.told() == [1]
    assert await world.counters() == {
        "records": 3,
        "taken": 2,
        "repeats": 0,
        "parked": 0,
        "erased": 1,
    }


async def test_every_record_of_an_erased_person_counts_as_erased(world: World) -> None:
    await world.read(session(ANA, 1), session(ANA, 1), session(ANA, 2), session(BEN, 1))
    assert (await world.counters())["repeats"] == 1
    await world.read(erasure(ANA, 3), session(ANA, 2), session(ANA, 2))
    assert await world.counters() == {
        "records": 7,
        "taken": 2,
        "repeats": 0,
        "parked": 0,
        "erased": 5,
    }


async def test_an_erasure_waits_for_nothing_and_takes_what_waits(world: World) -> None:
    world.publish_broken(session(ANA, 1))
    await world.read(session(ANA, 2), session(BEN, 1))
    assert (await world.counters())["parked"] == 2

    await world.read(erasure(ANA, 3))
    assert await world.counters() == {
        "records": 4,
        "taken": 2,
        "repeats": 0,
        "parked": 0,
        "erased": 2,
    }
    world.publish_broken(session(ANA, 4))
    await world.read(session(ANA, 5), of_ana("ErasureCompleted", 6), session(BEN, 2))
    assert await tables_with(world, ANA) - shows_erasures() == {"story", "erased"}
    assert await world.told() == [3, 6]
    assert await world.sessions(BEN) == 2
    assert (await world.counters())["parked"] == 0


async def test_an_erasure_of_parts_leaves_the_rest_and_what_is_recorded_later(
    world: World,
) -> None:
    later = NOON + timedelta(days=1)
    await world.read(
        session(ANA, 1),
        of_ana("WageChanged", 2, employment_id="j"),
        of_ana("RecordVoided", 3, voided_event_id=number(5)),
        erasure(ANA, 4, "wage"),
        of_ana("WageChanged", 6, employment_id="j"),
        of_ana("WageChanged", 7, employment_id="j", recorded_at=later),
    )
    await world.read(session(ANA, 5))
    assert await world.told() == [1, 3, 4, 7]
    assert await world.told("set_aside") == [5]


# -- superseded ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("who", "left"), [("acme", [2]), ("someone-else", [1, 2]), (HUB, [2])])
async def test_an_event_supersedes_what_its_own_source_said(
    world: World, who: str, left: list[int]
) -> None:
    old, new = session(ANA, 1), session(ANA, 2, supersedes=number(1), source=who)
    await world.read(old, new)
    assert await world.told() == left
    await clear(world.store)
    again = World(world.store)
    await again.read(new)
    await again.read(old)
    assert await again.told() == left
    assert await again.sessions() == len(left)


async def test_of_corrections_of_corrections_the_newest_stands(world: World) -> None:
    chain = [session(ANA, n, supersedes=number(n - 1) if n > 1 else None) for n in (1, 2, 3)]
    await world.read(chain[1], chain[0])
    await world.read(chain[2])
    assert await world.told() == [3]
    assert await world.sessions() == 1


async def test_a_correction_that_turns_out_void_brings_back_what_it_replaced(
    world: World,
) -> None:
    later = NOON + timedelta(minutes=1)
    void = of_ana("RecordVoided", 3, voided_event_id=number(2), recorded_at=later)
    await world.read(session(ANA, 1), session(ANA, 2, supersedes=number(1)))
    await world.read(void)
    assert await world.told() == [1, 3]
    why = await world.store._connection.fetchval(f"SELECT why FROM {LIVE}.set_aside")
    assert why == "void"


async def test_any_number_of_people_are_settled_in_one_batch(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "_TOGETHER", 2)
    people = [bytes([n]) * 16 for n in range(2, 12, 2)]
    await world.read(*(session(person, 1) for person in people), session(ANA, 9))
    again = {"supersedes": number(1)}
    world.publish(*(session(person, 2, **again) for person in people), session(ANA, 10))
    batch = await prepared(world.process)
    await world.store.apply(batch)
    assert [await world.sessions(person) for person in people] == [3, 1, 1, 1, 1]
    assert (await world.counters())["taken"] == 12


# -- disputed ------------------------------------------------------------------------------------


DISPUTE = {"dispute_id": number(77), "disputed_event_id": number(1)}


async def job_in_dispute(world: World) -> bool | None:
    """What the view of standing says of Ana's job; None when she has none."""
    query = f"SELECT in_dispute FROM {LIVE}.current_job WHERE worker_id = $1"
    found: bool | None = await world.store._connection.fetchval(query, UUID(bytes=ANA))
    return found


@pytest.fixture
async def disputed(world: World) -> World:
    """A job that its person says is wrong; the word came before the job did."""
    await world.read(of_ana("RecordDisputed", 2, source=HUB, **DISPUTE))
    await world.read(of_ana("EmploymentStarted", 1, employment_id="j"))
    return world


async def test_what_is_in_dispute_stays_and_is_marked(disputed: World) -> None:
    assert await disputed.told() == [1, 2]
    assert await job_in_dispute(disputed) is True


@pytest.mark.parametrize(("who", "open_still"), [("acme", False), (HUB, False), ("other", True)])
async def test_who_wrote_it_answers_a_dispute(disputed: World, who: str, open_still: bool) -> None:
    await disputed.read(of_ana("DisputeAnswered", 3, source=who, answer="KEPT", **DISPUTE))
    assert await job_in_dispute(disputed) is open_still


async def test_a_dispute_that_is_upheld_takes_the_fact_out(disputed: World) -> None:
    void = {"voided_event_id": number(1), "dispute_id": number(77)}
    await disputed.read(of_ana("RecordVoided", 3, source=HUB, **void))
    assert await job_in_dispute(disputed) is None
    assert await disputed.told("set_aside") == [1]


# -- exactly once --------------------------------------------------------------------------------

LIFE = [
    session(ANA, 1),
    session(BEN, 1),
    of_ana("RecordVoided", 2, voided_event_id=number(1)),
    session(ANA, 3, supersedes=number(1)),
    session(ANA, 4),
]


async def prepared(process: Process) -> Batch:
    await process.align()
    batch = process.fetch(list(process.log), 100)
    assert batch is not None
    return batch


async def test_the_same_batch_twice_changes_nothing(world: World) -> None:
    world.publish(*LIFE)
    batch = await prepared(world.process)
    await world.store.apply(batch)
    once = await contents(world.store, LIVE)
    with pytest.raises(StalePosition):
        await world.store.apply(batch)
    assert await contents(world.store, LIVE) == once


@pytest.mark.parametrize("taken", [[LIFE[0]], LIFE, [*LIFE, erasure(ANA, 9)]])
async def test_a_zombie_that_wakes_with_what_it_had_prepared_changes_nothing(
    world: World, own_settings: Settings, taken: Sequence[Event]
) -> None:
    async with open_store(own_settings, LIVE, DECLARED, RETRACTIONS) as other:
        world.publish(*LIFE)
        zombie = Process(other, world.log)
        stale = await prepared(zombie)
        world.log[("stories", 0)].clear()
        await world.read(*taken)
        before = await contents(world.store, LIVE)
        with pytest.raises(StalePosition):
            await other.apply(stale)
        assert await contents(world.store, LIVE) == before


async def test_a_zombie_with_records_of_the_other_topic_changes_nothing(
    world: World, own_settings: Settings
) -> None:
    """Nobody has read on there; but it does not know who has been erased since."""
    async with open_store(own_settings, LIVE, DECLARED, RETRACTIONS) as other:
        world.publish(of_ana("DisclosureAttempted", 1, message_id="m"))
        stale = await prepared(Process(other, world.log))
        waiting, world.log[("deliveries", 0)] = world.log[("deliveries", 0)], []
        await world.read(erasure(ANA, 2))
        with pytest.raises(StalePosition):
            await other.apply(stale)
        world.log[("deliveries", 0)] = waiting
        await world.read()
        assert await world.told() == [2]


async def test_a_batch_in_which_nothing_leaves_asks_for_nothing(world: World) -> None:
    await world.read(*LIFE)
    asked: list[str] = []
    world.publish(*(session(BEN, n) for n in range(10, 20)))
    batch = await prepared(world.process)
    world.store._connection.add_query_logger(lambda query: asked.append(query.query))
    await world.store.apply(batch)
    slow = ("void", "moved", "erased", "set_aside")
    assert asked
    assert not [q for q in asked if any(f"{LIVE}.{name}" in q for name in slow)]
    assert await world.sessions(BEN) == 11
