"""`throughline parked replay --all`, as an operator runs it after a fix."""

from __future__ import annotations

import asyncio
import json
import sys

from aiokafka import AIOKafkaProducer

from services.common.postgres import Pool
from services.common.settings import Settings
from tests.integration.test_projections import (
    Positions,
    positions,  # noqa: F401 (a fixture)
    publish,
    session,
)
from tests.integration.test_projections_parked import (
    ANA,
    BEN,
    Decoder,
    counters,
    decoder,  # noqa: F401 (a fixture)
    sessions,
    take,
)


async def replay(environment: dict[str, str], *arguments: str) -> tuple[int | None, str]:
    """A process of its own, whose decoder has no fault."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.cli", "parked", "replay", *arguments),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, out.decode()


async def test_after_a_fix_one_command_takes_everybody_in(
    settings: Settings,
    pool: Pool,
    producer: AIOKafkaProducer,
    positions: Positions,  # noqa: F811
    decoder: Decoder,  # noqa: F811
    environment: dict[str, str],
) -> None:
    decoder.faulty = {"e-7"}
    told = [session(1), session(1, 7), session(1), session(2, 7), session(2)]
    await publish(settings, producer, told)
    await take(settings, positions)
    assert (await counters(pool))["parked"] == 4

    code, printed = await replay(environment, "--all", "--dry-run")
    assert code == 0
    assert "2 looked at; nothing was changed." in printed
    assert (await counters(pool))["parked"] == 4

    code, printed = await replay(environment, "--all", "--json")
    assert code == 0
    found = json.loads(printed)["replayed"]
    assert [(one["taken"], one["still"]) for one in found] == [(2, 0), (2, 0)]
    assert (await counters(pool))["parked"] == 0
    assert (await sessions(pool, ANA), await sessions(pool, BEN)) == (3, 2)
    assert await replay(environment, "--all") == (0, "0 looked at.\n")
