"""Events taken over real HTTP: in batches, one by one, and about people nobody has seen before;
and the same posted to Ralph, a learning record store, as statements.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
import psutil
from aiohttp import ClientSession, TCPConnector
from aiokafka import AIOKafkaConsumer, TopicPartition

from services.common.access import Role, issue_key
from services.common.postgres import open_pool
from services.common.settings import Settings
from services.common.setup import initialise
from tests.bench import ralph_lrs
from tests.bench.figure import Figure
from tests.bench.servers import hub, servers
from tests.processes import HubProcess, free_port, until

DESCRIPTION: str = "Events taken over HTTP, in batches of 500 and one by one, against Ralph"

ROUNDS = 3
EVENTS, SINGLES = 40_000, 4_000  # a round
BATCH, BATCHES_AT_ONCE = 500, 4
SINGLES_AT_ONCE = 32
# A round, to Ralph, from an empty store on: it slows down as that grows, so both are told.
STATEMENTS, FIRST_STATEMENTS, STATEMENT_BATCH = 20_000, 2_000, 50
AIM, AIM_TIMES = 20_000, 10
WORKERS = 500
PROVIDER = "river-college"


@dataclass(frozen=True, slots=True)
class Measured:
    """One round of one contestant."""

    rate: float  # accepted events per second, from the first request to the last answer
    per_core: float  # accepted events per second of the process's CPU time
    latencies_s: Sequence[float]  # of each request


class Sender:
    """Posts numbered events, and knows how many the log must hold."""

    def __init__(
        self, http: ClientSession, workers: Sequence[str], process: psutil.Process
    ) -> None:
        self._http = http
        self._process = process
        self._latencies_s: list[float] = []
        self._workers = workers
        self._number = 0
        self.accepted = 0

    def known(self, number: int) -> dict[str, Any]:
        """About somebody by worker id: nothing to resolve, nothing to seal."""
        return {"worker_id": self._workers[number % len(self._workers)]}

    def recorded(self, number: int) -> dict[str, Any]:
        """By the source's own number, which is sealed."""
        return {"source_record_id": f"r-{number % len(self._workers)}"}

    def fresh(self, number: int) -> dict[str, Any]:
        """About somebody new: a worker, a key and a registration besides."""
        return {"source_record_id": f"new-{number}"}

    async def rate(
        self, who: Callable[[int], dict[str, Any]], events: int, batch: int, at_once: int
    ) -> Measured:
        """Raises AssertionError unless every event is accepted."""
        numbers = range(self._number, self._number + events)
        self._number += events
        made = [_event(number, who(number)) for number in numbers]
        bodies = iter([_body(made[n : n + batch], batch) for n in range(0, events, batch)])
        self._latencies_s = []
        used_s, began = self._cpu_s(), time.perf_counter()
        await asyncio.gather(*(self._post_all(bodies) for _ in range(at_once)))
        taken_s = time.perf_counter() - began
        per_core = events / (self._cpu_s() - used_s)
        return Measured(events / taken_s, per_core, self._latencies_s)

    def _cpu_s(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)

    async def _post_all(self, bodies: Any) -> None:
        for body in bodies:
            began = time.perf_counter()
            async with self._http.post("/v1/events", data=body) as answer:
                content = await answer.read()
            self._latencies_s.append(time.perf_counter() - began)
            found = orjson.loads(content)
            statuses = [result["status"] for result in found.get("results", [found])]
            assert set(statuses) == {"accepted"}, found
            self.accepted += len(statuses)


def _event(number: int, who: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "TrainingProgressed",
        "source_event_id": str(number),
        "occurred_at": "2026-01-05T09:00:00Z",
        "enrolment_id": f"e-{number % WORKERS}",
        "course_id": "forklift",
        "activity_id": f"step-{number}",
        "verb": "answered",
        "progress": 0.5,
        **who,
    }


def _body(events: list[dict[str, Any]], batch: int) -> bytes:
    return orjson.dumps(events[0] if batch == 1 else {"events": events})


async def run(scale: float) -> list[Figure]:
    """Needs nothing running: starts its own servers unless the environment names some.

    Raises AssertionError when an event is refused, or the log does not hold what was accepted.
    """
    with servers() as (bootstrap, database_url), tempfile.TemporaryDirectory() as folder:
        async with hub(bootstrap, database_url) as made:
            settings = made.model_copy(update={"vault_dir": Path(folder) / "vault"})
            await initialise(settings)
            async with (
                _sender(settings, Path(folder)) as sender,
                ralph_lrs.running(Path(folder) / "ralph") as ralph,
            ):
                figures = await _measure(sender, ralph, scale)
                await _check(settings, sender, _many(EVENTS // 4, scale) * ROUNDS)
    return figures


def _many(events: int, scale: float) -> int:
    return max(BATCH * BATCHES_AT_ONCE, int(events * scale) // BATCH * BATCH)


async def _measure(sender: Sender, ralph: ralph_lrs.Ralph, scale: float) -> list[Figure]:
    many, new, singles = _many(EVENTS, scale), _many(EVENTS // 4, scale), int(SINGLES * scale) or 1
    rounds: dict[str, list[Measured]] = {}
    statements: dict[str, list[float]] = {}
    sizes = {ralph_lrs.NAME: STATEMENTS}
    sizes[f"{ralph_lrs.NAME}, nearly empty"] = FIRST_STATEMENTS
    for _ in range(ROUNDS):
        contestants = (
            ("ingest.batches", sender.known, many, BATCH, BATCHES_AT_ONCE),
            ("ingest.batches_sealed", sender.recorded, many, BATCH, BATCHES_AT_ONCE),
            ("ingest.new_people", sender.fresh, new, BATCH, BATCHES_AT_ONCE),
            ("ingest.one_by_one", sender.known, singles, 1, SINGLES_AT_ONCE),
        )
        for name, *arguments in contestants:
            rounds.setdefault(name, []).append(await sender.rate(*arguments))  # type: ignore[arg-type]
        for name, size in sizes.items():
            rate = await ralph.rate(size, STATEMENT_BATCH, BATCHES_AT_ONCE)
            statements.setdefault(name, []).append(rate)
    scaled = {"events": many, "singles": singles, "rounds": ROUNDS, "batch": BATCH}
    scaled |= {"requests_at_once": BATCHES_AT_ONCE, "singles_at_once": SINGLES_AT_ONCE}
    scaled |= {"statements": sizes, "statements_batch": STATEMENT_BATCH}
    figures = [f for name, found in rounds.items() for f in _figures(name, found, scaled)]
    batches = statistics.median(found.rate for found in rounds["ingest.batches"])
    for name, rates in statements.items():
        figures += _against_ralph(batches, name, statistics.median(rates), scaled)
    return figures


def _against_ralph(
    batches: float, name: str, statements: float, scaled: dict[str, Any]
) -> list[Figure]:
    return [
        Figure(
            name="ingest.batches",
            value=batches,
            unit="events/s",
            against=name,
            ratio=batches / statements,
            aim=f">= {AIM_TIMES} x",
            met=batches >= AIM_TIMES * statements,
            scale=scaled,
        ),
        Figure(name=name, value=statements, unit="statements/s", scale=scaled),
    ]


def _figures(name: str, found: Sequence[Measured], scaled: dict[str, Any]) -> list[Figure]:
    """Medians over the rounds, and of all their requests the median and the 99th percentile."""
    rate = statistics.median(one.rate for one in found)
    latencies_ms = [1000 * each for one in found for each in one.latencies_s]
    aimed = name == "ingest.batches"
    per_core = statistics.median(one.per_core for one in found)
    others = {
        f"{name}_per_core": (per_core, "events/cpu s"),
        f"{name}_median": (statistics.median(latencies_ms), "ms"),
        f"{name}_p99": (statistics.quantiles(latencies_ms, n=100)[98], "ms"),
    }
    first = Figure(
        name=name,
        value=rate,
        unit="events/s",
        aim=f">= {AIM:,}/s" if aimed else None,
        met=rate >= AIM if aimed else None,
        scale=scaled,
    )
    return [
        first,
        *(
            Figure(name=each, value=value, unit=unit, scale=scaled)
            for each, (value, unit) in others.items()
        ),
    ]


@asynccontextmanager
async def _sender(settings: Settings, folder: Path) -> AsyncIterator[Sender]:
    """A provider with a key, people it has registered, and the service in its own process."""
    async with open_pool(settings, most=1) as pool:
        token = await issue_key(pool, Role.PROVIDER, PROVIDER)
    port = free_port()
    environment = os.environ | {
        "KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "TOPIC_PREFIX": settings.topic_prefix,
        "VAULT_DIR": str(settings.vault_dir),
        "INGEST_REQUIRE_AGREEMENT": "false",
        # One key sends all there is.
        "INGEST_EVENTS_PER_SECOND": "1000000",
        "INGEST_BURST_EVENTS": "1000000",
    }
    command = ("serve", "ingest", "--port", str(port))
    process = HubProcess(*command, environment=environment, log=folder / "ingest.log")
    process.start()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    try:
        # The server closes what is idle for 5 s; do so first, or a request may meet the close.
        connector = TCPConnector(keepalive_timeout=2)
        url = f"http://127.0.0.1:{port}"
        async with ClientSession(url, headers=headers, connector=connector) as http:
            await until(lambda: _ready(port))
            workers = [await _register(http, number) for number in range(WORKERS)]
            yield Sender(http, workers, psutil.Process(process.pid))
    except BaseException:
        print(process.log_tail())
        raise
    finally:
        process.stop()


async def _ready(port: int) -> bool:
    async with httpx.AsyncClient() as http:
        try:
            return (await http.get(f"http://127.0.0.1:{port}/health/ready")).status_code == 200
        except httpx.HTTPError:
            return False


async def _register(http: ClientSession, number: int) -> str:
    async with http.post("/v1/workers", json={"source_record_id": f"r-{number}"}) as answer:
        return str((await answer.json())["worker_id"])


async def _check(settings: Settings, sender: Sender, new_people: int) -> None:
    """The log holds each accepted event and each registration once, by count."""
    topic = settings.topic("stories")
    parts = [TopicPartition(topic, number) for number in range(settings.partitions)]
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap)
    await consumer.start()
    try:
        found = sum((await consumer.end_offsets(parts)).values())
    finally:
        await consumer.stop()
    wanted = sender.accepted + WORKERS + new_people
    assert found == wanted, f"{found} records on the log, {wanted} were acknowledged"
