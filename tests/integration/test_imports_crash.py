"""Imports in a process of its own: killed in the middle, and measured."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

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


@pytest.fixture
async def headers(pool: Pool) -> dict[str, str]:
    return {"Authorization": f"Bearer {await issue_key(pool, Role.PROVIDER, 'river-college')}"}


async def test_a_killed_import_goes_on_and_each_row_is_on_the_log_once(
    environment: dict[str, str], settings: Settings, headers: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "rows.csv"
    write_rows(path, ROWS, PEOPLE)
    async with ingest_process(environment, tmp_path) as (killed, url):
        async with httpx.AsyncClient(base_url=url, headers=headers) as http:
            place = await send(http, path)

            async def begun() -> int:
                return int((await http.get(place)).json()["rows"]["read"])

            read = await until(begun)
        killed.kill()
    assert 0 < read < ROWS

    async with (
        ingest_process(environment, tmp_path) as (_process, url),
        httpx.AsyncClient(base_url=url, headers=headers) as http,
    ):
        account = await ended(http, place, within_s=120)
        again = await ended(http, await send(http, path), within_s=120)

    rows = account["rows"]
    assert rows["read"] == rows["accepted"] + rows["duplicate"] == ROWS
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
