"""From `POST /v1/events` to the webhook that a receiver has read, over real HTTP and processes."""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from aiohttp import ClientSession, TCPConnector, web

from services.common.access import Role, issue_key
from services.common.kafka import Position
from services.common.postgres import open_pool
from services.common.settings import Settings
from services.common.setup import initialise
from tests.bench.figure import Figure
from tests.bench.servers import hub, servers
from tests.processes import HubProcess, free_port, until

DESCRIPTION: str = "Post to webhook received: p50, p95, p99 at 200 events/s"

RATE = 200  # events/s
WARM_UP_S, MEASURED_S = 5, 20
ROUNDS = 3
WORKERS = 100
AIM_MS = 100.0


async def run(scale: float) -> list[Figure]:
    """Needs nothing running: starts its own servers unless the environment names some.

    Raises AssertionError when an update is missing, came in the wrong order or without consent.
    """
    with servers() as (bootstrap, database_url), tempfile.TemporaryDirectory() as folder:
        async with hub(bootstrap, database_url) as made:
            settings = made.model_copy(update={"vault_dir": Path(folder) / "vault"})
            await initialise(settings)
            async with _processes(settings, Path(folder)) as url, _world(settings, url) as world:
                await world.send(WARM_UP_S * RATE)
                count = max(RATE, int(MEASURED_S * RATE * scale))
                rounds = [await world.send(count) for _ in range(ROUNDS)]
    return _figures(rounds, count)


def _figures(rounds: list[list[float]], count: int) -> list[Figure]:
    """The median over the rounds of each percentile."""
    scale = {"events": count, "rounds": ROUNDS, "rate_per_s": RATE, "workers": WORKERS}
    cuts = [statistics.quantiles(took, n=100) for took in rounds]

    def figure(percent: int) -> Figure:
        value = statistics.median(cut[percent - 1] for cut in cuts) * 1000
        aim = f"<= {AIM_MS:g} ms" if percent == 95 else None
        met = value <= AIM_MS if percent == 95 else None
        name = f"delivery.post_to_webhook.p{percent}"
        return Figure(name=name, value=value, unit="ms", aim=aim, met=met, scale=scale)

    return [figure(percent) for percent in (50, 95, 99)]


@asynccontextmanager
async def _processes(settings: Settings, folder: Path) -> AsyncIterator[str]:
    """The HTTP services and the two workers, each a process, on the benchmark's own hub."""
    port = free_port()
    environment = os.environ | {
        "KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "TOPIC_PREFIX": settings.topic_prefix,
        "VAULT_DIR": str(settings.vault_dir),
        "INGEST_REQUIRE_AGREEMENT": "false",
        "ALLOW_PRIVATE_RECEIVERS": "true",
    }
    commands = (
        ("serve", "ingest", "consent", "delivery", "--port", str(port)),
        ("work", "projections"),
        ("work", "delivery"),
    )
    processes = [
        HubProcess(*command, environment=environment, log=folder / f"{'-'.join(command[:2])}.log")
        for command in commands
    ]
    for process in processes:
        process.start()
    url = f"http://127.0.0.1:{port}"
    try:
        async with httpx.AsyncClient() as http:
            await until(lambda: _ready(http, url))
        yield url
    except BaseException:
        for process in processes:
            print(process.log_tail())
        raise
    finally:
        for process in processes:
            process.stop()


async def _ready(http: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await http.get(f"{url}/health/ready")).status_code == 200
    except httpx.HTTPError:
        return False


@dataclass
class World:
    """A provider that posts, an employer that receives, and people who agreed."""

    http: ClientSession
    provider: dict[str, str]
    people: list[str]
    arrived: dict[str, float] = field(default_factory=dict)
    order: dict[str, list[int]] = field(default_factory=dict)
    offsets: dict[int, int] = field(default_factory=dict)  # where each event is on the log
    sent: int = 0

    async def take(self, request: web.Request) -> web.Response:
        """Keep when an update had been read; later parsing is nobody's latency."""
        body = await request.json()
        at, activity = time.perf_counter(), body["data"]["activity_id"]
        if activity not in self.arrived:
            self.arrived[activity] = at
            self.order.setdefault(body["subject"], []).append(int(activity[5:]))
        return web.Response(status=204)

    async def send(self, count: int) -> list[float]:
        """Post at the fixed rate, whether answers come or not; answers what each update took.

        Counted from when it was due, so that a stall counts for all who waited.
        """
        begun = time.perf_counter() + 0.1
        first, self.sent = self.sent, self.sent + count
        due = {number: begun + (number - first) / RATE for number in range(first, self.sent)}
        async with asyncio.TaskGroup() as posts:
            for number, at in due.items():
                await asyncio.sleep(max(0.0, at - time.perf_counter()))
                posts.create_task(self._post(number))
        await until(lambda: self._all_arrived(), within_s=120)
        for numbers in self.order.values():
            offsets = [self.offsets[number] for number in numbers]
            assert offsets == sorted(offsets), "updates of one worker came in the wrong order"
        return [self.arrived[f"step-{number}"] - at for number, at in due.items()]

    async def _all_arrived(self) -> bool:
        return len(self.arrived) >= self.sent

    async def _post(self, number: int) -> None:
        event = {
            "type": "TrainingProgressed",
            "worker_id": self.people[number % len(self.people)],
            "source_event_id": f"bench-{number}",
            "occurred_at": datetime.now(UTC).isoformat(),
            "enrolment_id": "e-1",
            "course_id": "forklift",
            "activity_id": f"step-{number}",
            "verb": "answered",
            "progress": 0.5,
        }
        async with self.http.post("/v1/events", json=event, headers=self.provider) as answer:
            assert answer.status == 202, await answer.text()
            self.offsets[number] = Position.parse((await answer.json())["position"]).offset


@asynccontextmanager
async def _world(settings: Settings, url: str) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(open_pool(settings, most=2))
        http = await stack.enter_async_context(ClientSession(url, connector=TCPConnector(limit=0)))

        async def post(path: str, key: dict[str, str], body: Any) -> dict[str, Any]:
            async with http.post(path, json=body, headers=key) as answer:
                assert answer.status < 300, f"{path}: {await answer.text()}"
                found: dict[str, Any] = await answer.json()
                return found

        operator = {"Authorization": f"Bearer {await issue_key(pool, Role.OPERATOR, 'hub')}"}
        keys = {}
        for name, kind in (("river-college", "PROVIDER"), ("acme", "EMPLOYER")):
            order = {"organization_id": name, "name": name, "kind": kind}
            made = await post("/v1/organizations", operator, order)
            keys[name] = {"Authorization": f"Bearer {made['key']}"}
        world = World(http, keys["river-college"], [])
        receiver = await _receiver(stack, world)
        order = {"connector": "webhook", "url": receiver, "categories": ["training"]}
        await post("/v1/connections", keys["acme"], {**order, "purpose": "advancement"})
        await until(lambda: _known(pool))
        for number in range(WORKERS):
            order = {"source_record_id": f"r-{number}", "display_name": f"Person {number}"}
            worker = await post("/v1/workers", world.provider, order)
            claim = await post("/v1/claims", {}, {"code": worker["claim_code"]})
            await post("/v1/grants", {"Authorization": f"Bearer {claim['token']}"}, _grant())
            world.people.append(worker["worker_id"])
        yield world


async def _known(pool: Any) -> bool:
    found = await pool.fetchval("SELECT count(*) FROM read.organization")
    return bool(found >= 2)


async def _receiver(stack: AsyncExitStack, world: World) -> str:
    app = web.Application()
    app.router.add_post("/hook", world.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return f"http://127.0.0.1:{runner.addresses[0][1]}/hook"


def _grant() -> dict[str, Any]:
    return {
        "recipient_id": "acme",
        "categories": ["training"],
        "purposes": ["advancement"],
        "valid_until": (datetime.now(UTC) + timedelta(days=30)).isoformat(),
        "wording_version": "2026-11",
        "wording_language": "en",
    }
