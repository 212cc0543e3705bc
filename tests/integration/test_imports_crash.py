"""Imports in a process of its own: killed in the middle, and measured."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from services.common.access import Role, issue_key
from services.common.postgres import Pool
from services.common.settings import Settings
from tests.bench.bench_import import Memory, ended, ingest_process, send, write_rows
from tests.integration.imports_kit import on_the_log
from tests.processes import until

ROWS, PEOPLE = 12_000, 300
SMALL, LARGE = 6_000, 36_000
MB = 1_000_000
_GATE = 4_243
# Whoever writes down an import's second batch waits here while the test holds the gate.
_STOP_BEFORE = f"""
CREATE FUNCTION stop_here() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.row_done > 0 AND NEW.row_done > OLD.row_done THEN
        PERFORM pg_advisory_lock({_GATE});
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER stop_here BEFORE UPDATE ON ingest_work.import
    FOR EACH ROW EXECUTE FUNCTION stop_here();
"""
_WAITING = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND wait_event = 'advisory' AND query LIKE '%ingest_work.import%'
"""


@pytest.fixture
async def headers(pool: Pool) -> dict[str, str]:
    return {"Authorization": f"Bearer {await issue_key(pool, Role.PROVIDER, 'river-college')}"}


@asynccontextmanager
async def gate(settings: Settings) -> AsyncIterator[asyncpg.Connection[Any]]:
    """A connection that keeps the import waiting."""
    connection = await asyncpg.connect(settings.database_url.get_secret_value())
    await connection.execute(f"SELECT pg_advisory_lock({_GATE})")
    await connection.execute(_STOP_BEFORE)
    yield connection
    await connection.execute("DROP TRIGGER stop_here ON ingest_work.import")
    await connection.close()


async def test_a_killed_import_goes_on_and_each_row_is_on_the_log_once(
    environment: dict[str, str], settings: Settings, headers: dict[str, str], tmp_path: Path
) -> None:
    """Killed when a batch is on the log and not counted yet."""
    path = tmp_path / "rows.csv"
    write_rows(path, ROWS, PEOPLE)
    async with (
        gate(settings) as held,
        ingest_process(environment, tmp_path) as (killed, url),
        httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as http,
    ):
        place = await send(http, path)
        waiting = await until(lambda: held.fetchval(_WAITING))
        read = (await http.get(place)).json()["rows"]["read"]
        killed.kill()
        await held.execute("SELECT pg_terminate_backend($1)", waiting)
    assert 0 < read < ROWS

    async with (
        ingest_process(environment, tmp_path) as (_process, url),
        httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as http,
    ):
        account = await ended(http, place, within_s=120)
        again = await ended(http, await send(http, path), within_s=120)

    rows = account["rows"]
    assert rows["read"] == rows["accepted"] + rows["duplicate"] == ROWS
    assert rows["duplicate"] > 0
    assert again["rows"]["duplicate"] == ROWS
    events = await on_the_log(settings, "stories")
    steps = Counter(e.event_id for e in events if e.name == "TrainingProgressed")
    assert (len(steps), max(steps.values())) == (ROWS, 1)  # lost 0, doubled 0


async def test_memory_does_not_grow_with_the_rows(
    environment: dict[str, str], headers: dict[str, str], tmp_path: Path
) -> None:
    """Dry runs, with each row refused or about somebody else: what could pile up, would."""
    peaks = []
    async with (
        ingest_process(environment, tmp_path) as (process, url),
        httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as http,
    ):
        for rows in (SMALL, LARGE):
            path = tmp_path / f"{rows}.csv"
            write_rows(path, rows, rows, bad_every=2)
            memory = Memory(process.pid)
            watching = asyncio.create_task(memory.watch())
            account = await ended(http, await send(http, path, dry_run=True), within_s=120)
            watching.cancel()
            assert (account["rows"]["read"], account["rows"]["refused"]) == (rows, rows // 2)
            assert account["people"]["new"] == rows // 2
            peaks.append(memory.peak_bytes)
    # 30,000 rows more, kept as objects, would be over 60 MB.
    assert peaks[1] - peaks[0] < 25 * MB, peaks
