"""When a withdrawal has returned, nothing more is sent; whatever is lost or slow."""

from __future__ import annotations

import asyncio
import random
import time
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from aiohttp import web

from services.common.revocations import restore
from services.common.settings import Settings
from services.delivery.lane_store import LaneStore
from services.delivery.outcomes import unsent
from tests.integration.delivery_kit import (
    QUICK,
    Inbox,
    Message,
    Parties,
    attempts,
    came,
    delivering,
    matched,
    projecting,
    settled,
)
from tests.processes import until

SERVICES = ("consent", "delivery")


async def test_a_withdrawal_waits_for_what_is_on_its_way(
    parties: Parties, settings: Settings, acme: Inbox
) -> None:
    await parties.connect(await parties.organization("acme"), acme.url)
    ana, token = await parties.worker()
    answers = asyncio.Event()

    async def slow(_: Message) -> web.Response:
        await answers.wait()
        return web.Response(status=204)

    acme.answer = slow
    # The lease ends with the one that is on its way, however late dispatch hears of the withdrawal.
    own = QUICK.model_copy(update={"rows_per_lease": 1})
    async with projecting(settings), delivering(settings, own):
        grant = await parties.grant(token, "acme")
        for step in range(3):
            await parties.progressed(ana, step)
        await until(lambda: came(acme, 1))
        ending = asyncio.create_task(parties.withdraw(token, grant))
        await until(lambda: _revoked(parties, 1))
        done, _ = await asyncio.wait([ending], timeout=0.5)
        assert not done
        answers.set()
        await ending
        await until(lambda: settled(parties.hub.pool))
        refused = await until(lambda: _refused(parties, 2))
    assert len(acme.messages) == 1
    assert {row["reason"] for row in refused} == {"withdrawn"}


async def _revoked(parties: Parties, wanted: int) -> bool:
    found: int = await parties.hub.pool.fetchval("SELECT count(*) FROM consent.revocation")
    return found >= wanted


async def _refused(parties: Parties, wanted: int) -> list[dict[str, Any]]:
    found = await attempts(parties.hub.pool, "REFUSED")
    return found if len(found) >= wanted else []


async def test_a_lease_whose_holder_died_ends_by_itself(
    parties: Parties, settings: Settings, acme: Inbox
) -> None:
    """A withdrawal waits for the rest of a dead process's lease."""
    await parties.organization("acme")
    ana, token = await parties.worker()
    grant = await parties.grant(token, "acme")
    leased_until = await parties.hub.pool.fetchval(
        "INSERT INTO delivery_work.lane (connection_id, worker_id, recipient_id, lease,"
        " leased_until) VALUES ('c-1', $1, 'acme', gen_random_uuid(), now() + interval '1 s')"
        " RETURNING leased_until",
        ana,
    )
    await parties.withdraw(token, grant)
    assert await parties.hub.pool.fetchval("SELECT now() >= $1", leased_until)


async def test_who_follows_a_dead_process_ends_its_leases(parties: Parties, acme: Inbox) -> None:
    """So nobody waits for a lease whose holder is known to be gone."""
    await _one_waiting(parties, acme)
    long = {"lease": timedelta(minutes=5)}
    first = LaneStore(parties.hub.pool, QUICK.model_copy(update={**long, "instance_id": "d-1"}))
    async with first.transaction() as tx:
        assert len(await tx.lease({}, 10)) == 1
    other = LaneStore(parties.hub.pool, QUICK.model_copy(update={"instance_id": "d-2"}))
    for store, wanted in ((other, 0), (first, 1)):
        await store.inherit()
        async with store.transaction() as tx:
            assert len(await tx.lease({}, 10)) == wanted


async def _one_waiting(parties: Parties, acme: Inbox) -> tuple[dict[str, str], dict[str, Any]]:
    """A message that is due, and no worker that sends it; answers the token and the grant."""
    key = await parties.organization("acme")
    await parties.connect(key, acme.url)
    ana, token = await parties.worker()
    async with projecting(parties.settings), delivering(parties.settings):
        path = (await parties.hub.http.get("/v1/connections", headers=key)).json()
        path = f"/v1/connections/{path['connections'][0]['connection_id']}"
        await parties.hub.http.post(f"{path}/pause", headers=key)
        grant = await parties.grant(token, "acme")
        _, position = await parties.progressed(ana, 1)
        await until(lambda: matched(parties.hub.pool, position))
        await until(lambda: _no_snapshot(parties))
    await parties.hub.http.post(f"{path}/resume", headers=key)
    return token, grant


async def _no_snapshot(parties: Parties) -> bool:
    count = "SELECT count(*) FROM delivery_work.lane WHERE snapshots > 0"
    return not await parties.hub.pool.fetchval(count)


async def test_a_withdrawal_waits_for_a_decision_that_is_being_made(
    parties: Parties, acme: Inbox
) -> None:
    """And then for the lease that came of it, which was committed only afterwards."""
    token, grant = await _one_waiting(parties, acme)
    own = QUICK.model_copy(update={"lease": timedelta(minutes=5)})
    store = LaneStore(parties.hub.pool, own)
    async with store.transaction() as tx:
        [lane] = await tx.lease({}, 10)
        ending = asyncio.create_task(parties.withdraw(token, grant))
        done, _ = await asyncio.wait([ending], timeout=0.5)
        assert not done
        assert not await _revoked(parties, 1)
    await until(lambda: _revoked(parties, 1))
    assert not ending.done()
    async with store.transaction() as tx:
        await tx.write([], [unsent(lane)])
    await ending
    async with store.transaction() as tx:
        [again] = await tx.lease({}, 10)
    assert [known.revoked for known in again.grants] == [True]


async def test_nothing_is_leased_while_a_withdrawal_is_being_written(
    parties: Parties, acme: Inbox
) -> None:
    await _one_waiting(parties, acme)
    store = LaneStore(parties.hub.pool, QUICK)
    async with parties.hub.pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT FROM consent.lock FOR UPDATE")
        async with store.transaction() as tx:
            assert await tx.lease({}, 10) == []
    async with store.transaction() as tx:
        assert len(await tx.lease({}, 10)) == 1


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "seed", [1, *(pytest.param(seed, marks=pytest.mark.faults_long) for seed in range(2, 9))]
)
async def test_nothing_is_received_after_a_withdrawal_returned(
    parties: Parties, settings: Settings, acme: Inbox, seed: int
) -> None:
    """20 people, a slow and moody receiver, events all the time, withdrawals in between."""
    await parties.connect(await parties.organization("acme"), acme.url)
    rng = random.Random(seed)
    people = [await parties.worker() for _ in range(20)]
    ended: dict[UUID, float] = {}

    async def slow(_: Message) -> web.Response:
        await asyncio.sleep(rng.random() * 0.1)  # the receiver works; nobody waits for this
        return web.Response(status=rng.choice([204, 204, 204, 500]))

    acme.answer = slow
    own = QUICK.model_copy(update={"rows_per_lease": 3, "lanes_per_connection": 16})
    reporting = True
    async with projecting(settings), delivering(settings, own):
        grants = [await parties.grant(token, "acme") for _, token in people]

        async def report() -> None:
            """Mostly about those who still share, so that there is always more to come."""
            step = 0
            while reporting:
                sharing = [who for who, _ in people if who not in ended]
                whom = sharing if sharing and step % 4 else [who for who, _ in people]
                await parties.progressed(rng.choice(whom), step)
                step += 1

        async def leave(number: int) -> None:
            worker_id, token = people[number]
            enough = rng.randrange(10, 250)
            await until(lambda: came(acme, enough), within_s=200, every_s=0.01)
            await parties.withdraw(token, grants[number])
            ended[worker_id] = time.monotonic()

        reports = asyncio.create_task(report())
        await asyncio.gather(*(leave(number) for number in range(len(people))))
        reporting = False
        await reports
        _, last = await parties.progressed(people[0][0], 0)
        await until(lambda: matched(parties.hub.pool, last))
        await until(lambda: settled(parties.hub.pool))
    for worker_id, at in ended.items():
        subject = parties.subject(worker_id, "acme")
        late = [m for m in acme.messages if m.subject == subject and m.at > at]
        assert not late, f"seed {seed}: {len(late)} sent after the withdrawal had returned"
    assert len(acme.messages) > 100


async def test_lost_revocations_are_put_back_before_anything_is_sent(
    parties: Parties, settings: Settings, acme: Inbox
) -> None:
    """The schema `consent` is lost, and delivery has not read the withdrawal yet."""
    key = await parties.organization("acme")
    path = f"/v1/connections/{(await parties.connect(key, acme.url))['connection_id']}"
    ana, token = await parties.worker()
    pool = parties.hub.pool
    async with projecting(settings), delivering(settings):
        await parties.hub.http.post(f"{path}/pause", headers=key)
        grant = await parties.grant(token, "acme")
        _, position = await parties.progressed(ana, 1)
        await until(lambda: matched(pool, position))
    await parties.withdraw(token, grant)
    await pool.execute("TRUNCATE consent.revocation, consent.restored, consent.given, consent.lock")
    await parties.hub.http.post(f"{path}/resume", headers=key)
    assert await restore(settings, pool) == 1
    assert await restore(settings, pool) == 0
    await pool.execute("TRUNCATE consent.revocation, consent.restored, consent.lock")
    async with projecting(settings), delivering(settings):
        await until(lambda: settled(pool))
        await until(lambda: _refused(parties, 1))
    assert not acme.messages
    assert await pool.fetchval("SELECT count(*) FROM consent.revocation") == 1
