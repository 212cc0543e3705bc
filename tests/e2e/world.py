"""The parties of the end-to-end and fault tests: who they are, and what they do over HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx

from services.common.access import Role, issue_key
from services.common.postgres import Pool
from tests.e2e.receiver import Receiver


class World:
    """The processes, the parties and what they know."""

    def __init__(self, http: httpx.AsyncClient, receiver: Receiver, pool: Pool) -> None:
        self.http = http
        self.receiver = receiver
        self.pool = pool
        self.workers: list[UUID] = []
        self.tokens: dict[UUID, dict[str, str]] = {}
        self.grants: dict[UUID, str] = {}
        self.provider: dict[str, str] = {}
        self.employer: dict[str, str] = {}
        self.connection_id = ""
        self.withdrawing = asyncio.Lock()

    @asynccontextmanager
    async def between_withdrawals(self) -> AsyncIterator[None]:
        """Delivery is killed only in here.

        A withdrawal waits for a request that is on its way to the receiver, and a kill ends the
        wait. Both are read by this process: what was on its way is read first, or it seems to have
        come after the withdrawal had returned.
        """
        async with self.withdrawing:
            yield
            await asyncio.sleep(0.2)

    async def post(self, path: str, key: dict[str, str], body: Any) -> dict[str, Any]:
        answer = await self.http.post(path, json=body, headers=key)
        assert answer.status_code < 300, f"{path}: {answer.status_code} {answer.text}"
        found: dict[str, Any] = answer.json()
        return found


async def found(world: World, workers: int) -> None:
    """Register the parties, the people and the connection."""
    token = await issue_key(world.pool, Role.OPERATOR, "hub")
    operator = {"Authorization": f"Bearer {token}"}
    for name, kind in (("river-college", "PROVIDER"), ("acme", "EMPLOYER")):
        order = {"organization_id": name, "name": name.title(), "kind": kind}
        answer = await world.post("/v1/organizations", operator, order)
        key = {"Authorization": f"Bearer {answer['key']}"}
        setattr(world, "provider" if kind == "PROVIDER" else "employer", key)
    order = {
        "connector": "webhook",
        "url": world.receiver.url,
        "categories": ["training"],
        "purpose": "advancement",
    }
    connection = await world.post("/v1/connections", world.employer, order)
    world.connection_id, world.receiver.secret = connection["connection_id"], connection["secret"]
    made = await asyncio.gather(*(_register(world, n) for n in range(workers)))
    world.workers = [worker_id for worker_id, _ in made]
    world.tokens = dict(made)


async def _register(world: World, number: int) -> tuple[UUID, dict[str, str]]:
    order = {"source_record_id": f"r-{number}", "display_name": f"Person {number}"}
    worker = await world.post("/v1/workers", world.provider, order)
    claim = await world.post("/v1/claims", {}, {"code": worker["claim_code"]})
    return UUID(worker["worker_id"]), {"Authorization": f"Bearer {claim['token']}"}


async def share(world: World, worker_id: UUID) -> None:
    wording = (await world.http.get("/v1/consent-wording")).json()["wordings"][0]
    order = {
        "recipient_id": "acme",
        "categories": ["training"],
        "purposes": ["advancement"],
        "grant_id": str(uuid4()),
        "valid_until": (datetime.now(UTC) + timedelta(days=90)).isoformat(),
        "wording_version": wording["version"],
        "wording_language": wording["language"],
    }
    answer = await world.post("/v1/grants", world.tokens[worker_id], order)
    world.grants[worker_id] = answer["grant_id"]


async def withdraw(world: World, worker_id: UUID) -> float:
    """Stop sharing; when that had returned, as time.monotonic has it."""
    path = f"/v1/grants/{world.grants[worker_id]}"
    async with world.withdrawing:
        answer = await world.http.delete(path, headers=world.tokens[worker_id])
        assert answer.status_code == 200, answer.text
        return time.monotonic()
