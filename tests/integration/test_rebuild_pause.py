"""A rebuild held up, let go on and slowed down by the commands, while the hub's process fills."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer

from services.common.postgres import Pool
from services.common.settings import Settings
from tests.integration.test_projections import publish
from tests.integration.test_rebuild import command, passed, sessions, stories
from tests.processes import HubProcess, until

RECORDS, RATE = 3_000, 20
BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)


async def test_a_rebuild_is_paused_goes_on_and_is_slowed_down(
    pool: Pool,
    settings: Settings,
    producer: AIOKafkaProducer,
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    await publish(settings, producer, sessions(RECORDS))
    hub = HubProcess("work", "projections", environment=environment, log=tmp_path / "work.log")
    hub.start()

    async def status() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(await command(environment, "status", "--json"))
        return found

    async def told_since(at: datetime) -> bool:
        """Whether the builder has said how far it is, and is somewhere."""
        query = "SELECT told_at > $1 AND read_records > 0 FROM projections_work.rebuild"
        return bool(await pool.fetchval(query, at))

    try:
        await passed(pool, "read", RECORDS)
        await command(environment, "start", "--rate", str(RATE), "--no-wait")
        await until(lambda: told_since(BEGINNING))
        slow = await status()
        assert slow["rate"] == RATE
        assert slow["behind"] > 0
        assert slow["left_s"] is None or slow["left_s"] > 10, "3,000 records at 20 a second"

        assert "paused" in await command(environment, "pause")
        assert (await status())["is_paused"]
        paused_at = await pool.fetchval("SELECT now()")
        await command(environment, "rate")
        await until(lambda: told_since(paused_at))
        held = await stories(pool, "read_next")
        assert "paused" in await command(environment, "status")
        # All would be there by now; two batches may have been under way.
        assert await stories(pool, "read_next") <= held + 2 * RATE < RECORDS

        assert "goes on" in await command(environment, "resume")
        await passed(pool, "read_next", RECORDS)
        done = await status()
        assert (done["is_paused"], done["rate"]) == (False, None)
        assert await stories(pool, "read_next") == RECORDS
    finally:
        hub.stop()
