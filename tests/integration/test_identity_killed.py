"""A merge and a split whose process is killed before each step is written down."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer

from services.common.clock import utc_now
from services.common.settings import Settings
from services.common.vault import Vault
from services.consent.identity.claims import Claims
from services.consent.identity.store import IdentityStore
from tests.conftest import Hub
from tests.identity_kit import World, projecting
from tests.ingest_kit import on_the_log
from tests.processes import HubProcess, free_port, until

SERVICES = ("ingest",)
COLLEGE, AGENCY = "river-college", "hill-agency"
STEPS = ("partition", "events", "position", "ended_at")
_GATE = 4_242
# Whoever writes this step down waits here while the test holds the gate.
_STOP_BEFORE = """
CREATE OR REPLACE FUNCTION stop_here() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.{step} IS NOT NULL AND OLD.{step} IS NULL THEN PERFORM pg_advisory_lock({gate}); END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER stop_here BEFORE UPDATE ON consent.identity_move
    FOR EACH ROW EXECUTE FUNCTION stop_here();
"""
_WAITING = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND wait_event = 'advisory' AND query LIKE '%identity_move%'
"""


@pytest.fixture
async def world(hub: Hub, settings: Settings, producer: AIOKafkaProducer) -> AsyncIterator[World]:
    async with projecting(settings):
        yield await World(hub, settings, producer).ready()


@asynccontextmanager
async def gate(settings: Settings) -> AsyncIterator[asyncpg.Connection[Any]]:
    """A connection that keeps whoever reaches the step waiting."""
    connection = await asyncpg.connect(settings.database_url.get_secret_value())
    await connection.execute(f"SELECT pg_advisory_lock({_GATE})")
    yield connection
    await connection.execute("DROP TRIGGER stop_here ON consent.identity_move")
    await connection.close()


async def killed_at(steps: Sequence[str], world: World, process: HubProcess, move_id: UUID) -> None:
    """Kill the process when it has done a step and is about to write that down; then let it end."""
    async with gate(world.settings) as held:
        for step in steps:
            await held.execute(_STOP_BEFORE.format(step=step, gate=_GATE))
            process.start()
            pid = await until(lambda: held.fetchval(_WAITING))
            process.kill()
            await held.execute("SELECT pg_terminate_backend($1)", pid)
            noted = f"SELECT {step} IS NULL FROM consent.identity_move WHERE move_id = $1"
            assert await held.fetchval(noted, move_id), step
    process.start()
    await until(lambda: _ended(world, move_id))
    await world.all_read()
    process.stop()


async def _ended(world: World, move_id: UUID) -> bool:
    statement = "SELECT ended_at IS NOT NULL FROM consent.identity_move WHERE move_id = $1"
    return bool(await world.hub.pool.fetchval(statement, move_id))


@pytest.mark.timeout(900)
async def test_a_kill_at_any_step_of_a_merge_or_split_changes_nothing(
    world: World, environment: dict[str, str], tmp_path: Path
) -> None:
    port = str(free_port())
    process = HubProcess(
        "serve", "consent", "--port", port, environment=environment, log=tmp_path / "log"
    )
    store = IdentityStore(world.hub.pool)
    claims = Claims(world.hub.pool, await Vault.open(world.settings), store)

    async def claim(code: str, claimant: UUID | None) -> Any:
        held = await claims.held(code, utc_now(), 5)
        assert held is not None
        return await claims.take(held, utc_now(), claimant)

    college = await world.register(COLLEGE, "c-1")
    ana = (await claim(college["claim_code"], None)).worker_id
    mine = {await world.send(COLLEGE, "c-1") for _ in range(3)}
    bo = await world.register(AGENCY, "a-1")
    theirs = {await world.send(AGENCY, "a-1") for _ in range(3)}

    merge = await claim(bo["claim_code"], ana)
    await killed_at(STEPS, world, process, merge.move_id)
    assert mine | theirs <= await world.facts(ana)
    assert await world.facts(bo["worker_id"]) == set()

    (link,) = [r["link_id"] for r in await store.records(ana) if r["source"] == AGENCY]
    split = await claims.part(link, ana, "NOT_ME")
    assert split is not None
    await killed_at(STEPS[1:3], world, process, split)
    other = await world.worker_of(AGENCY, "a-1")
    assert mine <= await world.facts(ana)
    assert theirs <= await world.facts(other)
    assert not theirs & await world.facts(ana)
    assert process.kills == len(STEPS) + 2
    # What went along was written again at most once for each time the process began anew.
    assert len(await on_the_log(world.settings)) < 80
