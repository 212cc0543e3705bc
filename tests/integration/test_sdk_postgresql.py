"""The outbox in PostgreSQL, with every driver, relayed to the real ingest and its log."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import asyncpg
import psycopg
import psycopg2
import pytest
import sqlalchemy
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from connectors.sdk import AsyncClient, Limits, NotInTransaction, Outbox, OutboxProblem, ddl
from connectors.sdk.relay import ONE_TRY, OutboxAway, Relay, RelaySettings, Store
from connectors.sdk.relay.postgresql import PostgresStore
from connectors.sdk.relay.store import Sent
from services.common.access import Role, issue_key
from services.common.codec import decode
from services.common.settings import Settings
from tests.conftest import Hub
from tests.ingest_kit import SOURCE, on_the_log
from tests.processes import until
from tests.sdk_kit import completed, django_on, plain

SERVICES = ("ingest",)
TABLE = "throughline_outbox"
OUTBOX = Outbox()


class Lms:
    """A system with an outbox in PostgreSQL, and what the hub's log has of it."""

    def __init__(self, url: str, hub: Hub, hub_settings: Settings, key: str) -> None:
        self.url = url
        self._hub = hub
        self._settings = hub_settings
        self._key = key

    @asynccontextmanager
    async def relay(self, **own: Any) -> AsyncIterator[Relay]:
        store = PostgresStore(self.url, TABLE)
        client = AsyncClient("http://hub.test", self._key, retry=ONE_TRY, http=self._hub.http)
        try:
            yield Relay(store, client, RelaySettings(**own))
        finally:
            await store.close()

    async def drain(self) -> Any:
        async with self.relay() as relay:
            return await relay.drain()

    async def told(self) -> list[str]:
        """Enrolments that the log says were completed, in its order."""
        events = [decode(record.value) for record in await on_the_log(self._settings)]
        return [e.fields["enrolment_id"] for e in events if e.name == "TrainingCompleted"]


@pytest.fixture
async def lms(database_url: str, hub: Hub, settings: Settings) -> Lms:
    """In the hub's database for the test's sake; nothing of the hub's is touched."""
    key = await issue_key(hub.pool, Role.PROVIDER, SOURCE)
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        await connection.execute(ddl("postgresql"))
        await connection.execute("CREATE TABLE grade (enrolment text)")
    return Lms(database_url, hub, settings, key)


def _psycopg(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO grade VALUES ('e-1')")
        OUTBOX.put(connection, completed("psycopg"))
        connection.commit()
        OUTBOX.put(connection.cursor(), completed("psycopg-rolled-back"))
        connection.rollback()
    with psycopg.connect(url, autocommit=True) as connection:
        with pytest.raises(NotInTransaction, match=r"connection\.transaction"):
            OUTBOX.put(connection, completed("psycopg-alone"))
        with connection.transaction():
            OUTBOX.put_all(connection, [completed("psycopg-block"), completed("psycopg-block-2")])
        with suppress(ZeroDivisionError), connection.transaction():
            OUTBOX.put(connection, completed("psycopg-failed"))
            raise ZeroDivisionError


def _sqlalchemy(url: str) -> None:
    engine = sqlalchemy.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with Session(engine) as session, session.begin():
        OUTBOX.put(session, completed("session"))
    with engine.connect() as connection:
        OUTBOX.put(connection, completed("connection"))
        connection.commit()
        OUTBOX.put(connection, completed("connection-rolled-back"))
    by_itself = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    with by_itself, pytest.raises(NotInTransaction, match="AUTOCOMMIT"):
        OUTBOX.put(by_itself, completed("connection-alone"))
    engine.dispose()


def _psycopg2(url: str) -> None:
    connection = psycopg2.connect(url)
    OUTBOX.put(connection, completed("psycopg2"))
    connection.commit()
    OUTBOX.put(connection.cursor(), completed("psycopg2-rolled-back"))
    connection.rollback()
    connection.autocommit = True
    with pytest.raises(NotInTransaction):
        OUTBOX.put(connection, completed("psycopg2-alone"))
    connection.close()


def _django(url: str) -> None:
    with django_on(url) as connection:
        from django.db import transaction

        with transaction.atomic(using="lms"):
            OUTBOX.put(connection, completed("django"))
        with suppress(ZeroDivisionError), transaction.atomic(using="lms"):
            OUTBOX.put(connection, completed("django-failed"))
            raise ZeroDivisionError
        with pytest.raises(NotInTransaction, match=r"transaction\.atomic"):
            OUTBOX.put(connection, completed("django-alone"))


async def _asynchronous(url: str) -> None:
    async with await psycopg.AsyncConnection.connect(url) as connection:
        await OUTBOX.put_async(connection, completed("psycopg-async"))
        await connection.commit()
        with pytest.raises(TypeError, match="put_async"):
            OUTBOX.put(connection, completed("psycopg-async-mistaken"))
    pool = asyncpg.create_pool(url, min_size=1, max_size=1)
    async with pool, pool.acquire() as pooled:
        with pytest.raises(NotInTransaction, match=r"connection\.transaction"):
            await OUTBOX.put_async(pooled, completed("asyncpg-alone"))
        async with pooled.transaction():
            await OUTBOX.put_async(pooled, completed("asyncpg"))
        with suppress(ZeroDivisionError):
            async with pooled.transaction():
                await OUTBOX.put_async(pooled, completed("asyncpg-failed"))
                raise ZeroDivisionError
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://"))
    async with AsyncSession(engine) as session, session.begin():
        await OUTBOX.put_async(session, completed("async-session"))
    await engine.dispose()


async def test_with_every_driver_the_log_has_what_committed_and_nothing_else(lms: Lms) -> None:
    await asyncio.to_thread(_psycopg, lms.url)
    await asyncio.to_thread(_psycopg2, lms.url)
    await asyncio.to_thread(_sqlalchemy, lms.url)
    await asyncio.to_thread(_django, lms.url)
    await _asynchronous(lms.url)

    assert await lms.drain() == {"accepted": 10}

    expected = [
        "psycopg2",
        "django",
        "psycopg",
        "psycopg-block",
        "psycopg-block-2",
        "session",
        "connection",
    ]
    expected += ["psycopg-async", "asyncpg", "async-session"]
    assert sorted(await lms.told()) == sorted(f"e-{name}" for name in expected)


async def test_a_smaller_number_that_commits_later_is_not_skipped(lms: Lms) -> None:
    slow = await psycopg.AsyncConnection.connect(lms.url)
    async with slow, await psycopg.AsyncConnection.connect(lms.url) as quick:
        await OUTBOX.put_async(slow, completed("slow"))
        await OUTBOX.put_async(quick, completed("quick"))
        await quick.commit()
        assert await lms.drain() == {"accepted": 1}
        assert await lms.told() == ["e-quick"]

        await slow.commit()
        assert await lms.drain() == {"accepted": 1}
    assert await lms.told() == ["e-quick", "e-slow"]


async def test_writers_and_relays_at_once_lose_double_and_reorder_nothing(lms: Lms) -> None:
    """Six writers, each with people of its own, commit out of order beside three relays."""
    wanted: dict[str, list[str]] = {}
    stop = asyncio.Event()

    async def write(writer: int) -> None:
        async with await psycopg.AsyncConnection.connect(lms.url) as connection:
            for number in range(25):
                name = f"{writer}-{number}"
                await OUTBOX.put_async(connection, completed(name, person=f"{writer}"))
                await asyncio.sleep(0.001 * (writer + number) % 0.004)
                if number % 5 == 4:
                    await connection.rollback()
                else:
                    await connection.commit()
                    wanted.setdefault(str(writer), []).append(f"e-{name}")

    async def relaying() -> None:
        async with lms.relay(limits=Limits(events=7), poll_s=0.5) as relay:
            await relay.run(stop)

    relays = [asyncio.create_task(relaying()) for _ in range(3)]
    await asyncio.gather(*(write(writer) for writer in range(6)))
    total = sum(map(len, wanted.values()))
    async with asyncio.timeout(60), lms.relay() as watching:
        await until(lambda: _has_sent(watching, total))
    stop.set()
    await asyncio.gather(*relays)

    told = await lms.told()
    assert len(told) == total == 120
    for writer, enrolments in wanted.items():
        assert [name for name in told if name.startswith(f"e-{writer}-")] == enrolments


async def _has_sent(relay: Relay, count: int) -> bool:
    standing = await relay._store.standing()
    assert standing.set_aside == 0, standing.examples
    return standing.sent == count


async def test_a_commit_wakes_the_relay(lms: Lms) -> None:
    stop = asyncio.Event()
    async with lms.relay(poll_s=600) as relay:
        running = asyncio.create_task(relay.run(stop))
        for number in range(3):
            async with await psycopg.AsyncConnection.connect(lms.url) as connection:
                await OUTBOX.put_async(connection, completed(number))
            async with lms.relay() as watching:
                await until(lambda n=number: _has_sent(watching, n + 1))
        stop.set()
        await running


async def test_a_relay_whose_connection_is_cut_in_its_turn_goes_on(lms: Lms) -> None:
    async with await psycopg.AsyncConnection.connect(lms.url, autocommit=True) as admin:
        async with admin.transaction():
            await OUTBOX.put_async(admin, completed(1))
        async with lms.relay() as relay:
            with pytest.raises(OutboxProblem, match="PostgreSQL does not answer"):
                await _cut_in_its_turn(relay._store, admin)
            assert await relay.drain() == {"accepted": 1}
    assert await lms.told() == ["e-1"]


async def _cut_in_its_turn(store: Store, admin: psycopg.AsyncConnection[Any]) -> None:
    async with store.turn(10) as turn:
        assert turn is not None
        assert [waiting.id for waiting in turn.waiting] == [1]
        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND state = 'idle in transaction'"
        )
        await turn.mark([Sent(1, "accepted", None)], [])


async def test_one_relay_at_a_time_has_the_turn(lms: Lms) -> None:
    async with lms.relay() as relay, lms.relay() as other:
        async with relay._store.turn(10) as turn:
            assert turn is not None
            assert not (await other.turn()).ours
        assert (await other.turn()).ours


async def test_what_the_hub_refuses_is_set_aside_with_its_words(lms: Lms) -> None:
    async with await psycopg.AsyncConnection.connect(lms.url) as connection:
        await OUTBOX.put_async(connection, completed(1))
        await OUTBOX.put_async(connection, {**plain(1), "result": "FAILED"})
        await OUTBOX.put_async(connection, completed(2, occurred_at="2999-01-01T00:00:00Z"))
        granted = {"type": "ConsentWithdrawn", "source_record_id": "p-1", "recipient_id": "acme"}
        granted |= {"grant_id": "0198a3d2-0000-7000-8000-000000000001", "channel": "API"}
        granted |= {"occurred_at": "2026-05-03T10:00:00Z"}
        await OUTBOX.put_async(connection, granted)
        await OUTBOX.put_async(connection, completed(3))
    assert await lms.drain() == {"accepted": 2, "set_aside": 3}
    async with lms.relay() as relay:
        store = relay._store
        standing = await store.standing()
        assert [a.problem.partition(":")[0] for a in standing.examples] == [
            "conflict",
            "invalid",
            "forbidden",
        ]
        assert "occurred_at lies more than 24 h ahead" in standing.examples[1].problem
        assert await store.retry() == 3
        assert await relay.drain() == {"set_aside": 3}
        assert await store.discard([a.id for a in standing.examples]) == 3
        assert await store.purge(timedelta(0)) == 2
    assert sorted(await lms.told()) == ["e-1", "e-3"]


async def test_a_turn_that_is_silent_for_too_long_is_ended_for_the_others(lms: Lms) -> None:
    async with lms.relay() as relay, lms.relay() as other:
        with pytest.raises(OutboxAway):
            await _silent_turn(relay._store, other)
        assert await relay.drain() == {}


async def _silent_turn(store: Store, other: Relay) -> None:
    assert isinstance(store, PostgresStore)
    await store.execute("SET idle_in_transaction_session_timeout = '300ms'")
    async with store.turn(10) as turn:
        assert turn is not None

        async def free() -> bool:
            return (await other.turn()).ours

        await until(free)
        await turn.mark([], [])


async def test_a_missing_table_is_named_and_made_in_a_schema_too(lms: Lms) -> None:
    async with await psycopg.AsyncConnection.connect(lms.url, autocommit=True) as admin:
        await admin.execute("CREATE SCHEMA app")
    store = PostgresStore(lms.url, "app.events")
    with pytest.raises(OutboxProblem, match=r"there is no table app\.events: run `init`"):
        await store.check()
    assert await store.init() == 0
    assert await store.init() == 1
    await store.check()
    async with await psycopg.AsyncConnection.connect(lms.url) as connection:
        await Outbox("app.events").put_async(connection, completed(1))
    assert (await store.backlog()).waiting == 1
    await store.close()


async def test_sender_and_relay_need_the_rights_that_the_documentation_names(lms: Lms) -> None:
    role = f"sdk_{secrets.token_hex(4)}"
    async with await psycopg.AsyncConnection.connect(lms.url, autocommit=True) as admin:
        await admin.execute(f"CREATE ROLE {role}")
        try:
            await _without_rights(lms, role)
            await admin.execute(f"GRANT INSERT ON {TABLE} TO {role}")
            async with await psycopg.AsyncConnection.connect(lms.url) as sender:
                await sender.execute(f"SET ROLE {role}")
                await OUTBOX.put_async(sender, completed(1))
            await admin.execute(f"REVOKE ALL ON {TABLE} FROM {role}")
            await admin.execute(f"GRANT SELECT, UPDATE, DELETE ON {TABLE} TO {role}")
            await admin.execute(f"GRANT SELECT ON {TABLE}_schema TO {role}")
            async with lms.relay() as relay:
                assert isinstance(relay._store, PostgresStore)
                await relay._store.execute(f"SET ROLE {role}")
                await relay._store.check()
                assert await relay.drain() == {"accepted": 1}
                assert await relay._store.purge(timedelta(0)) == 1
        finally:
            await admin.execute(f"DROP OWNED BY {role}")
            await admin.execute(f"DROP ROLE {role}")


async def _without_rights(lms: Lms, role: str) -> None:
    async with lms.relay() as relay:
        assert isinstance(relay._store, PostgresStore)
        await relay._store.execute(f"SET ROLE {role}")
        with pytest.raises(OutboxProblem, match="the relay's role needs SELECT, UPDATE"):
            await relay.turn()
