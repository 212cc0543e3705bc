"""The relay on SQLite: whatever fails and whenever, each committed event is on the log once."""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.sdk import (
    AsyncClient,
    HubUnavailable,
    Limits,
    NotAuthorised,
    Outbox,
    RetryPolicy,
    key_from_file,
)
from connectors.sdk.ddl import ddl
from connectors.sdk.relay import ONE_TRY, OutboxAway, Relay, RelaySettings
from connectors.sdk.relay import sqlite as sqlite_store
from connectors.sdk.relay.__main__ import main
from connectors.sdk.relay.sqlite import SqliteStore
from connectors.sdk.relay.store import Aside, Sent, Turn
from tests.processes import until
from tests.sdk_kit import MemoryHub, completed, no_answer, plain, problem

TABLE = "throughline_outbox"
BUSY = RelaySettings(poll_s=0.05, retry=RetryPolicy(first_s=0.01, longest_s=0.02))


class Lms:
    """A system with an outbox in an SQLite file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with self.connect() as connection:
            connection.executescript(ddl("sqlite"))

    def connect(self) -> Any:
        return closing(sqlite3.connect(self.path))

    def put(self, *events: Any, commits: bool = True) -> None:
        with self.connect() as connection:
            for event in events:
                Outbox().put(connection, event)
            connection.commit() if commits else connection.rollback()

    def raw(self, text: str) -> None:
        """What somebody wrote into the table by hand."""
        with self.connect() as connection, connection:
            connection.execute(f"INSERT INTO {TABLE} (event) VALUES (?)", (text,))


@pytest.fixture
def lms(tmp_path: Path) -> Lms:
    return Lms(tmp_path / "lms.db")


@pytest.fixture
def hub() -> MemoryHub:
    return MemoryHub()


@asynccontextmanager
async def relaying(
    lms: Lms, hub: MemoryHub, own: RelaySettings | None = None, store: SqliteStore | None = None
) -> AsyncIterator[tuple[Relay, SqliteStore]]:
    store = store or SqliteStore(str(lms.path), TABLE)
    client = AsyncClient("http://hub.test", hub.key, retry=ONE_TRY, http=hub.async_client())
    try:
        yield Relay(store, client, own or BUSY), store
    finally:
        await store.close()


async def test_what_committed_is_sent_in_order_and_its_content_is_emptied(
    lms: Lms, hub: MemoryHub
) -> None:
    lms.put(completed(1), completed(2))
    lms.put(completed(3), commits=False)
    async with relaying(lms, hub) as (relay, store):
        assert await relay.drain() == {"accepted": 2}
        standing = await store.standing()
    assert hub.sent() == ["1", "2"]
    assert (standing.sent, standing.backlog.waiting) == (2, 0)
    with lms.connect() as connection:
        kept = connection.execute(f"SELECT event, outcome, position FROM {TABLE}").fetchall()
    assert kept == [(None, "accepted", "stories:0:0"), (None, "accepted", "stories:0:1")]


async def test_a_lost_answer_is_a_duplicate_the_next_time(lms: Lms, hub: MemoryHub) -> None:
    lms.put(completed(1, source_event_id=None))
    hub.lost_answers = 1
    async with relaying(lms, hub) as (relay, _):
        with pytest.raises(HubUnavailable):
            await relay.turn()
        assert await relay.drain() == {"duplicate": 1}
    assert len(hub.log) == 1


async def test_refused_events_are_set_aside_and_the_others_go_on(
    lms: Lms, hub: MemoryHub, caplog: pytest.LogCaptureFixture
) -> None:
    lms.put(completed(1))
    lms.raw(json.dumps({**plain(2), "course_id": "!"}))
    lms.raw("{not json")
    lms.raw('[1, "},{"]')
    lms.raw(json.dumps({"type": "TrainingCompleted"}))
    lms.raw(json.dumps({**plain(1), "result": "FAILED"}))
    lms.put(completed(3))
    async with relaying(lms, hub) as (relay, store):
        assert await relay.drain() == {"accepted": 2, "set_aside": 5}
        standing = await store.standing()
        assert hub.sent() == ["1", "3"]
        problems = {aside.id: aside.problem for aside in standing.examples}
        assert problems[2] == "invalid: course_id does not match. Write a code."
        assert problems[3].startswith("is not JSON")
        assert problems[4] == "is not a JSON object"
        assert problems[5].startswith("has no event_id or source_event_id")
        assert problems[6].startswith("conflict: event_id")
        assert "set aside id=2: invalid" in caplog.text

        with lms.connect() as connection, connection:
            mended = json.dumps(plain(2))
            connection.execute(f"UPDATE {TABLE} SET event = ? WHERE id = 2", (mended,))
        assert await store.retry([2, 1]) == 1  # what was sent is not sent again
        assert await store.discard([3, 4, 5, 1]) == 3
        assert await relay.drain() == {"accepted": 1}
        assert await store.retry() == 1
        assert await relay.drain() == {"set_aside": 1}
    assert hub.sent() == ["1", "3", "2"]


async def test_a_row_that_is_nested_too_deeply_is_set_aside(lms: Lms, hub: MemoryHub) -> None:
    lms.raw("[" * 100_000)
    lms.put(completed(1))
    async with relaying(lms, hub) as (relay, _):
        assert await relay.drain() == {"accepted": 1, "set_aside": 1}


async def test_a_running_relay_waits_out_the_hub_and_a_wrong_key(
    lms: Lms, hub: MemoryHub, caplog: pytest.LogCaptureFixture
) -> None:
    hub.faults = [no_answer, lambda _: problem(503, "away"), lambda _: problem(401, "a bad key")]
    lms.put(completed(1))
    stop = asyncio.Event()
    async with relaying(lms, hub) as (relay, _):
        running = asyncio.create_task(relay.run(stop))
        await until(_sent(hub, 1))
        lms.put(completed(2))
        await until(_sent(hub, 2))
        stop.set()
        await running
    assert "failed 3 times" in caplog.text
    assert [r.levelno for r in caplog.records if "NotAuthorised" in r.message] == [logging.ERROR]


def _sent(hub: MemoryHub, count: int) -> Any:
    async def enough() -> bool:
        return len(hub.log) == count

    return enough


async def test_a_missing_table_ends_a_running_relay(lms: Lms, hub: MemoryHub) -> None:
    from connectors.sdk import OutboxProblem

    store = SqliteStore(str(lms.path), "elsewhere")
    async with relaying(lms, hub, store=store) as (relay, _):
        with pytest.raises(OutboxProblem, match="run `init`"):
            await relay.run(asyncio.Event())


async def test_a_database_that_is_away_at_the_start_is_waited_for(lms: Lms, hub: MemoryHub) -> None:
    class Late(SqliteStore):
        away = 3

        async def version(self) -> int:
            self.away -= 1
            if self.away >= 0:
                raise OutboxAway("starting up")
            return await super().version()

    lms.put(completed(1))
    stop = asyncio.Event()
    async with relaying(lms, hub, store=Late(str(lms.path), TABLE)) as (relay, _):
        running = asyncio.create_task(relay.run(stop))
        await until(_sent(hub, 1))
        stop.set()
        await running


async def test_a_key_file_that_is_being_replaced_is_waited_for(
    lms: Lms, hub: MemoryHub, tmp_path: Path
) -> None:
    file = tmp_path / "key"
    client = AsyncClient(
        "http://hub.test", key_from_file(file), retry=ONE_TRY, http=hub.async_client()
    )
    store = SqliteStore(str(lms.path), TABLE)
    lms.put(completed(1))
    with pytest.raises(NotAuthorised, match="the key can't be read"):
        await Relay(store, client).turn()
    file.write_text(hub.key)
    assert await Relay(store, client).drain() == {"accepted": 1}
    await store.close()


async def test_a_locked_file_is_waited_for_and_nothing_is_doubled(
    lms: Lms, hub: MemoryHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_store, "_BUSY_S", 0.01)
    lms.put(completed(1))
    async with relaying(lms, hub) as (relay, _):
        with lms.connect() as writer:
            writer.execute("BEGIN IMMEDIATE")
            with pytest.raises(OutboxAway, match="locked"):
                await relay.turn()  # sent, but it could not be marked
        assert await relay.drain() == {"duplicate": 1}
    assert hub.sent() == ["1"]


async def test_the_senders_writes_do_not_wait_for_the_hub(lms: Lms, hub: MemoryHub) -> None:
    lms.put(completed(1))
    async with relaying(lms, hub) as (_, store), store.turn(10) as turn:
        assert turn is not None
        assert len(turn.waiting) == 1
        lms.put(completed(2))  # fails at once were the file locked
        async with relaying(lms, hub) as (other, _):
            assert not (await other.turn()).ours
    async with relaying(lms, hub) as (other, _):
        assert await other.drain() == {"accepted": 2}


async def test_a_turn_takes_what_fits_one_call(lms: Lms, hub: MemoryHub) -> None:
    lms.put(*(completed(n) for n in range(20)))
    async with relaying(lms, hub, RelaySettings(Limits(events=8, body_bytes=1_000))) as (relay, _):
        await relay.drain()
    assert hub.sent() == [str(n) for n in range(20)]
    assert all(len(json.dumps(call, separators=(",", ":"))) <= 1_100 for call in hub.calls)


async def test_a_hub_too_slow_for_a_whole_batch_gets_smaller_ones(lms: Lms, hub: MemoryHub) -> None:
    def slow(request: httpx.Request) -> httpx.Response | None:
        hub.faults.append(slow)
        if len(json.loads(request.content)["events"]) > 4:
            raise httpx.ReadTimeout("no answer in time", request=request)
        return None

    hub.faults = [slow]
    lms.put(*(completed(n) for n in range(20)))
    stop = asyncio.Event()
    settings = replace(BUSY, limits=Limits(events=16))
    async with relaying(lms, hub, settings) as (relay, _):
        running = asyncio.create_task(relay.run(stop))
        await until(_sent(hub, 20))
        stop.set()
        await running
    assert hub.sent() == [str(n) for n in range(20)]


async def test_only_what_was_sent_long_ago_is_purged(lms: Lms, hub: MemoryHub) -> None:
    lms.put(completed(1), completed(2))
    lms.raw("bad")
    async with relaying(lms, hub) as (relay, store):
        await relay.drain()
        lms.put(completed(3))
        assert await store.purge(timedelta(days=1)) == 0
        assert await store.purge(timedelta(seconds=-1)) == 2
        standing = await store.standing()
    assert (standing.sent, standing.set_aside, standing.backlog.waiting) == (0, 1, 1)


# --- the law ---


class Killed(BaseException):
    """The process ends here."""


class Mortal(SqliteStore):
    """A store whose process ends at a step: claimed, marked, committed."""

    def __init__(self, path: str, ends_at: str | None) -> None:
        super().__init__(path, TABLE)
        self._ends_at = ends_at

    def reach(self, step: str) -> None:
        if step == self._ends_at:
            raise Killed

    @asynccontextmanager
    async def turn(self, most: int) -> AsyncIterator[Turn | None]:
        async with super().turn(most) as turn:
            assert turn is not None
            self.reach("claimed")
            yield MortalTurn(self, turn)
        self.reach("committed")


class MortalTurn:
    def __init__(self, store: Mortal, turn: Turn) -> None:
        self._store = store
        self._turn = turn
        self.waiting = turn.waiting

    async def mark(self, sent: Sequence[Sent], aside: Sequence[Aside]) -> None:
        self._store.reach("sent")
        await self._turn.mark(sent, aside)
        self._store.reach("marked")


PEOPLE = st.sampled_from("ABC")
PUTS = st.tuples(
    st.just("put"), st.lists(PEOPLE, min_size=1, max_size=4), st.sampled_from(["", "!", "rollback"])
)
TURNS = st.tuples(
    st.just("turn"),
    st.integers(1, 3),
    st.sampled_from(["", "claimed", "sent", "marked", "committed", "lost", "down", "wrong key"]),
)
PURGES = st.tuples(st.just("purge"), st.just(0), st.just(""))


@settings(max_examples=80, deadline=None)
@given(st.lists(PUTS | TURNS | PURGES, max_size=14))
def test_each_committed_event_is_on_the_log_once_and_in_order(steps: list[Any]) -> None:
    with TemporaryDirectory() as folder:
        asyncio.run(_live(Lms(Path(folder) / "lms.db"), steps))


async def _live(lms: Lms, steps: list[Any]) -> None:
    hub = MemoryHub()
    wanted: list[tuple[str, str]] = []
    refused = 0
    numbers = iter(range(1_000))
    for what, first, how in steps:
        if what == "put":
            events = [(str(next(numbers)), person) for person in first]
            course = "!" if how == "!" else "forklift"
            made = [plain(number, person) | {"course_id": course} for number, person in events]
            with lms.connect() as connection:
                sql = f"INSERT INTO {TABLE} (event) VALUES (?)"
                connection.executemany(sql, [(json.dumps(event),) for event in made])
                connection.rollback() if how == "rollback" else connection.commit()
            wanted += events if how == "" else []
            refused += len(events) if how == "!" else 0
        elif what == "turn":
            await _one_turn(lms, hub, first, how)
        else:
            async with relaying(lms, hub) as (_, store):
                await store.purge(timedelta(0))
    async with relaying(lms, hub) as (relay, store):
        await relay.drain()
        standing = await store.standing()
    assert hub.sent() == [number for number, _ in wanted]
    assert (standing.set_aside, standing.backlog.waiting) == (refused, 0)


async def _one_turn(lms: Lms, hub: MemoryHub, most: int, how: str) -> None:
    faults = {"down": no_answer, "wrong key": lambda _: problem(401, "no")}
    hub.faults = [faults[how]] if how in faults else []
    hub.lost_answers = 1 if how == "lost" else 0
    own = RelaySettings(limits=Limits(events=most))
    try:
        async with relaying(lms, hub, own, Mortal(str(lms.path), how)) as (relay, _):
            await relay.turn()
    except (Killed, HubUnavailable, NotAuthorised):
        pass
    hub.faults, hub.lost_answers = [], 0


# --- the command ---


@pytest.fixture
def quiet_logging() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before


@pytest.mark.usefixtures("quiet_logging")
def test_the_command_looks_after_an_outbox(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "app.db"

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(["--database", str(path), *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    for name in ("THROUGHLINE_URL", "THROUGHLINE_KEY", "THROUGHLINE_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    assert run("init")[1] == "throughline_outbox: version 1, was not there\n"
    assert "name the hub: --url" in run("run", "--once")[2]
    code, _, said = run("--once", "--url", "http://127.0.0.1:9", "--key-file", "nowhere")
    assert (code, "No such file" in said) == (1, True)

    lms = Lms.__new__(Lms)
    lms.path = path
    lms.put(completed(1))
    lms.raw("bad")
    monkeypatch.setenv("THROUGHLINE_KEY", "tl_1_good")
    code, _, said = run("--once", "--url", "http://127.0.0.1:9")
    assert (code, "the hub does not answer: ConnectError" in said) == (1, True)

    assert "waiting    2, the oldest since " in run("status")[1]
    assert json.loads(run("status", "--json")[1])["backlog"]["waiting"] == 2
    assert "name the events to delete" in run("discard")[2]
    assert run("retry")[1] == "0 wait again\n"
    assert run("purge", "--keep", "0s")[1] == "0 deleted\n"
    assert run("ddl", "--dialect", "sqlite")[1] == ddl("sqlite")
    with pytest.raises(SystemExit):
        run("--keep", "soon")
