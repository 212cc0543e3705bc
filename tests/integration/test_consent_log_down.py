"""Kafka is away while a worker withdraws: sharing stops all the same, the event follows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.common.settings import Settings
from services.launcher.kafka import LocalKafka
from tests.conftest import Hub
from tests.integration.delivery_kit import Inbox, Parties, delivering, matched, projecting, settled
from tests.integration.test_consent import on_log
from tests.processes import until

SERVICES = ("consent", "delivery")


@pytest.fixture
def kafka(tmp_path: Path) -> Iterator[LocalKafka]:
    made = LocalKafka(tmp_path / "kafka")
    made.start()
    yield made
    made.stop()


@pytest.fixture
def kafka_bootstrap(kafka: LocalKafka) -> str:
    """A Kafka of this test's own, for it is going to be stopped."""
    return kafka.bootstrap


async def test_a_withdrawal_stands_without_the_log_and_reaches_it_later(
    parties: Parties, hub: Hub, settings: Settings, acme: Inbox, kafka: LocalKafka
) -> None:
    key = await parties.organization("acme")
    path = f"/v1/connections/{(await parties.connect(key, acme.url))['connection_id']}"
    ana, token = await parties.worker()
    async with projecting(settings), delivering(settings):
        await hub.http.post(f"{path}/pause", headers=key)
        grant = await parties.grant(token, "acme")
        _, position = await parties.progressed(ana, 1)
        await until(lambda: matched(hub.pool, position))
    kafka.stop()
    answer = await hub.http.delete(f"/v1/grants/{grant['grant_id']}", headers=token)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert await hub.pool.fetchval("SELECT count(*) FROM consent.revocation") == 1
    order = parties.order("acme", purposes=["hiring"])  # not what the connection is for
    refused = await hub.http.post("/v1/grants", json=order, headers=token)
    assert refused.status_code == 503
    assert "grant_id" in refused.json()["detail"]
    kafka.start()
    await until(lambda: _published(hub), within_s=60)
    assert await on_log(settings, "ConsentWithdrawn") >= 1
    async with projecting(settings), delivering(settings):
        await hub.http.post(f"{path}/resume", headers=key)
        await until(lambda: settled(hub.pool))
    assert not acme.messages
    assert (await parties.withdraw(token, grant))["state"] == "withdrawn"


async def _published(hub: Hub) -> bool:
    found = await hub.pool.fetchval("SELECT position FROM consent.revocation")
    return found is not None
