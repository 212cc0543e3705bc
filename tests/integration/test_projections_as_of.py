"""One record at any moment, on a real PostgreSQL: the tables that were, or would have been, there."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import settings as example_settings
from hypothesis import strategies as st
from pydantic import SecretStr

from services.common.moments import NOW, AsOf
from services.common.settings import Settings
from services.projections.as_of import History, history, history_as_known, layouts, tables
from services.projections.batch import make_batch
from services.projections.events import Events
from services.projections.one_worker import WorkerViews, _sealed
from services.projections.projections import PROJECTIONS, RETRACTIONS, VIEWS
from services.projections.sql import schema_ddl
from services.projections.store import ReadModelStore, open_store
from tests.conftest import _with_database
from tests.integration.test_projections_store import _execute
from tests.life_kit import PEOPLE, lives, outcome, partition_of
from tests.projection_kit import NOON, Event, Tables, make, plain, record, reference, topic_of

LIVE, AGAIN = "read", "again"
STORY_TABLES = {layout.table for layout in layouts()}
KNOWN = st.integers(-1, 65).map(lambda minutes: NOON + timedelta(minutes=minutes))
HAPPENED = st.integers(-3, 1).map(lambda days: NOON + timedelta(days=days, minutes=2))

Rows = dict[str, Counter[tuple[Any, ...]]]


class Bench:
    """Two sets of tables that stay open over all examples."""

    def __init__(self, live: ReadModelStore, again: ReadModelStore) -> None:
        self.stores = {LIVE: live, AGAIN: again}

    async def fill(self, schema: str, data: Sequence[Event]) -> None:
        """Build the tables from nothing, of these events alone."""
        store = self.stores[schema]
        logs = ("story", "set_aside", "moved", "void", "erased", "left_out", "stream_position")
        emptied = [*logs, *STORY_TABLES]
        parts = [f"d{n} AS (DELETE FROM {schema}.{table})" for n, table in enumerate(emptied)]
        await store._connection.execute("WITH " + ", ".join(parts) + " SELECT")
        log: dict[tuple[str, int], list[Any]] = {}
        for event in data:
            place = topic_of(event), partition_of(event)
            log.setdefault(place, []).append(record(event, len(log.get(place, []))))
        if log:
            basis = await store.basis(list(log))
            await store.apply(make_batch(log, basis.positions, basis.held, store.layouts))

    async def rows(self, schema: str, person: bytes) -> Rows:
        """What the tables hold of one person, order columns included."""
        found = {}
        for layout in layouts():
            columns = ", ".join(layout.types)
            sql = f"SELECT {columns} FROM {schema}.{layout.table} WHERE worker_id = $1"
            rows = await self.stores[schema]._connection.fetch(sql, UUID(bytes=person))
            found[layout.table] = Counter(_hashable(map(plain, row)) for row in rows)
        return found

    async def history(self, person: bytes) -> History:
        return await history(self.stores[LIVE]._connection, UUID(bytes=person))


def folded(events: Events | None) -> Rows:
    made = tables(events)
    return {
        layout.table: Counter(
            _hashable(row) for row in made[layout.table].select(list(layout.types)).iter_rows()
        )
        if layout.table in made
        else Counter()
        for layout in layouts()
    }


def _hashable(row: Any) -> tuple[Any, ...]:
    return tuple(tuple(value) if isinstance(value, list) else value for value in row)


def as_reference(events: Events | None) -> dict[str, Any]:
    """The rows as the tests' reference has them, without order columns."""
    made = tables(events)
    found: dict[str, Any] = {layout.table: {} for layout in layouts()}
    for layout in layouts():
        if layout.table not in made:
            continue
        for row in made[layout.table].iter_rows(named=True):
            key = tuple(row[name] for name in layout.keys)
            found[layout.table][key] = {c.name: row[c.name] for c in layout.columns}
    return found


def known_by(data: Sequence[Event], person: bytes, at: datetime) -> list[Event]:
    """What was on the log of one person by then. A merge or split writes a story again under the
    instants that it had: under the new id these count as told with the move. What had left in a
    split before, and came back, had been there all the time."""
    mine = [event for event in data if event[1]["worker_id"] == person]
    arrived = {
        there["event_id"]
        for name, move in mine
        if name in ("WorkersMerged", "WorkersSplit") and move["recorded_at"] > at
        for _, there in data
        if move["into_worker_id"] == person != move["from_worker_id"] == there["worker_id"]
    }
    had_left = {
        told.get("voided_event_id", told.get("corrected_event_id"))
        for name, told in mine
        if name in ("RecordVoided", "RecordCorrected") and told["reason"] == "WRONG_PERSON"
    }
    absent = arrived - had_left
    return [e for e in mine if e[1]["recorded_at"] <= at and e[1]["event_id"] not in absent]


def once(data: Sequence[Event]) -> list[Event]:
    found = {(f["worker_id"], f["event_id"]): (name, f) for name, f in reversed(data)}
    return list(found.values())


def has_erased(data: Sequence[Event], person: bytes) -> bool:
    """Whether anything of this person is erased, or of one whose story, or part of it, came here:
    what is erased is told for no moment, nor what of it came from where."""
    whose = {person} | {
        move["from_worker_id"]
        for name, move in data
        if name in ("WorkersMerged", "WorkersSplit") and move["into_worker_id"] == person
    }
    return any(name == "ErasureKeysDestroyed" and f["worker_id"] in whose for name, f in data)


async def check(bench: Bench, data: list[Event], known_at: datetime, as_of: datetime) -> None:
    data = once(data)
    await bench.fill(LIVE, data)
    await bench.fill(AGAIN, [e for p in PEOPLE for e in known_by(data, p, known_at)])
    for person in PEOPLE:
        told = await bench.history(person)
        assert folded(told.at(NOW)) == await bench.rows(LIVE, person)
        assert as_reference(told.at(AsOf(as_of))) == happened(data, person, as_of)
        if has_erased(data, person):
            continue
        assert folded(told.at(AsOf(None, known_at))) == await bench.rows(AGAIN, person)
        both = as_reference(told.at(AsOf(as_of, known_at)))
        assert both == happened(known_by(data, person, known_at), person, as_of)


def happened(data: Sequence[Event], person: bytes, as_of: datetime) -> Tables:
    """The reference's rows of what counts of these events and had happened by a moment."""
    kept = [event for event in outcome(data).kept if event[1]["worker_id"] == person]
    made = reference([e for e in kept if e[1]["occurred_at"] <= as_of], PROJECTIONS)
    return {table: made[table] for table in STORY_TABLES}


@pytest.fixture(scope="module")
def own_settings(postgres_url: str) -> Iterator[Settings]:
    """A database for this module, with two sets of tables."""
    name = f"t_{secrets.token_hex(6)}"
    asyncio.run(_execute(postgres_url, f"CREATE DATABASE {name}"))
    url = _with_database(postgres_url, name)
    for schema in (LIVE, AGAIN):
        asyncio.run(_execute(url, schema_ddl(schema, PROJECTIONS)))
    yield Settings(database_url=SecretStr(url))
    asyncio.run(_execute(postgres_url, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as opened:
        yield opened


@pytest.fixture(scope="module")
def bench(own_settings: Settings, runner: asyncio.Runner) -> Iterator[Bench]:
    stack = AsyncExitStack()

    async def opened() -> Bench:
        stores = [
            await stack.enter_async_context(
                open_store(own_settings, schema, PROJECTIONS, RETRACTIONS)
            )
            for schema in (LIVE, AGAIN)
        ]
        return Bench(*stores)

    yield runner.run(opened())
    runner.run(stack.aclose())


def test_a_moment_is_what_a_read_model_of_that_moment_holds(
    bench: Bench, runner: asyncio.Runner
) -> None:
    @example_settings(max_examples=40)
    @given(data=lives(), known_at=KNOWN, as_of=HAPPENED)
    def run(data: list[Event], known_at: datetime, as_of: datetime) -> None:
        runner.run(check(bench, data, known_at, as_of))

    run()


def as_set(rows: Sequence[dict[str, Any]]) -> Counter[Any]:
    return Counter(repr(sorted(row.items())) for row in rows)


def test_views_of_a_folded_record_are_the_views_of_the_tables(
    bench: Bench, runner: asyncio.Runner
) -> None:
    async def compare(data: list[Event]) -> None:
        await bench.fill(LIVE, data)
        connection = bench.stores[LIVE]._connection
        views = WorkerViews(connection, NOON + timedelta(days=1))
        for person in (UUID(bytes=one) for one in PEOPLE):
            events = (await history(connection, person)).at()
            for view in VIEWS:
                if "worker_id" not in view.columns:
                    continue
                rows = as_set(await views.now(person, view))
                assert as_set(await views.over(events, view)) == rows, view.table
                sql = view.query(LIVE, "$2::timestamptz")
                whole = await connection.fetch(
                    f"SELECT * FROM ({sql}) v WHERE worker_id = $1 AND $2::timestamptz IS NOT NULL",
                    person,
                    views._at,
                )
                open_ones = [
                    {k: v for k, v in row.items() if k not in _sealed(view)} for row in whole
                ]
                assert as_set(open_ones) == rows, view.table

    @example_settings(max_examples=15)
    @given(data=lives())
    def run(data: list[Event]) -> None:
        runner.run(compare(data))

    run()


OLD, NEW = PEOPLE[:2]
MERGED = NOON + timedelta(hours=1)


def wage(person: bytes, event_id: bytes, minutes: int, **own: Any) -> Event:
    at = NOON + timedelta(minutes=minutes)
    about = {"worker_id": person, "event_id": event_id * 16, "occurred_at": at, "recorded_at": at}
    return make("WageChanged", **{**about, "employment_id": "j", "source": "acme", **own})


def merged(at: datetime = MERGED) -> list[Event]:
    """Two people who turn out to be one: the old story is written again under the new id."""
    own, moved = wage(NEW, b"a", 1), wage(OLD, b"b", 2)
    about = {"source": "throughline", "recorded_at": at, "occurred_at": at, "merge_id": b"m" * 16}
    said = [
        make("WorkersMerged", worker_id=p, event_id=b"m" * 16, from_worker_id=OLD,
             into_worker_id=NEW, **about)
        for p in (OLD, NEW)
    ]  # fmt: skip
    return [own, moved, (moved[0], {**moved[1], "worker_id": NEW}), *said]


async def ids(bench: Bench, person: bytes, known_at: datetime) -> tuple[bytes, set[bytes]]:
    connection = bench.stores[LIVE]._connection
    moment = AsOf(None, known_at)
    found = await history_as_known(connection, UUID(bytes=person), moment)
    events = found.at(moment)
    wages = events.by_type.get("WageChanged") if events is not None else None
    told = set() if wages is None else {one[:1] for one in wages.get_column("event_id")}
    return found.worker_id.bytes, told


def test_before_a_merge_was_known_both_ids_had_stories_of_their_own(
    bench: Bench, runner: asyncio.Runner
) -> None:
    async def run() -> None:
        await bench.fill(LIVE, merged())
        before = MERGED - timedelta(seconds=1)
        assert await ids(bench, OLD, before) == (OLD, {b"b"})
        assert await ids(bench, NEW, before) == (NEW, {b"a"})
        assert await ids(bench, OLD, MERGED) == (NEW, {b"a", b"b"})
        assert await ids(bench, NEW, MERGED) == (NEW, {b"a", b"b"})

    runner.run(run())


def test_what_was_voided_later_is_told_for_a_moment_before(
    bench: Bench, runner: asyncio.Runner
) -> None:
    async def run() -> None:
        at = NOON + timedelta(minutes=30)
        about = {"worker_id": NEW, "source": "acme", "recorded_at": at, "occurred_at": at}
        void = make("RecordVoided", event_id=b"v" * 16, voided_event_id=b"a" * 16, **about)
        await bench.fill(LIVE, [void, wage(NEW, b"a", 1), wage(NEW, b"c", 2)])
        assert await ids(bench, NEW, at) == (NEW, {b"c"})
        assert await ids(bench, NEW, at - timedelta(seconds=1)) == (NEW, {b"a", b"c"})

    runner.run(run())


def test_what_is_erased_is_told_for_no_moment(bench: Bench, runner: asyncio.Runner) -> None:
    async def run() -> None:
        at = NOON + timedelta(minutes=30)
        about = {"worker_id": NEW, "source": "throughline", "recorded_at": at, "occurred_at": at}
        gone = make("ErasureKeysDestroyed", event_id=b"e" * 16, categories=[], **about)
        await bench.fill(LIVE, [wage(NEW, b"a", 1), gone])
        for minutes in (1, 29, 31):
            known_at = NOON + timedelta(minutes=minutes)
            assert await ids(bench, NEW, known_at) == (NEW, set())

    runner.run(run())
