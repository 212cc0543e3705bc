"""Projection workers under fire, and a count of what is in the tables against what is on the log.

Random lives come in at a steady rate, while workers are killed, frozen and cut off, and Kafka and
PostgreSQL fall over. Nobody helps but a supervisor that starts again what died. In the end every
event is counted, by the log alone.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from services.common.postgres import AWAY, Pool, open_pool
from services.common.settings import Settings
from services.projections.comparing import Comparison, compare
from services.projections.projections import PROJECTIONS
from services.projections.reader import LogReader
from services.projections.settings import ProjectionsSettings
from services.projections.store import create
from services.projections.verify.verifying import verify
from services.projections.worker import Beside, ProjectionsWorker
from tests.faults.counting import chains_on_log, count
from tests.faults.load import Load
from tests.faults.projections_hub import ProjectionsHub
from tests.faults.report import ProjectionsReport
from tests.faults.storm import Storm
from tests.processes import until

DESCRIPTION = "Projection workers killed, frozen, cut off; Kafka and PostgreSQL restarted; counted"
RATE = 500  # records a second, with --seconds
MOST_RATE = 1_700  # with --events: 3 million in half an hour
_LIVE, _SCRATCH = "read", "scratch"
_RECOVERS_WITHIN_S = 300.0


async def run(seed: int, seconds: float = 180, events: int | None = None) -> ProjectionsReport:
    """One storm: so many seconds long, or so many records. The load is the same for a seed, and so
    are the faults and their order; when they strike depends on the machine.
    """
    with tempfile.TemporaryDirectory(prefix="throughline-faults-") as folder:
        hub = ProjectionsHub(Path(folder))
        try:
            settings = await hub.start()
            return await _run(hub, settings, seed, seconds, events)
        finally:
            await hub.stop()


async def _run(
    hub: ProjectionsHub, settings: Settings, seed: int, seconds: float, events: int | None
) -> ProjectionsReport:
    began = time.monotonic()
    load = Load(settings, seed, MOST_RATE if events else RATE)
    keeper = asyncio.create_task(hub.keep_running())
    until_at = began + (seconds if events is None else float("inf"))
    loading = asyncio.create_task(load.run(until_at, events))
    await Storm(hub, random.Random(seed)).blow(loading.done)
    await loading
    await load.finish(_RECOVERS_WITHIN_S)
    quiet_at = time.monotonic()
    async with open_pool(settings, most=2) as pool:
        behind = await _caught_up(pool, _LIVE, load.produced)
        recovered_s = time.monotonic() - quiet_at
        chains, records = await asyncio.to_thread(chains_on_log, settings)
        keeper.cancel()
        with suppress(asyncio.CancelledError):
            await keeper
        return ProjectionsReport(
            name="projections",
            seed=seed,
            seconds=round(quiet_at - began, 1),
            records=records,
            befell=dict(hub.befell),
            recovered_after_s=round(recovered_s, 1),
            crashed_by_themselves=dict(hub.crashes),
            unhealthy=hub.unhealthy(),
            not_published=len(load.refused) + load.produced - records,
            log_differs=load.sent.differing(chains),
            behind=behind,
            **await _compared(settings, pool, records),
        )


async def _compared(settings: Settings, pool: Pool, records: int) -> dict[str, Any]:
    """The tables against the log, against `throughline verify`, and against tables made anew."""
    counted = await count(settings, pool, _LIVE, records)
    verdict = await verify(settings, _LIVE, PROJECTIONS)
    await _from_scratch(settings, pool, records)
    comparison = await compare(pool, _LIVE, _SCRATCH)
    return {
        **vars(counted),
        "verified": verdict.outcome,
        "verify_differences": [str(one.as_dict()) for one in verdict.differences[:5]],
        "repeats": verdict.count("repeats"),
        "erased": verdict.count("erased"),
        "parked": verdict.count("parked"),
        "rows_compared": comparison.rows,
        "not_as_from_scratch": _differing(comparison),
    }


def _differing(comparison: Comparison) -> dict[str, int]:
    """Everything in which two sets of tables differ that have read all there is."""
    found = Counter({one.table: len(one.differences) for one in comparison.tables})
    found += Counter({f"columns of {one.table}": len(one.unlike) for one in comparison.tables})
    # Nothing is under way any more.
    found["rows under way"] = comparison.unsettled
    found.update(f"no table {name}" for name in (*comparison.only_left, *comparison.only_right))
    return dict(+found)


async def _caught_up(pool: Pool, schema: str, records: int) -> int:
    """Wait until the tables have passed so many records; how many are missing when they don't."""
    query = f"SELECT coalesce(sum(next_offset), 0)::bigint FROM {schema}.stream_position"
    behind = records
    deadline = time.monotonic() + _RECOVERS_WITHIN_S

    async def done() -> bool:
        nonlocal behind
        with suppress(*AWAY):
            behind = records - await pool.fetchval(query)
        return behind <= 0 or time.monotonic() > deadline

    await until(done, within_s=2 * _RECOVERS_WITHIN_S, every_s=0.2)
    return behind


class _AsFastAsItGoes:
    async def most(self, _reader: LogReader) -> int:
        return 20_000

    def took(self, records: int) -> None: ...


async def _from_scratch(settings: Settings, pool: Pool, records: int) -> None:
    """Make all tables once more, by one worker that nothing disturbs."""
    await create(pool, _SCRATCH, PROJECTIONS)
    own = ProjectionsSettings(read_schema=_SCRATCH)
    beside = Beside("faults-scratch", _AsFastAsItGoes())
    worker = ProjectionsWorker(settings, own, PROJECTIONS, beside=beside)
    working = asyncio.create_task(worker.run())
    try:
        behind = await _caught_up(pool, _SCRATCH, records)
        assert behind == 0, f"the tables made from scratch are {behind} records short"
    finally:
        worker.stop()
        await working
