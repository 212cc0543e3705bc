"""A new grant, or a new connection, gets the story so far and then the tail: no gap, no double."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import pytest

from services.common.clock import utc_now
from services.common.emit import publish
from services.common.kafka import Position
from services.common.postgres import Pool
from services.common.settings import Settings
from services.consent.identity.handlers import void
from services.delivery.snapshots import Snapshots
from tests.integration.delivery_kit import (
    Inbox,
    Parties,
    came,
    delivering,
    matched,
    projecting,
    settled,
)
from tests.processes import until

SERVICES = ("consent", "delivery")


async def test_a_grant_in_the_middle_gets_all_of_it_in_order(
    parties: Parties, settings: Settings, acme: Inbox
) -> None:
    connection = await parties.connect(await parties.organization("acme"), acme.url)
    ana, token = await parties.worker()
    async with projecting(settings), delivering(settings):
        sent = [(await parties.progressed(ana, step))[0] for step in range(40)]
        granting = asyncio.create_task(parties.grant(token, "acme"))
        sent += [(await parties.progressed(ana, step))[0] for step in range(40, 120)]
        await granting
        sent += [(await parties.progressed(ana, step))[0] for step in range(120, 140)]
        await until(lambda: came(acme, 140))
        await until(lambda: settled(parties.hub.pool))
    assert [m.id for m in acme.messages] == [parties.message(connection, e) for e in sent]


async def test_a_new_connection_gets_what_earlier_grants_cover(
    parties: Parties, settings: Settings, acme: Inbox
) -> None:
    key = await parties.organization("acme")
    people = [await parties.worker() for _ in range(3)]
    outsider, _ = await parties.worker()
    sent: dict[UUID, list[UUID]] = {worker_id: [] for worker_id, _ in people}
    async with projecting(settings), delivering(settings):
        for _, token in people:
            await parties.grant(token, "acme")

        async def report(steps: range) -> None:
            for step in steps:
                for worker_id in sent:
                    sent[worker_id].append((await parties.progressed(worker_id, step))[0])
                await parties.progressed(outsider, step)

        await report(range(10))
        reporting = asyncio.create_task(report(range(10, 60)))
        connection = await parties.connect(key, acme.url)
        await reporting
        await until(lambda: came(acme, 180))
        await until(lambda: settled(parties.hub.pool))
    for worker_id, events in sent.items():
        mine = [m.id for m in acme.messages if m.subject == parties.subject(worker_id, "acme")]
        assert mine == [parties.message(connection, event_id) for event_id in events]
    assert len(acme.messages) == 180


async def test_agreeing_again_sends_what_was_missed_and_nothing_twice(
    parties: Parties, settings: Settings, acme: Inbox
) -> None:
    connection = await parties.connect(await parties.organization("acme"), acme.url)
    ana, token = await parties.worker()
    pool = parties.hub.pool
    async with projecting(settings), delivering(settings):
        first = await parties.grant(token, "acme")
        sent = [(await parties.progressed(ana, 0))[0]]
        await until(lambda: came(acme, 1))
        await parties.withdraw(token, first)
        event_id, position = await parties.progressed(ana, 1)
        sent.append(event_id)
        await until(lambda: matched(pool, position))
        await until(lambda: settled(pool))
        assert len(acme.messages) == 1
        assert await pool.fetchval("SELECT count(*) FROM delivery_work.outbox") == 1
        await parties.grant(token, "acme")
        sent.append((await parties.progressed(ana, 2))[0])
        await until(lambda: came(acme, 3))
        await until(lambda: settled(pool))
    assert [m.id for m in acme.messages] == [parties.message(connection, e) for e in sent]


async def test_a_lane_waits_for_its_story_and_others_do_not(
    parties: Parties, settings: Settings, acme: Inbox
) -> None:
    """While the read model stands still, who has no past to send is served."""
    connection = await parties.connect(await parties.organization("acme"), acme.url)
    ana, ana_token = await parties.worker()
    async with delivering(settings):
        past = [(await parties.progressed(ana, step))[0] for step in range(3)]
        await parties.grant(ana_token, "acme")
        now, position = await parties.progressed(ana, 3)
        await until(lambda: matched(parties.hub.pool, position))
        assert not acme.messages
        async with projecting(settings):
            await until(lambda: came(acme, 4))
    assert acme.ids() == [parties.message(connection, e) for e in [*past, now]]


async def test_what_has_left_a_story_is_not_sent_while_the_read_model_does_not_know(
    parties: Parties, settings: Settings, acme: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two events, a yes, and one event that turns out to be another person's: the read model
    stands between the last two when the story so far is made of it.
    """
    known, fill = asyncio.Event(), Snapshots.fill_some

    async def once_known(snapshots: Snapshots) -> int:
        await known.wait()
        return await fill(snapshots)

    monkeypatch.setattr(Snapshots, "fill_some", once_known)
    connection = await parties.connect(await parties.organization("acme"), acme.url)
    ana, token = await parties.worker()
    async with projecting(settings):
        (mine, _), (other, _) = [await parties.progressed(ana, step) for step in range(2)]
        granted = Position.parse((await parties.grant(token, "acme"))["position"])
        await until(lambda: _read(parties.hub.pool, granted))
    gone = void(ana, uuid4(), other, reason="WRONG_PERSON", at=utc_now(), move_id=uuid4())
    said = await publish(parties.producer, settings, gone)
    async with delivering(settings):
        await until(lambda: matched(parties.hub.pool, said))
        known.set()
        _, last = await parties.progressed(ana, 2)
        await until(lambda: matched(parties.hub.pool, last))
        async with projecting(settings):
            await until(lambda: came(acme, 2))
            await until(lambda: settled(parties.hub.pool))
    assert parties.message(connection, mine) in acme.ids()
    assert parties.message(connection, other) not in acme.ids()


async def _read(pool: Pool, position: Position) -> bool:
    statement = """SELECT next_offset > $3 FROM read.stream_position
        WHERE topic = $1 AND partition = $2"""
    place = position.topic, position.partition, position.offset
    return bool(await pool.fetchval(statement, *place))
