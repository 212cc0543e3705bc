"""What leaves a story, rule by rule; `test_projections_lives.py` mixes all of it."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from schemas.catalog import event_types
from services.common.staying import ERASURE
from services.projections import settling, store
from services.projections.declaration import STORIES
from services.projections.projections import RETRACTIONS
from tests.integration.test_projections_store import DECLARED
from tests.life_kit import HUB, TOLD_OF_ERASURE
from tests.projection_kit import NOON
from tests.projection_world import (
    ANA,
    BEN,
    LIVE,
    Killed,
    World,
    clear,
    contents,
    erasure,
    number,
    of_ana,
    prepared,
    session,
    two_read_models,
    world,
)

__all__ = ["two_read_models", "world"]  # fixtures of the other module


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


async def test_repeats_of_what_is_erased_in_part_keep_no_name(world: World) -> None:
    wage = of_ana("WageChanged", 1, employment_id="j")
    await world.read(wage, wage, session(ANA, 2), session(ANA, 2))
    await world.read(erasure(ANA, 3, "wage"))
    counted = await world.counters()
    assert (counted["taken"], counted["repeats"], counted["erased"]) == (2, 1, 2)
    query = f"SELECT event_id FROM {LIVE}.left_out WHERE owner = $1"
    named = await world.store._connection.fetch(query, ANA)
    assert [row["event_id"].int for row in named] == [2]


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


@pytest.mark.parametrize("kept_bytes", [1, 1_000_000])
async def test_any_number_of_people_are_settled_in_one_batch(
    world: World, monkeypatch: pytest.MonkeyPatch, kept_bytes: int
) -> None:
    monkeypatch.setattr(settling, "_TOGETHER", 2)
    monkeypatch.setattr(store, "_KEPT_BYTES", kept_bytes)
    people = [bytes([n]) * 16 for n in range(2, 12, 2)]
    await world.read(*(session(person, 1) for person in people), session(ANA, 9))
    again = {"supersedes": number(1)}
    world.publish(*(session(person, 2, **again) for person in people), session(ANA, 10))
    batch = await prepared(world.process)
    await world.store.apply(batch)
    assert [await world.sessions(person) for person in people] == [3, 1, 1, 1, 1]
    assert (await world.counters())["taken"] == 12


@pytest.mark.parametrize("fails", ["the thread", "the rest of the batch"])
async def test_a_batch_that_fails_leaves_stories_as_they_were(
    world: World, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    """Its workers have been taken out of the tables by then, and are folded in a thread."""
    await world.read(session(ANA, 1), session(BEN, 1))
    before = await contents(world.store, LIVE)
    world.publish(session(ANA, 2, supersedes=number(1)), session(BEN, 2))
    batch = await prepared(world.process)

    def fail(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as broken:
        place = (settling, "_refold") if fails == "the thread" else (world.store, "_add_to_log")
        broken.setattr(*place, fail)
        with pytest.raises(Killed):
            await world.store.apply(batch)
    assert await contents(world.store, LIVE) == before

    await world.store.apply(batch)
    assert await world.told() == [2]
    assert (await world.sessions(ANA), await world.sessions(BEN)) == (1, 2)


async def test_why_an_event_does_not_count_may_change(world: World) -> None:
    query = f"SELECT why FROM {LIVE}.set_aside"
    await world.read(session(ANA, 1), session(ANA, 2, supersedes=number(1)))
    assert await world.store._connection.fetchval(query) == "superseded"
    await world.read(of_ana("RecordVoided", 3, voided_event_id=number(1)))
    assert await world.store._connection.fetchval(query) == "void"


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
