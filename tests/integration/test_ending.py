"""What reads the log in the background ends, wherever a cancellation finds it."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest
from aiokafka.consumer.fetcher import Fetcher

from services.common import tasks
from services.common.settings import Settings
from services.consent.identity.ends import ends_of


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
