"""What reads the log in the background ends, wherever a cancellation finds it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.errors import KafkaError

from services.common import tasks
from services.common.kafka import create_topics, open_consumer
from services.common.settings import Settings
from services.consent.identity.ends import ends_of
from services.launcher.kafka import LocalKafka


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
