"""Nothing leaves without a live grant, and what may leave arrives: signed, once, in order."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaProducer

from services.common.settings import Settings
from tests.conftest import Hub
from tests.integration.delivery_kit import (
    Inbox,
    Parties,
    delivering,
    inbox,
    matched,
    projecting,
    verified,
)
from tests.processes import until

SERVICES = ("consent", "delivery")


@pytest.fixture
async def parties(hub: Hub, settings: Settings, producer: AIOKafkaProducer) -> Parties:
    return Parties(hub, settings, producer)


@pytest.fixture
async def acme() -> AsyncIterator[Inbox]:
    async with inbox() as made:
        yield made


async def test_a_consented_event_arrives_signed(
    parties: Parties, settings: Settings, acme: Inbox
) -> None:
    key = await parties.organization("acme")
    connection = await parties.connect(key, acme.url)
    ana, token = await parties.worker()
    async with projecting(settings), delivering(settings):
        await parties.grant(token, "acme")
        event_id, _ = await parties.progressed(ana, 1)
        await until(lambda: _count(acme, 1))
    message = acme.messages[0]
    body = verified(message, connection["secret"])
    assert message.id == body["id"] == parties.message(connection, event_id)
    assert body["subject"] == parties.subject(ana, "acme")
    assert body["type"] == "throughline.training.TrainingProgressed"
    assert body["data"]["course_id"] == "forklift"
    assert str(ana) not in message.raw.decode()


async def test_default_is_no(parties: Parties, settings: Settings, acme: Inbox) -> None:
    key = await parties.organization("acme")
    await parties.connect(key, acme.url)
    ana, _ = await parties.worker()
    async with projecting(settings), delivering(settings):
        _, position = await parties.progressed(ana, 1)
        await until(lambda: matched(parties.hub.pool, position))
        assert not await parties.hub.pool.fetchval("SELECT count(*) FROM delivery_work.outbox")
    assert not acme.messages


async def _count(box: Inbox, wanted: int) -> bool:
    return len(box.messages) >= wanted
