"""SIGKILL the relay at each of its steps: the real hub's log has each committed event once."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
import pytest

from connectors.sdk import Outbox
from connectors.sdk.relay import open_store
from services.common.access import Role, issue_key
from services.common.codec import decode
from services.common.postgres import Pool
from services.common.settings import Settings
from tests.ingest_kit import SOURCE, on_the_log
from tests.processes import HubProcess, free_port, until
from tests.sdk_kit import completed

STEPS = ("before", "claimed", "posting", "posted", "marked", "committed", "purging")
TABLE = "throughline_outbox"
OUTBOX = Outbox()
EACH = 12  # events put before each kill, a third of them rolled back


@dataclass(frozen=True)
class RealHub:
    url: str
    key_file: Path


@pytest.fixture
async def real_hub(
    settings: Settings, environment: dict[str, str], pool: Pool, tmp_path: Path
) -> AsyncIterator[RealHub]:
    """`throughline serve ingest` in a process of its own."""
    port = free_port()
    command = ("serve", "ingest", "--port", str(port))
    process = HubProcess(*command, environment=environment, log=tmp_path / "ingest.log")
    process.start()
    key_file = tmp_path / "key"
    key_file.write_text(await issue_key(pool, Role.PROVIDER, SOURCE))
    url = f"http://127.0.0.1:{port}"
    try:
        await until(lambda: _ready(url))
        yield RealHub(url, key_file)
    except BaseException:
        print(process.log_tail())
        raise
    finally:
        process.stop()


async def _ready(url: str) -> bool:
    async with httpx.AsyncClient() as http:
        try:
            return (await http.get(f"{url}/health/ready")).status_code == 200
        except httpx.HTTPError:
            return False


async def relay(hub: RealHub, database: str, *arguments: str, dies_at: str = "") -> tuple[int, str]:
    """Run the relay's command to its end; its exit code (negative: the signal) and what it said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.sdk_relay_runner", *arguments),
        *("--database", database, "--url", hub.url, "--key-file", str(hub.key_file)),
        env={**os.environ, "SDK_DIES_AT": dies_at},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return process.returncode, said.decode()


def _put_postgres(url: str, names: list[str], *, commits: bool) -> None:
    with psycopg.connect(url) as connection:
        for name in names:
            OUTBOX.put(connection, completed(name, person=name[-1], source_event_id=None))
        connection.commit() if commits else connection.rollback()


def _put_sqlite(path: str, names: list[str], *, commits: bool) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for name in names:
            OUTBOX.put(connection, completed(name, person=name[-1], source_event_id=None))
        connection.commit() if commits else connection.rollback()


async def test_killed_at_each_step_nothing_is_lost_or_doubled(
    real_hub: RealHub, settings: Settings, database_url: str, tmp_path: Path
) -> None:
    """Both kinds of database, beside each other."""
    kinds = (("pg", database_url, _put_postgres), ("file", str(tmp_path / "lms.db"), _put_sqlite))
    wanted = await asyncio.gather(*(_killed_and_drained(real_hub, *kind) for kind in kinds))

    told = await _told(settings)
    assert sorted(told) == sorted(itertools.chain(*wanted)), "lost or doubled"
    for names in wanted:
        by_person = {name[-1]: [n for n in names if n[-1] == name[-1]] for name in names}
        for person, in_order in by_person.items():
            mine = set(names)
            assert [n for n in told if n in mine and n[-1] == person] == in_order, "out of order"


async def _killed_and_drained(
    hub: RealHub, kind: str, database: str, put: Callable[..., None]
) -> list[str]:
    """Put events before each kill; answers the enrolments of those that were committed."""
    store = open_store(database, TABLE)
    await store.init()
    wanted = []
    for step in STEPS:
        wanted += await asyncio.to_thread(_fill, put, database, f"{kind}-{step}")
        purge = ("purge", "--keep", "0s") if step == "purging" else ("--once", "--batch", "5")
        code, said = await relay(hub, database, *purge, dies_at=step)
        assert code == -signal.SIGKILL, f"{kind} {step}: exit {code}\n{said}"
    code, said = await relay(hub, database, "--once", "--batch", "5")
    assert code == 0, said
    standing = await store.standing()
    await store.close()
    assert (standing.set_aside, standing.backlog.waiting) == (0, 0), said
    return wanted


def _fill(put: Callable[..., None], database: str, step: str) -> list[str]:
    """Commit eight events and roll back four; answers the enrolments of the eight."""
    names = [f"{step}-{number}" for number in range(EACH)]
    put(database, names[:4], commits=True)
    put(database, names[4:8], commits=False)
    put(database, names[8:], commits=True)
    return [f"e-{name}" for name in names[:4] + names[8:]]


async def _told(settings: Settings) -> list[str]:
    events = [decode(record.value) for record in await on_the_log(settings)]
    return [e.fields["enrolment_id"] for e in events if e.name == "TrainingCompleted"]


async def test_a_running_relay_ends_its_batch_and_says_goodbye(
    real_hub: RealHub, tmp_path: Path, settings: Settings
) -> None:
    """SIGTERM, as an orchestrator sends it; and `check` says that hub and outbox are well."""
    database = str(tmp_path / "lms.db")
    store = open_store(database, TABLE)
    await store.init()
    code, said = await relay(real_hub, database, "check")
    assert (code, "answers and takes the key" in said) == (0, True), said

    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "connectors.sdk.relay", "--database", database),
        *("--url", real_hub.url, "--key-file", str(real_hub.key_file)),
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        await asyncio.to_thread(_fill, _put_sqlite, database, "running")

        async def sent() -> bool:
            return (await store.standing()).sent == 8

        await until(sent)
        process.terminate()
        _, said_bytes = await asyncio.wait_for(process.communicate(), 20)
    finally:
        if process.returncode is None:
            process.kill()
    await store.close()
    assert process.returncode == 0, said_bytes.decode()
    assert "accepted=8 duplicate=0 set_aside=0 waiting=0" in said_bytes.decode()

    real_hub.key_file.write_text("tl_1_wrong")
    code, said = await relay(real_hub, database, "check")
    assert (code, "does not take this key: HTTP 401" in said) == (1, True), said
