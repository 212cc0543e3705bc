"""Receivers that fail, are slow, or have left: nobody else waits, and nothing is lost or reordered."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from datetime import timedelta
from typing import Any

from aiohttp import web

from services.common.settings import Settings
from tests.integration.delivery_kit import (
    QUICK,
    Inbox,
    Message,
    Parties,
    attempts,
    came,
    delivering,
    projecting,
    settled,
)
from tests.processes import until

SERVICES = ("consent", "delivery")


async def test_a_retry_has_the_same_id_and_number_and_waits_as_asked(
    parties: Parties, settings: Settings, acme: Inbox
) -> None:
    connection = await parties.connect(await parties.organization("acme"), acme.url)
    ana, token = await parties.worker()

    async def busy_once(_: Message) -> web.Response:
        if len(acme.messages) == 1:
            return web.Response(status=503, headers={"Retry-After": "1"})
        return web.Response(status=204)

    acme.answer = busy_once
    async with projecting(settings), delivering(settings):
        await parties.grant(token, "acme")
        event_id, _ = await parties.progressed(ana, 1)
        await until(lambda: _times(acme, 2))
        await until(lambda: settled(parties.hub.pool))
        [told] = await until(lambda: attempts(parties.hub.pool, "DELIVERED"))
    first, second = acme.messages
    assert first.id == second.id == parties.message(connection, event_id)
    assert first.body == second.body
    assert second.at - first.at >= 1.0
    assert told["attempts"] == 2


async def _times(box: Inbox, wanted: int) -> bool:
    return len(box.messages) >= wanted


async def test_order_holds_when_every_third_request_fails(
    parties: Parties, settings: Settings, acme: Inbox
) -> None:
    connection = await parties.connect(await parties.organization("acme"), acme.url)
    people = [await parties.worker() for _ in range(5)]
    rng = random.Random(3)
    taken: list[Message] = []

    async def moody(message: Message) -> web.Response:
        status = rng.choice([204, 204, 500])
        if status == 204:
            taken.append(message)
        return web.Response(status=status)

    acme.answer = moody
    async with projecting(settings), delivering(settings):
        for _, token in people:
            await parties.grant(token, "acme")
        sent: dict[Any, list[str]] = {}
        for step in range(12):
            for worker_id, _ in people:
                event_id, _ = await parties.progressed(worker_id, step)
                sent.setdefault(worker_id, []).append(parties.message(connection, event_id))
        await until(lambda: _all_taken(taken, 60))
    for worker_id, expected in sent.items():
        subject = parties.subject(worker_id, "acme")
        assert [m.id for m in taken if m.subject == subject] == expected


async def _all_taken(taken: list[Message], wanted: int) -> bool:
    return len({m.id for m in taken}) >= wanted


async def test_a_slow_receiver_and_a_slow_worker_delay_nobody_else(
    parties: Parties, settings: Settings, acme: Inbox, bravo: Inbox
) -> None:
    """Acme answers nothing at all; all of its room is taken; bravo gets everything meanwhile."""
    for name, box in (("acme", acme), ("bravo", bravo)):
        await parties.connect(await parties.organization(name), box.url)
    people = [await parties.worker() for _ in range(8)]
    answers = asyncio.Event()

    async def wait(_: Message) -> web.Response:
        await answers.wait()
        return web.Response(status=204)

    acme.answer = wait
    own = QUICK.model_copy(
        update={"lanes_per_connection": 4, "request_timeout": timedelta(seconds=30)}
    )
    async with projecting(settings), delivering(settings, own):
        for _, token in people:
            for recipient in ("acme", "bravo"):
                await parties.grant(token, recipient)
        for worker_id, _ in people:
            await parties.progressed(worker_id, 1)
        await until(lambda: came(bravo, 8))
        assert len(acme.messages) <= 4
        answers.set()
        await until(lambda: came(acme, 8))


async def test_a_receiver_that_left_is_switched_off_and_loses_nothing(
    parties: Parties, settings: Settings, acme: Inbox
) -> None:
    key = await parties.organization("acme")
    connection = await parties.connect(key, acme.url)
    path = f"/v1/connections/{connection['connection_id']}"
    ana, token = await parties.worker()

    async def gone(_: Message) -> web.Response:
        return web.Response(status=410)

    acme.answer = gone
    async with projecting(settings), delivering(settings):
        await parties.grant(token, "acme")
        await parties.progressed(ana, 1)
        await until(lambda: _state(parties, key, "PAUSED"))
        told = "SELECT state FROM read.connection WHERE connection_id = $1"
        await until(lambda: _is(parties, "PAUSED", told, connection["connection_id"]))
        acme.answer, before = None, len(acme.messages)
        await parties.hub.http.post(f"{path}/resume", headers=key)
        await until(lambda: _times(acme, before + 1))
        await until(lambda: settled(parties.hub.pool))
    assert before == 1


async def _state(parties: Parties, key: dict[str, str], wanted: str) -> bool:
    answer = await parties.hub.http.get("/v1/connections", headers=key)
    return bool(answer.json()["connections"][0]["state"] == wanted)


async def _is(parties: Parties, wanted: object, query: str, *args: object) -> bool:
    return bool(await parties.hub.pool.fetchval(query, *args) == wanted)


async def test_what_nobody_takes_is_parked_and_comes_in_order_when_resumed(
    parties: Parties, settings: Settings, acme: Inbox
) -> None:
    key = await parties.organization("acme")
    connection = await parties.connect(key, acme.url)
    path = f"/v1/connections/{connection['connection_id']}"
    ana, token = await parties.worker()

    async def broken(_: Message) -> web.Response:
        return web.Response(status=500)

    acme.answer = broken
    own = QUICK.model_copy(update={"give_up_after": timedelta(milliseconds=200)})
    async with projecting(settings), delivering(settings, own):
        await parties.grant(token, "acme")
        sent = [(await parties.progressed(ana, step))[0] for step in range(3)]
        [parked] = await until(lambda: attempts(parties.hub.pool, "PARKED"))
        assert parked["reason"] == "http_500"
        assert [parked["subject_event_id"]] == sent[:1]
        listed = (await parties.hub.http.get(f"{path}/deliveries", headers=key)).json()
        assert {d["state"] for d in listed["deliveries"]} == {"parked"}
        acme.answer = None
        acme.messages.clear()
        await parties.hub.http.post(f"{path}/resume", headers=key)
        await until(lambda: came(acme, 3))
    assert acme.ids() == [parties.message(connection, event_id) for event_id in sent]


async def test_a_message_that_is_refused_for_good_parks_its_own_lane_only(
    parties: Parties, settings: Settings, acme: Inbox
) -> None:
    await parties.connect(await parties.organization("acme"), acme.url)
    ana, ana_token = await parties.worker()
    ben, ben_token = await parties.worker()
    unwanted = parties.subject(ana, "acme")

    async def picky(message: Message) -> web.Response:
        return web.Response(status=422 if message.subject == unwanted else 204)

    acme.answer = picky
    async with projecting(settings), delivering(settings):
        for token in (ana_token, ben_token):
            await parties.grant(token, "acme")
        for step in range(3):
            await parties.progressed(ana, step)
            await parties.progressed(ben, step)
        await until(lambda: came(acme, 4))
        await until(lambda: attempts(parties.hub.pool, "PARKED"))
    assert Counter(m.subject for m in acme.messages) == {
        unwanted: 1,
        parties.subject(ben, "acme"): 3,
    }


async def test_a_receiver_inside_the_network_is_not_called(
    parties: Parties, settings: Settings, acme: Inbox
) -> None:
    await parties.connect(await parties.organization("acme"), acme.url)
    ana, token = await parties.worker()
    public_only = settings.model_copy(update={"allow_private_receivers": False})
    async with projecting(settings), delivering(public_only):
        await parties.grant(token, "acme")
        await parties.progressed(ana, 1)
        [refused, *_] = await until(lambda: attempts(parties.hub.pool, "FAILED"))
    assert refused["reason"] == "private_address"
    assert not acme.messages
