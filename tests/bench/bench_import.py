"""A CSV file from its first byte to its last event on the log, and the memory that takes."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
from aiokafka import AIOKafkaConsumer, TopicPartition

from services.common.access import Role, issue_key
from services.common.postgres import open_pool
from services.common.settings import Settings
from services.common.setup import initialise
from tests.bench.figure import Figure
from tests.bench.servers import hub, servers
from tests.processes import HubProcess, free_port, until

DESCRIPTION: str = "A CSV import of a million rows: rows a second, and the memory of the process"

ROWS = 1_000_000
PEOPLE = 100_000  # each has ten rows
MOST_MB = 512
MAPPING = """
name: bench
events:
  - type: TrainingProgressed
    fields:
      source_record_id: "{person}"
      source_event_id: "step/{step}"
      occurred_at: {from: "{day}", as: iso}
      enrolment_id: "{course}-{person}"
      course_id: "{course}"
      activity_id: "{activity}"
      verb: "{verb}"
      progress: {from: "{percent}", as: number, divide_by: 100}
"""


class Memory:
    """The most resident memory that a process, its children included, was seen to have."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self.peak_bytes = 0

    def look(self) -> int:
        try:
            family = [self._process, *self._process.children(recursive=True)]
            now = sum(process.memory_info().rss for process in family)
        except psutil.NoSuchProcess:
            now = 0
        self.peak_bytes = max(self.peak_bytes, now)
        return now

    async def watch(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(0.1)


def write_rows(path: Path, rows: int, people: int, *, bad_every: int | None = None) -> None:
    """Rows of numbered steps, as a learning system exports them; some without a day."""
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write("step,person,day,course,activity,verb,percent\r\n")
        for n in range(rows):
            day = f"2025-{n % 12 + 1:02}-{n % 28 + 1:02}"
            who = f"r-{n % people}"
            if bad_every is not None and n % bad_every == 0:
                day = "soon"
            file.write(f"{n},{who},{day},course-{n % 40},unit-{n % 9},completed,{n % 101}\r\n")


@asynccontextmanager
async def ingest_process(
    environment: dict[str, str], folder: Path
) -> AsyncIterator[tuple[HubProcess, str]]:
    """`throughline serve ingest` in a process of its own, and its address."""
    port = free_port()
    command = ("serve", "ingest", "--port", str(port))
    process = HubProcess(*command, environment=environment, log=folder / "ingest.log")
    url = f"http://127.0.0.1:{port}"
    process.start()
    try:
        await until(lambda: ready(url))
        yield process, url
    except BaseException:
        print(process.log_tail())
        raise
    finally:
        process.stop()


async def ready(url: str) -> bool:
    async with httpx.AsyncClient() as http:
        try:
            return (await http.get(f"{url}/health/ready")).status_code == 200
        except httpx.HTTPError:
            return False


async def send(http: httpx.AsyncClient, path: Path, *, dry_run: bool = False) -> str:
    """Upload the file. Answers where the import is shown."""
    with path.open("rb") as file:
        answer = await http.post(
            "/v1/imports",
            files={"file": (path.name, file, "text/csv")},
            data={"mapping": MAPPING},
            params={"dry_run": dry_run},
            timeout=300,
        )
    assert answer.status_code == 202, answer.text
    return str(answer.headers["location"])


async def ended(http: httpx.AsyncClient, place: str, within_s: float) -> dict[str, Any]:
    async def shown() -> dict[str, Any] | None:
        body: dict[str, Any] = (await http.get(place, timeout=60)).json()
        return body if body["state"] in ("done", "failed", "cancelled") else None

    found = await until(shown, within_s=within_s, every_s=0.2)
    assert found["state"] == "done", found
    return found


async def imported(url: str, token: str, path: Path, pid: int) -> tuple[dict[str, Any], int]:
    """The import's account at its end, and the peak memory in bytes."""
    memory = Memory(pid)
    watching = asyncio.create_task(memory.watch())
    headers = {"Authorization": f"Bearer {token}"}
    try:
        async with httpx.AsyncClient(base_url=url, headers=headers) as http:
            return await ended(http, await send(http, path), within_s=3600), memory.peak_bytes
    finally:
        watching.cancel()


async def log_length(settings: Settings) -> int:
    parts = [TopicPartition(settings.topic("stories"), n) for n in range(settings.partitions)]
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap)
    await consumer.start()
    try:
        return int(sum((await consumer.end_offsets(parts)).values()))
    finally:
        await consumer.stop()


async def run(scale: float) -> list[Figure]:
    """Needs nothing running: starts its own servers unless the environment names some.

    Raises AssertionError when a row is not accepted, or is not on the log once.
    """
    rows, people = max(1_000, int(ROWS * scale)), max(100, int(PEOPLE * scale))
    with servers() as (bootstrap, database_url), tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        async with hub(bootstrap, database_url) as made:
            settings = made.model_copy(update={"vault_dir": folder / "vault"})
            await initialise(settings)
            async with open_pool(settings, most=1) as pool:
                token = await issue_key(pool, Role.PROVIDER, "river-college")
            path = folder / "rows.csv"
            write_rows(path, rows, people)
            environment = os.environ | {
                "KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
                "DATABASE_URL": settings.database_url.get_secret_value(),
                "TOPIC_PREFIX": settings.topic_prefix,
                "PARTITIONS": str(settings.partitions),
                "VAULT_DIR": str(settings.vault_dir),
                "INGEST_REQUIRE_AGREEMENT": "false",
            }
            async with ingest_process(environment, folder) as (process, url):
                account, peak = await imported(url, token, path, process.pid)
            assert account["rows"]["accepted"] == rows, account
            found = await log_length(settings)
            assert found == rows + min(people, rows), f"{found} records on the log"
    return _figures(account, peak, {"rows": rows, "people": people})


def _figures(account: dict[str, Any], peak: int, scaled: dict[str, Any]) -> list[Figure]:
    megabytes = peak / 1e6
    return [
        Figure(name="import.rows", value=account["rows_per_s"], unit="rows/s", scale=scaled),
        Figure(
            name="import.peak_memory",
            value=megabytes,
            unit="MB",
            aim=f"< {MOST_MB} MB",
            met=megabytes < MOST_MB if scaled["rows"] >= ROWS else None,  # said of a million
            scale=scaled,
        ),
    ]
