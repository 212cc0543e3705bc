"""SIGKILL of the delivery process mid-stream: everything consented arrives, in order, and no more."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from uuid import UUID

import pytest

from services.common.settings import Settings
from tests.integration.delivery_kit import Inbox, Parties, projecting
from tests.processes import HubProcess, until

SERVICES = ("consent", "delivery")
WORKERS, SHARING, STEPS = 12, 6, 60


@pytest.fixture
def short_leases(environment: dict[str, str]) -> dict[str, str]:
    quick = {"DELIVERY_LEASE": "PT1S", "DELIVERY_REQUEST_TIMEOUT": "PT2S"}
    return {**environment, **quick, "DELIVERY_FIRST_RETRY": "PT0.1S"}


@pytest.mark.parametrize("processes", [pytest.param(1, marks=pytest.mark.faults_long), 2])
async def test_killed_midway_everything_arrives_in_order(
    parties: Parties,
    settings: Settings,
    acme: Inbox,
    short_leases: dict[str, str],
    tmp_path: Path,
    processes: int,
) -> None:
    connection = await parties.connect(await parties.organization("acme"), acme.url)
    people = [await parties.worker() for _ in range(WORKERS)]
    running = [
        HubProcess(
            "work",
            "delivery",
            environment={**short_leases, "DELIVERY_INSTANCE_ID": f"delivery-{n}"},
            log=tmp_path / f"delivery-{n}.log",
        )
        for n in range(processes)
    ]
    for process in running:
        process.start()
    try:
        async with projecting(settings):
            for _, token in people[:SHARING]:
                await parties.grant(token, "acme")
            sent = await _report(parties, people, acme, running)
            await until(lambda: _all_came(parties, connection, acme, sent), within_s=90)
    finally:
        for process in running:
            process.stop()
            print(process.log_tail())
    _check(parties, connection, acme, sent, people)


async def _report(
    parties: Parties,
    people: list[tuple[UUID, dict[str, str]]],
    acme: Inbox,
    running: list[HubProcess],
) -> dict[UUID, list[UUID]]:
    """Each worker's steps in order; meanwhile a process dies whenever some more have arrived."""
    sent: dict[UUID, list[UUID]] = {worker_id: [] for worker_id, _ in people}

    async def post() -> None:
        for step in range(STEPS):
            for worker_id, _ in people:
                sent[worker_id].append((await parties.progressed(worker_id, step))[0])

    async def kill() -> None:
        rng = random.Random(11)
        for share in (1, 2, 3):
            await until(lambda n=share: _at_least(acme, SHARING * STEPS * n // 5), within_s=60)
            process = rng.choice(running)
            process.kill()
            process.start()

    await asyncio.gather(post(), kill())
    return sent


async def _at_least(acme: Inbox, wanted: int) -> bool:
    return len(acme.ids()) >= wanted


async def _all_came(
    parties: Parties, connection: dict[str, str], acme: Inbox, sent: dict[UUID, list[UUID]]
) -> bool:
    wanted = {
        parties.message(connection, event_id)
        for worker_id in list(sent)[:SHARING]
        for event_id in sent[worker_id]
    }
    return wanted <= set(acme.ids())


def _check(
    parties: Parties,
    connection: dict[str, str],
    acme: Inbox,
    sent: dict[UUID, list[UUID]],
    people: list[tuple[UUID, dict[str, str]]],
) -> None:
    sharing = [worker_id for worker_id, _ in people[:SHARING]]
    agreed = {parties.subject(worker_id, "acme") for worker_id in sharing}
    assert {message.subject for message in acme.messages} == agreed
    for worker_id in sharing:
        expected = [parties.message(connection, event_id) for event_id in sent[worker_id]]
        assert acme.ids(parties.subject(worker_id, "acme")) == expected
        for message_id in expected:
            numbers = {m.body["sequence"] for m in acme.messages if m.id == message_id}
            assert numbers == {str(expected.index(message_id) + 1).zfill(20)}
