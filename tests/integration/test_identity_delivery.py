"""What receivers get of a record that is joined or parted: each event once, and nobody else's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from aiohttp import web
from aiokafka import AIOKafkaProducer

from services.common.settings import Settings
from services.common.vault import Vault
from tests.conftest import Hub
from tests.identity_kit import World, projecting
from tests.integration.delivery_kit import (
    QUICK,
    Inbox,
    Message,
    Parties,
    came,
    delivering,
    inbox,
    settled,
)
from tests.processes import until

SERVICES = ("ingest", "consent", "delivery")
COLLEGE, AGENCY = "river-college", "hill-agency"


@pytest.fixture
async def world(hub: Hub, settings: Settings, producer: AIOKafkaProducer) -> AsyncIterator[World]:
    async with projecting(settings):
        yield await World(hub, settings, producer).ready()


async def test_a_joined_record_is_shared_once_and_a_parted_one_no_more(
    world: World, settings: Settings, producer: AIOKafkaProducer
) -> None:
    parties = Parties(world.hub, settings, producer, await Vault.open(settings))
    async with inbox() as acme, delivering(settings, QUICK):
        connection = await parties.connect(await parties.organization("acme"), acme.url)
        ana, key = await world.newcomer(COLLEGE, "c-1")
        await parties.grant(key, "acme")
        first = await world.send(COLLEGE, "c-1")
        await until(lambda: came(acme, 1))
        bo = await world.register(AGENCY, "a-1")
        theirs = [await world.send(AGENCY, "a-1") for _ in range(3)]

        said = await world.claim(bo["claim_code"], key, confirm=True)
        await world.ended(said.json()["move_id"], key)
        await until(lambda: came(acme, 4))
        await world.all_read()
        await until(lambda: settled(world.hub.pool))
        wanted = [parties.message(connection, event) for event in (first, *theirs)]
        assert [message.id for message in acme.messages] == wanted
        assert {m.subject for m in acme.messages} == {parties.vault.pseudonym(ana, "acme")}

        await _parted_while_the_receiver_is_away(world, acme, key)
        assert len(acme.ids()) == 5


async def _parted_while_the_receiver_is_away(
    world: World, acme: Inbox, key: dict[str, str]
) -> None:
    """One more event waits for the receiver when the person says that it is not theirs."""
    away = True

    async def answer(message: Message) -> web.Response:
        return web.Response(status=503 if away else 204)

    acme.answer = answer
    waiting = await world.send(AGENCY, "a-1")
    await until(lambda: came(acme, 5))
    listed = (await world.hub.http.get("/v1/links", headers=key)).json()["links"]
    (link,) = [x["link_id"] for x in listed if x["organization_id"] == AGENCY]
    parted = await world.hub.http.delete(f"/v1/links/{link}", headers=key)
    await world.ended(parted.json()["move_id"], key)
    await until(lambda: _withheld(world, waiting))
    away = False
    await until(lambda: settled(world.hub.pool))


async def _withheld(world: World, event_id: UUID) -> bool:
    statement = "SELECT state, reason FROM delivery_work.outbox WHERE event_id = $1"
    row = await world.hub.pool.fetchrow(statement, event_id)
    return row is not None and (row["state"], row["reason"]) == ("refused", "voided")
