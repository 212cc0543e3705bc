"""What works in the background ends when it should, whatever it was doing and whoever went away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.errors import KafkaError
from asyncpg.transaction import Transaction

from services.common import postgres, tasks
from services.common.kafka import create_topics, open_consumer
from services.common.postgres import AWAY, Pool, open_pool
from services.common.settings import Settings
from services.consent.identity.ends import ends_of
from services.delivery.lane_store import LaneStore
from services.delivery.match_store import MatchStore
from services.delivery.settings import DeliverySettings
from services.ingest.scim.store import ScimStore
from services.launcher.kafka import LocalKafka
from services.promises.stream_store import StreamStore


async def test_a_cancellation_while_a_consumer_closes_is_not_lost(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    closing = asyncio.Event()
    close = Fetcher.close

    async def told(fetcher: Fetcher) -> None:
        closing.set()
        await close(fetcher)

    async def work() -> None:
        while True:
            await ends_of(settings, uuid4())

    monkeypatch.setattr(Fetcher, "close", told)
    async with asyncio.timeout(60), tasks.running(work(), "asking"):
        await closing.wait()


TRANSACTIONS: dict[str, Callable[[Pool], AbstractAsyncContextManager[Any]]] = {
    "lanes": lambda pool: LaneStore(pool, DeliverySettings()).transaction(),
    "match": lambda pool: MatchStore(pool).transaction(),
    "promises": lambda pool: StreamStore(pool).transaction(),
    "scim": lambda pool: ScimStore(pool, "acme").transaction(),
}


@pytest.mark.parametrize("name", TRANSACTIONS)
async def test_a_transaction_that_cannot_begin_keeps_no_connection(
    name: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = Transaction.start

    async def broken_first(transaction: Transaction) -> None:
        # As asyncpg does when the server is gone in the midst of an exchange (`_coreproto_error`):
        # then only who gives the connection back makes room in the pool.
        transaction._connection._protocol.abort()
        await begin(transaction)

    async with asyncio.timeout(60), open_pool(settings, most=1) as one:
        with monkeypatch.context() as patched:
            patched.setattr(Transaction, "start", broken_first)
            with pytest.raises((asyncpg.PostgresError, *AWAY)):
                async with TRANSACTIONS[name](one):
                    pytest.fail("it has begun")
        async with TRANSACTIONS[name](one):
            assert one.get_idle_size() == 0, "the only connection there is"


async def test_a_pool_does_not_wait_for_ever_for_a_connection_in_use(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "_CLOSE_S", 0.1)
    async with asyncio.timeout(60):
        async with open_pool(settings, most=2) as pool:
            held = await pool.acquire()
        with pytest.raises(asyncpg.InterfaceError):
            await held.execute("SELECT 1")


async def test_a_reader_that_ends_while_kafka_is_away_ends_with_what_went_wrong(
    settings: Settings, tmp_path: Path
) -> None:
    """Not as if it had been cancelled, for then who tries again would end, too."""
    kafka = LocalKafka(tmp_path / "kafka")
    await asyncio.to_thread(kafka.start)
    theirs = settings.model_copy(update={"kafka_bootstrap": kafka.bootstrap})
    await create_topics(theirs)

    async def read() -> None:
        async with open_consumer(theirs, theirs.topic("stories")) as consumer:
            await consumer.getmany(timeout_ms=200)
            await asyncio.to_thread(kafka.stop)
            await asyncio.sleep(1)  # until it tries to read again and again
            await consumer.topics()

    with pytest.raises(KafkaError):
        await read()
