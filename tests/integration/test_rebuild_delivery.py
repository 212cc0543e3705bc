"""What was delivered before a rebuild is not delivered again, and what comes meanwhile comes once."""

from __future__ import annotations

from functools import partial

import pytest

from services.common.postgres import Pool
from services.common.settings import Settings
from services.projections.rebuild.steps import Rebuild
from tests.integration.delivery_kit import (
    Inbox,
    Parties,
    came,
    delivering,
    matched,
    projecting,
    settled,
)
from tests.integration.test_rebuild import builder, passed, running, switch_patiently
from tests.processes import until

SERVICES = ("consent", "delivery")


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    switch_patiently(monkeypatch)


async def test_a_rebuild_sends_nothing(parties: Parties, settings: Settings, acme: Inbox) -> None:
    pool = parties.hub.pool
    rebuild = Rebuild(pool, "read")
    await parties.connect(await parties.organization("acme"), acme.url)
    people = [await parties.worker() for _ in range(3)]
    told = 0
    async with projecting(settings), delivering(settings):
        for worker_id, token in people:
            await parties.progressed(worker_id, 0)  # from before the grant: it comes by snapshot
            await parties.grant(token, "acme")
            told += 1
        await rebuild.start("hub", None)
        async with running(builder(settings)):
            for flip in range(4):
                for worker_id, _ in people:
                    _, last = await parties.progressed(worker_id, 1 + flip)
                    told += 1
                await until(partial(matched, pool, last))
                await (rebuild.undo() if flip % 2 else rebuild.switch())
            await passed(pool, "read_next", await log_records(pool))
            await until(lambda: came(acme, told))
            await until(lambda: settled(pool))
            kept = await pool.fetchval("SELECT count(*) FROM delivery_work.outbox")
            await rebuild.switch()
            await rebuild.drop()
    assert len(acme.messages) == len(acme.ids()) == kept == told


async def log_records(pool: Pool) -> int:
    return int(await pool.fetchval("SELECT sum(next_offset) FROM read.stream_position"))
