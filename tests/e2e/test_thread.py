"""The whole thread against real processes, with SIGKILL in the middle, and everything counted.

In: 20,000 events over HTTP. Through: Kafka, the read model, consent, matching, signed webhooks.
Seen: the worker's story and pages. Counted: every event once, every consented update at least
once under one id, none without consent, in order per worker.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from services.common.postgres import Pool
from services.common.settings import Settings
from services.common.vault import Vault
from tests.e2e.receiver import Receiver
from tests.e2e.world import World, found, share, withdraw
from tests.processes import HubProcess, free_port, until

pytestmark = pytest.mark.timeout(900)
WORKERS, EVENTS_EACH, BATCH = 100, 200, 500
SHARING, WITHDRAWING = 30, 5  # of the workers; the last ones of those who share end it midway
START = datetime(2026, 1, 5, tzinfo=UTC)
# The rest is posted when those have ended it: never were they told all there is.
STEPS_BEFORE = 150
KILLS = 4  # of each of the two workers


@pytest.fixture
async def processes(
    environment: dict[str, str], tmp_path: Path
) -> AsyncIterator[dict[str, HubProcess]]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    env = {**environment, "PUBLIC_URL": url, "PORTAL_CONSENT_URL": url}
    env |= {"PROJECTIONS_INSTANCE_ID": "projections-1", "DELIVERY_INSTANCE_ID": "delivery-1"}
    serve = ("serve", "ingest", "consent", "delivery", "portal", "--port", str(port))
    commands = {
        "http": serve,
        "projections": ("work", "projections"),
        "delivery": ("work", "delivery"),
    }
    made = {
        name: HubProcess(*command, environment=env, log=tmp_path / f"{name}.log")
        for name, command in commands.items()
    }
    for process in made.values():
        process.start()
    try:
        async with httpx.AsyncClient() as http:
            await until(lambda: _ready(http, url), within_s=60)
        made["http"].url = url  # type: ignore[attr-defined]
        yield made
    finally:
        for name, process in made.items():
            process.stop()
            print(f"--- {name}\n{process.log_tail()}")


async def _ready(http: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await http.get(f"{url}/health/ready")).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.fixture
async def world(processes: dict[str, HubProcess], pool: Pool) -> AsyncIterator[World]:
    receiver = Receiver()
    await receiver.start()
    url: str = processes["http"].url  # type: ignore[attr-defined]
    async with httpx.AsyncClient(base_url=url, timeout=60) as http:
        made = World(http, receiver, pool)
        await found(made, WORKERS)
        yield made
    await receiver.stop()


def _event(number: int, worker_id: UUID, step: int) -> dict[str, Any]:
    return {
        "type": "TrainingProgressed",
        "worker_id": str(worker_id),
        "source_event_id": f"{number}-{step}",
        "occurred_at": (START + timedelta(minutes=step)).isoformat(),
        "enrolment_id": f"e-{number}",
        "course_id": "forklift",
        "activity_id": f"step-{step:04d}",
        "verb": "answered",
        "progress": step / EVENTS_EACH,
    }


async def _post_all(world: World, accepted: dict[str, UUID], left: asyncio.Event) -> None:
    """Every worker's steps in order, 500 events a call; positions say that they are on the log."""
    events = [
        _event(number, worker_id, step)
        for step in range(EVENTS_EACH)
        for number, worker_id in enumerate(world.workers)
    ]
    for first in range(0, len(events), BATCH):
        if first >= STEPS_BEFORE * WORKERS:
            await left.wait()
        batch = events[first : first + BATCH]
        answer = await world.post("/v1/events", world.provider, {"events": batch})
        for event, result in zip(batch, answer["results"], strict=True):
            assert result["status"] == "accepted", result
            accepted[event["source_event_id"]] = UUID(result["event_id"])


async def _kill_now_and_then(world: World, processes: dict[str, HubProcess], total: int) -> None:
    """SIGKILL both workers each time another share of the events has been read; start them again."""
    rng = random.Random(7)
    for kill in range(1, KILLS + 1):
        wanted = total * kill // (KILLS + 1)
        for name in rng.sample(["projections", "delivery"], 2):
            await until(lambda n=wanted: _at_least(world.pool, n), within_s=180)  # type: ignore[misc]
            async with world.between_withdrawals() if name == "delivery" else nullcontext():
                processes[name].kill()
                processes[name].start()


async def _at_least(pool: Pool, wanted: int) -> bool:
    count: int = await pool.fetchval(
        "SELECT count(*) FROM read.story WHERE event_type = 'TrainingProgressed'"
    )
    return count >= wanted


async def test_every_event_once_every_update_sent_none_without_consent(
    processes: dict[str, HubProcess], world: World, settings: Settings
) -> None:
    total = WORKERS * EVENTS_EACH
    sharing = world.workers[:SHARING]
    staying, leaving = sharing[:-WITHDRAWING], sharing[-WITHDRAWING:]
    await asyncio.gather(*(share(world, worker_id) for worker_id in sharing))
    accepted: dict[str, UUID] = {}
    ended: dict[UUID, float] = {}
    left = asyncio.Event()

    async def leave_midway() -> None:
        await until(lambda: _at_least(world.pool, total // 2), within_s=180)
        for worker_id in leaving:
            ended[worker_id] = await withdraw(world, worker_id)
        left.set()

    async with asyncio.TaskGroup() as parties:
        parties.create_task(_post_all(world, accepted, left))
        parties.create_task(_kill_now_and_then(world, processes, total))
        parties.create_task(leave_midway())
    await until(lambda: _at_least(world.pool, total), within_s=120)
    await _check_story(world, accepted)
    await _check_deliveries(world, settings, accepted, staying)
    await _check_withdrawn(world, settings, ended)
    await _check_seen(world, staying[0], leaving[0])
    assert processes["projections"].kills == processes["delivery"].kills == KILLS


async def _check_story(world: World, accepted: dict[str, UUID]) -> None:
    rows = await world.pool.fetch(
        "SELECT event_id FROM read.story WHERE event_type = 'TrainingProgressed'"
    )
    assert len(accepted) == len(rows) == WORKERS * EVENTS_EACH
    assert {row["event_id"] for row in rows} == set(accepted.values())
    counts = await world.pool.fetch("SELECT sessions FROM read.training")
    assert [row["sessions"] for row in counts] == [EVENTS_EACH] * WORKERS


async def _check_deliveries(
    world: World, settings: Settings, accepted: dict[str, UUID], staying: list[UUID]
) -> None:
    vault, receiver = await Vault.open(settings), world.receiver

    def expected(worker_id: UUID) -> list[str]:
        number = world.workers.index(worker_id)
        ids = [accepted[f"{number}-{step}"] for step in range(EVENTS_EACH)]
        return [vault.message_id(world.connection_id, event_id) for event_id in ids]

    wanted = {message for worker_id in staying for message in expected(worker_id)}

    async def all_came() -> bool:
        return wanted <= {item.message_id for item in receiver.received}

    await until(all_came, within_s=180)
    assert receiver.badly_signed == 0
    by_subject = receiver.by_subject()
    for worker_id in staying:
        items = by_subject[vault.pseudonym(worker_id, "acme")]
        first_seen = list(dict.fromkeys(item.message_id for item in items))
        assert first_seen == expected(worker_id)


async def _check_withdrawn(world: World, settings: Settings, ended: dict[UUID, float]) -> None:
    """Nothing came for those who never agreed, nor after a withdrawal had returned."""
    vault, by_subject = await Vault.open(settings), world.receiver.by_subject()
    agreed = {vault.pseudonym(worker_id, "acme") for worker_id in world.grants}
    assert set(by_subject) <= agreed
    for worker_id, at in ended.items():
        items = by_subject.get(vault.pseudonym(worker_id, "acme"), [])
        assert all(item.at <= at for item in items), "sent after the withdrawal had returned"
        assert len({item.message_id for item in items}) < EVENTS_EACH


async def _check_seen(world: World, staying: UUID, left: UUID) -> None:
    """The worker reads the story; the employer reads it only while the worker shares."""
    path = f"/v1/workers/{staying}/story"
    mine = (await world.http.get(path, headers=world.tokens[staying])).json()
    assert mine["items"]
    theirs = await world.http.get(path, headers=world.employer)
    assert theirs.status_code == 200
    gone = await world.http.get(f"/v1/workers/{left}/story", headers=world.employer)
    assert gone.status_code == 404
