"""Parked records read again: in order, once, up to the first that still cannot be read."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

import polars as pl
import pytest
from aiokafka import AIOKafkaProducer
from hypothesis import given
from hypothesis import settings as example_settings
from hypothesis import strategies as st

from schemas.catalog import EventType, event_types
from services.common.access import Role
from services.common.codec import encode, headers
from services.common.errors import DoesNotDecode, UnknownSchema
from services.common.kafka import Position, partition_for
from services.common.postgres import Pool
from services.common.settings import Settings
from services.projections import columns, intake
from services.projections.batch import make_batch
from services.projections.parking.replaying import MayNotDrop, NotParked, Replaying, open_replaying
from services.projections.projections import PROJECTIONS, RETRACTIONS
from services.projections.store import StalePosition, open_store
from services.projections.verify.verifying import verify
from tests.conftest import Hub
from tests.integration.test_projections import (
    Positions,
    ends,
    positions,  # noqa: F401 (a fixture)
    publish,
    running,
    session,
    worker_id,
)
from tests.integration.test_projections_verify import run, said
from tests.processes import until
from tests.projection_kit import Event, make, record

SERVICES = ("projections",)
ANA, BEN = worker_id(1), worker_id(2)


@pytest.fixture
async def replaying(settings: Settings) -> AsyncIterator[Replaying]:
    async with open_replaying(settings, "read", PROJECTIONS, RETRACTIONS) as opened:
        yield opened


class Decoder:
    """A decoder with a fault: it cannot read events whose enrolment or type is named here."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.faulty: set[str] = set()
        self.faulty_types: set[str] = set()
        self._true = columns.decode_columns
        monkeypatch.setattr(columns, "decode_columns", self._decode)

    def _decode(self, schema_id: int, datums: Sequence[bytes]) -> pl.DataFrame:
        if columns.writer_of(schema_id).name in self.faulty_types:
            raise DoesNotDecode("the decoder has a fault")
        frame = self._true(schema_id, datums)
        named = frame.get_column("enrolment_id") if "enrolment_id" in frame.columns else ()
        if not self.faulty.isdisjoint(named):
            raise DoesNotDecode("the decoder has a fault")
        return frame


@pytest.fixture
def decoder(monkeypatch: pytest.MonkeyPatch) -> Decoder:
    return Decoder(monkeypatch)


async def take(settings: Settings, positions: Positions) -> None:  # noqa: F811
    async with running(settings):
        await positions.reach(await ends(settings))


async def counters(pool: Pool) -> dict[str, int]:
    row = await pool.fetchrow(
        "SELECT sum(records)::int AS records, sum(taken)::int AS taken, sum(parked)::int AS parked,"
        " sum(repeats)::int AS repeats, sum(dropped)::int AS dropped, sum(erased)::int AS erased"
        " FROM read.stream_position"
    )
    return dict(row or {})


async def sessions(pool: Pool, worker: bytes) -> int:
    query = "SELECT coalesce(sum(sessions), 0)::int FROM read.training WHERE worker_id = $1"
    return int(await pool.fetchval(query, UUID(bytes=worker)))


async def test_after_a_fix_all_goes_on_in_order_and_counts_once(
    settings: Settings,
    pool: Pool,
    producer: AIOKafkaProducer,
    positions: Positions,  # noqa: F811
    decoder: Decoder,
    replaying: Replaying,
) -> None:
    decoder.faulty = {"e-7"}
    early, poison, late = session(1), session(1, 7), session(1)
    void = make(
        "RecordVoided",
        worker_id=ANA,
        event_id=secrets.token_bytes(16),
        voided_event_id=early[1]["event_id"],
        source=early[1]["source"],
    )
    await publish(settings, producer, [early, poison, late, early, late, void, session(2)])
    await take(settings, positions)
    assert (await sessions(pool, ANA), await sessions(pool, BEN)) == (1, 1)
    assert (await counters(pool))["parked"] == 5

    first = await replaying.replay(ANA, by="test")
    assert (first.taken, first.still) == (0, 5)
    assert first.why is not None
    assert "the decoder has a fault" in first.why

    decoder.faulty = set()
    tried = await replaying.replay(ANA, by="test", dry_run=True)
    assert (tried.taken, tried.left_out, tried.still) == (3, 2, 0)
    assert (await counters(pool))["parked"] == 5, "a dry run changes nothing"
    assert await sessions(pool, ANA) == 1

    done = await replaying.replay(ANA, by="test")

    assert done == tried
    assert await sessions(pool, ANA) == 2, "early is void"
    assert await counters(pool) == {
        "records": 7,
        "taken": 5,
        "parked": 0,
        "repeats": 2,
        "dropped": 0,
        "erased": 0,
    }
    assert said(await verify(settings, "read", PROJECTIONS)) == []
    told = await pool.fetch("SELECT asked_by, taken, still FROM projections_work.replay ORDER BY 1")
    assert [tuple(row) for row in told] == [("test", 0, 5), ("test", 3, 0)]
    with pytest.raises(NotParked):
        await replaying.replay(ANA, by="test")


async def test_who_can_never_be_read_keeps_nobody_else_waiting(
    settings: Settings,
    producer: AIOKafkaProducer,
    positions: Positions,  # noqa: F811
    decoder: Decoder,
    replaying: Replaying,
) -> None:
    """However few are replayed at a time: the next call goes on with those not tried yet."""
    decoder.faulty = {"e-7", "e-8"}
    for hopeless, enrolment in ((1, 7), (2, 7), (3, 8)):
        await publish(settings, producer, [session(hopeless, enrolment)])
        await take(settings, positions)
    decoder.faulty = {"e-7"}

    taken = 0
    for _ in range(3):
        async for one in replaying.everybody(by="test", most=1):
            taken += one.taken

    assert taken == 1


async def test_it_stops_again_at_the_next_that_cannot_be_read(
    settings: Settings,
    pool: Pool,
    producer: AIOKafkaProducer,
    positions: Positions,  # noqa: F811
    decoder: Decoder,
    replaying: Replaying,
) -> None:
    decoder.faulty = {"e-7", "e-8"}
    await publish(settings, producer, [session(1, n) for n in (7, 1, 8, 2)])
    await take(settings, positions)
    decoder.faulty = {"e-8"}

    done = [one async for one in replaying.everybody(by="test")]

    partition = partition_for(ANA, 4)
    assert [(one.taken, one.still, one.stopped_at) for one in done] == [
        (2, 2, f"stories:{partition}:2")
    ]
    rows = await pool.fetch("SELECT log_offset, reason FROM read.parked ORDER BY log_offset")
    assert [row["log_offset"] for row in rows] == [2, 3]
    assert "the decoder has a fault" in rows[0]["reason"]
    assert said(await verify(settings, "read", PROJECTIONS)) == []

    await publish(settings, producer, [session(1, 3)])
    await take(settings, positions)
    assert (await counters(pool))["parked"] == 3, "who comes later waits, too"


async def test_what_waits_for_nothing_is_taken_once_from_behind_what_cannot_be_read(
    settings: Settings,
    pool: Pool,
    producer: AIOKafkaProducer,
    positions: Positions,  # noqa: F811
    decoder: Decoder,
    replaying: Replaying,
) -> None:
    decoder.faulty, decoder.faulty_types = {"e-7"}, {"RecallAcknowledged"}
    answered = make("RecallAcknowledged", worker_id=ANA, event_id=secrets.token_bytes(16))
    await publish(settings, producer, [session(1, 7), answered, session(1)])
    await take(settings, positions)
    assert (await counters(pool))["parked"] == 3
    decoder.faulty_types = set()

    done = await replaying.replay(ANA, by="test")

    assert (done.taken, done.still) == (1, 2)
    assert done.stopped_at == f"stories:{partition_for(ANA, 4)}:0"
    assert (await counters(pool))["parked"] == 2
    assert said(await verify(settings, "read", PROJECTIONS)) == []


async def test_a_schema_that_is_unknown_stops_it_and_one_that_is_learned_does_not(
    settings: Settings,
    pool: Pool,
    producer: AIOKafkaProducer,
    positions: Positions,  # noqa: F811
    decoder: Decoder,
    replaying: Replaying,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    offers, known = event_types()["TrainingOffered"], intake.writer_of

    def not_yet(schema_id: int) -> EventType:
        if schema_id == offers.schema_id:
            raise UnknownSchema(f"schema id {schema_id} is not in the catalogue")
        return known(schema_id)

    decoder.faulty = {"e-7"}
    offered = make(
        "TrainingOffered", worker_id=ANA, event_id=secrets.token_bytes(16), enrolment_id="e-1"
    )
    await publish(settings, producer, [session(1, 7), session(1), offered, session(1)])
    await take(settings, positions)
    decoder.faulty = set()
    monkeypatch.setattr(intake, "writer_of", not_yet)

    done = await replaying.replay(ANA, by="test")

    assert (done.taken, done.still) == (2, 2)
    assert done.stopped_at == f"stories:{partition_for(ANA, 4)}:2"
    monkeypatch.setattr(intake, "writer_of", known)
    assert (await replaying.replay(ANA, by="test")).still == 0
    assert said(await verify(settings, "read", PROJECTIONS)) == []


async def test_a_batch_made_before_a_replay_is_made_again(
    settings: Settings,
    pool: Pool,
    producer: AIOKafkaProducer,
    positions: Positions,  # noqa: F811
    decoder: Decoder,
    replaying: Replaying,
) -> None:
    """A worker that holds records of a parked owner parks none of them after the replay."""
    decoder.faulty = {"e-7"}
    await publish(settings, producer, [session(1, 7)])
    await take(settings, positions)
    place = "stories", partition_for(ANA, 4)
    later = session(1)
    kind = event_types()[later[0]]
    record = Record(ANA, encode(kind, later[1]), 1, headers(kind, later[1]))
    async with open_store(settings, "read", PROJECTIONS, RETRACTIONS) as store:
        basis = await store.basis([place])
        made = {place: [record]}
        ahead = make_batch(made, basis.positions, basis.held, store.layouts, rules=RETRACTIONS)
        decoder.faulty = set()
        await replaying.replay(ANA, by="test")

        with pytest.raises(StalePosition):
            await store.apply(ahead)

        basis = await store.basis([place])
        again = make_batch(made, basis.positions, basis.held, store.layouts, rules=RETRACTIONS)
        await store.apply(again)
    assert await sessions(pool, ANA) == 2
    assert (await counters(pool))["parked"] == 0


async def test_a_replay_waits_for_the_batch_under_way_and_takes_what_it_parked(
    settings: Settings,
    pool: Pool,
    producer: AIOKafkaProducer,
    positions: Positions,  # noqa: F811
    decoder: Decoder,
    replaying: Replaying,
) -> None:
    decoder.faulty = {"e-7"}
    await publish(settings, producer, [session(1, 7)])
    await take(settings, positions)
    decoder.faulty = set()
    place = "stories", partition_for(ANA, 4)
    later = session(1)
    kind = event_types()[later[0]]
    record = Record(ANA, encode(kind, later[1]), 1, headers(kind, later[1]))
    async with open_store(settings, "read", PROJECTIONS, RETRACTIONS) as store:
        basis = await store.basis([place])
        made = {place: [record]}
        batch = make_batch(made, basis.positions, basis.held, store.layouts, rules=RETRACTIONS)
        async with store.connection.transaction():
            await store.apply(batch)
            replay = asyncio.create_task(replaying.replay(ANA, by="test"))
            waits = (
                "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'advisory'"
                " AND datname = current_database())"
            )
            await until(lambda: pool.fetchval(waits))
            assert not replay.done()

    done = await replay
    assert (done.taken, done.still) == (2, 0)
    assert await sessions(pool, ANA) == 2


class Record:
    def __init__(self, key: bytes, value: bytes, offset: int, told: Any) -> None:
        self.key, self.value, self.offset, self.headers = key, value, offset, told


async def test_replays_beside_running_workers_lose_and_double_nothing(
    settings: Settings,
    pool: Pool,
    producer: AIOKafkaProducer,
    positions: Positions,  # noqa: F811
    decoder: Decoder,
    replaying: Replaying,
) -> None:
    decoder.faulty = {"e-7"}
    sent: list[Event] = [session(n, 7) for n in range(10)]
    await publish(settings, producer, sent)
    async with running(settings):
        await positions.reach(await ends(settings))
        decoder.faulty = set()
        for _ in range(5):
            more = [session(n % 10, n % 3) for n in range(200)]
            sending = asyncio.create_task(publish(settings, producer, [*more, *sent[:50]]))
            async for _ in replaying.everybody(by="test"):
                pass
            await sending
            sent += more
        await positions.reach(await ends(settings))
    assert not [one async for one in replaying.everybody(by="test") if one.still]
    assert [await sessions(pool, worker_id(n)) for n in range(10)] == [101] * 10
    found = await counters(pool)
    assert (found["taken"], found["parked"]) == (len(sent), 0)
    assert said(await verify(settings, "read", PROJECTIONS)) == []


async def test_what_can_never_be_read_is_let_go_of_and_stays_listed(
    settings: Settings,
    environment: dict[str, str],
    pool: Pool,
    producer: AIOKafkaProducer,
    positions: Positions,  # noqa: F811
    replaying: Replaying,
) -> None:
    broken, later = session(1), session(1)
    kind = event_types()[broken[0]]
    cut = encode(kind, broken[1])[:-1]
    await producer.send_and_wait(settings.topic("stories"), cut, key=ANA)
    await publish(settings, producer, [later])
    await take(settings, positions)
    place = f"stories:{partition_for(ANA, 4)}"

    code, printed = await run(environment, "parked", "ls", "--json")
    listed = json.loads(printed)
    assert (code, listed["owners"], listed["records"]) == (0, 1, 2)
    assert listed["parked"][0]["worker_id"] == str(UUID(bytes=ANA))
    assert listed["parked"][0]["position"] == f"{place}:0"
    with pytest.raises(MayNotDrop):
        await replaying.drop(Position.parse(f"{place}:1"), reason="mine", by="test")
    code, _ = await run(environment, "parked", "replay", "--all", "--dry-run")
    assert code == 6

    code, printed = await run(environment, "parked", "drop", f"{place}:0", "--reason", "cut short")

    assert code == 0, printed
    assert (await counters(pool))["dropped"] == 1
    assert (await counters(pool))["taken"] == 1, "what waited behind it goes on"
    _, printed = await run(environment, "parked", "ls", "--dropped", "--json")
    assert [(one["position"], one["reason"]) for one in json.loads(printed)] == [
        (f"{place}:0", "cut short")
    ]
    code, _ = await run(environment, "verify")
    assert code == 0
    with pytest.raises(NotParked):
        await replaying.drop(Position.parse(f"{place}:0"), reason="again", by="test")


async def test_what_was_dropped_is_left_out_of_tables_made_again(
    settings: Settings,
    pool: Pool,
    producer: AIOKafkaProducer,
    positions: Positions,  # noqa: F811
    replaying: Replaying,
) -> None:
    cut = encode(event_types()["TrainingProgressed"], session(1)[1])[:-1]
    await producer.send_and_wait(settings.topic("stories"), cut, key=ANA)
    await publish(settings, producer, [session(1)])
    await take(settings, positions)
    place = Position("stories", partition_for(ANA, 4), 0)
    await replaying.drop(place, reason="cut short", by="test")
    before = await counters(pool)

    for table in ("story", "training", "stream_position", "left_out", "parked"):
        await pool.execute(f"TRUNCATE read.{table}")
    await take(settings, positions)

    assert await counters(pool) == before
    assert said(await verify(settings, "read", PROJECTIONS)) == []


async def test_a_good_record_of_nobody_stays_until_it_is_dropped(
    settings: Settings,
    pool: Pool,
    producer: AIOKafkaProducer,
    positions: Positions,  # noqa: F811
    replaying: Replaying,
) -> None:
    value = encode(event_types()["TrainingProgressed"], session(1)[1])
    sent = await producer.send_and_wait(settings.topic("stories"), value, key=None, partition=2)
    await take(settings, positions)

    done = [one async for one in replaying.everybody(by="test")]
    assert [(one.owner, one.taken, one.still) for one in done] == [(None, 0, 1)]
    place = Position("stories", 2, sent.offset)
    await replaying.drop(place, reason="a test of somebody's", by="test")
    assert await counters(pool) == {
        "records": 1,
        "taken": 0,
        "parked": 0,
        "repeats": 0,
        "dropped": 1,
        "erased": 0,
    }


@example_settings(max_examples=30, deadline=None)
@given(
    stories=st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=12),
)
def test_what_is_read_is_always_what_comes_before_the_first_that_cannot_be(
    stories: list[tuple[int, bool]],
) -> None:
    found, broken = [], set()
    for offset, (worker, is_broken) in enumerate(stories):
        one = record(session(worker), offset)
        if is_broken:
            broken.add(offset)
            one = type(one)(one.key, (one.value or b"")[:-1], offset, one.headers)
        found.append(one)
    taken = intake.take_in({("stories", 0): found}, frozenset())
    kept = {offset for events in taken.events for offset in events.log["log_offset"]}
    for offset, one in enumerate(found):
        earlier = {o for o in broken if o <= offset and found[o].key == one.key}
        assert (offset in kept) == (not earlier)


async def test_operators_see_who_is_parked_and_replay_over_http(
    hub: Hub,
    settings: Settings,
    pool: Pool,
    producer: AIOKafkaProducer,
    positions: Positions,  # noqa: F811
    decoder: Decoder,
) -> None:
    decoder.faulty = {"e-7"}
    await publish(settings, producer, [session(1, 7), session(1), session(2, 7)])
    await take(settings, positions)
    key = await hub.key(Role.OPERATOR, "hub")
    for role in (Role.EMPLOYER, Role.WORKER):
        other = await hub.key(role, str(UUID(bytes=ANA)))
        assert (await hub.http.get("/v1/parked", headers=other)).status_code == 403
        order = {"all": True}
        answer = await hub.http.post("/v1/parked/replay", json=order, headers=other)
        assert answer.status_code == 403
    assert (await hub.http.get("/v1/parked")).status_code == 401

    listed = (await hub.http.get("/v1/parked", headers=key)).json()

    assert (listed["owners"], listed["records"]) == (2, 3)
    waiting = {one["worker_id"]: one["waiting"] for one in listed["parked"]}
    assert waiting == {str(UUID(bytes=ANA)): 2, str(UUID(bytes=BEN)): 1}

    async def replay(**order: object) -> Any:
        return await hub.http.post("/v1/parked/replay", json=order, headers=key)

    for wrong in ({}, {"all": True, "worker_id": str(UUID(bytes=ANA))}, {"position": "x"}):
        assert (await replay(**wrong)).status_code == 422
    assert (await replay(worker_id=str(UUID(int=9)))).status_code == 404
    decoder.faulty = set()
    tried = (await replay(all=True, dry_run=True)).json()
    assert (tried["dry_run"], tried["taken"], tried["owners_left"]) == (True, 3, 2)
    assert (await counters(pool))["parked"] == 3

    one = (await replay(worker_id=str(UUID(bytes=ANA)))).json()
    assert (one["taken"], one["owners_left"]) == (2, 1)
    rest = (await replay(all=True)).json()
    assert (rest["taken"], rest["owners_left"]) == (1, 0)
    assert (await counters(pool))["taken"] == 3
    said_by = await pool.fetchval("SELECT DISTINCT asked_by FROM projections_work.replay")
    assert said_by.startswith("hub (key ")
