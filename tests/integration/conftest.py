"""Fixtures for the tests of consent and delivery."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaProducer

from services.common.settings import Settings
from services.common.vault import Vault
from tests.conftest import Hub
from tests.integration.delivery_kit import Inbox, Parties, inbox


@pytest.fixture
async def parties(hub: Hub, settings: Settings, producer: AIOKafkaProducer) -> Parties:
    return Parties(hub, settings, producer, await Vault.open(settings))


@pytest.fixture
async def acme() -> AsyncIterator[Inbox]:
    """Where the employer `acme` receives."""
    async with inbox() as made:
        yield made


@pytest.fixture
async def bravo() -> AsyncIterator[Inbox]:
    """Where the employer `bravo` receives."""
    async with inbox() as made:
        yield made
