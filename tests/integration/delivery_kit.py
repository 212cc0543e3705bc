"""For the tests of consent and delivery: parties, events, and a receiver that does as it is told."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from aiohttp import web
from aiokafka import AIOKafkaProducer
from standardwebhooks import Webhook

from schemas.catalog import event_types
from services.common.access import Role
from services.common.emit import Actor, about_organization, about_worker, publish
from services.common.ids import new_id
from services.common.kafka import Position
from services.common.postgres import Pool
from services.common.settings import Settings
from services.common.vault import Vault
from services.delivery.settings import DeliverySettings
from services.delivery.worker import DeliveryWorker
from services.projections.projections import PROJECTIONS
from services.projections.settings import ProjectionsSettings
from services.projections.worker import ProjectionsWorker
from tests.conftest import Hub

QUICK = DeliverySettings(
    lease=timedelta(seconds=2),
    request_timeout=timedelta(seconds=20),  # a call that is cut comes twice; tests count
    first_retry=timedelta(milliseconds=50),
    longest_retry=timedelta(seconds=1),
    idle_look=timedelta(milliseconds=100),
)


@dataclass(frozen=True)
class Message:
    """One request that reached the receiver, with the time its body had been read."""

    at: float
    headers: dict[str, str]
    body: dict[str, Any]
    raw: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def subject(self) -> str:
        return str(self.body["subject"])


Answer = Callable[[Message], Awaitable[web.Response]]


@dataclass
class Inbox:
    """A receiver: keeps what it gets, and answers 204 unless told otherwise."""

    url: str = ""
    messages: list[Message] = field(default_factory=list)
    answer: Answer | None = None

    async def take(self, request: web.Request) -> web.Response:
        raw = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        message = Message(time.monotonic(), headers, json.loads(raw), raw)
        self.messages.append(message)
        return await self.answer(message) if self.answer else web.Response(status=204)

    def ids(self, subject: str | None = None) -> list[str]:
        """Message ids in the order they first came."""
        wanted = [m.id for m in self.messages if subject in (None, m.subject)]
        return list(dict.fromkeys(wanted))


@asynccontextmanager
async def inbox() -> AsyncIterator[Inbox]:
    made = Inbox()
    app = web.Application()
    app.router.add_post("/hook", made.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    made.url = f"http://127.0.0.1:{port}/hook"
    try:
        yield made
    finally:
        await runner.cleanup()


@asynccontextmanager
async def running(worker: DeliveryWorker | ProjectionsWorker) -> AsyncIterator[asyncio.Task[None]]:
    """A worker in this process; its failure is the test's."""
    task = asyncio.create_task(worker.run())
    try:
        yield task
    finally:
        worker.stop()
        await asyncio.wait_for(task, 60)


def delivering(settings: Settings, own: DeliverySettings = QUICK) -> Any:
    return running(DeliveryWorker(settings, own))


def projecting(settings: Settings) -> Any:
    return running(ProjectionsWorker(settings, ProjectionsSettings(), PROJECTIONS))


class Parties:
    """A provider that reports, employers that would like to know, and people."""

    def __init__(
        self, hub: Hub, settings: Settings, producer: AIOKafkaProducer, vault: Vault
    ) -> None:
        self.hub = hub
        self.settings = settings
        self.producer = producer
        self.vault = vault

    async def organization(self, name: str, kind: str = "EMPLOYER") -> dict[str, str]:
        """Register an organisation on the log and in the read model; answers its key."""
        event = about_organization(
            "OrganizationRegistered",
            new_id(),
            name,
            Actor("OPERATOR", "op", "hub"),
            at=datetime.now(UTC),
            entity_id=name,
            version=1,
            name=name.title(),
            kind=kind,
            city=None,
            region=None,
            postal_code=None,
            website=None,
        )
        await publish(self.producer, self.settings, event)
        await self.hub.pool.execute(
            "INSERT INTO read.organization (organization_id, name, kind) VALUES ($1, $1, $2)"
            " ON CONFLICT DO NOTHING",
            name,
            kind,
        )
        return await self.hub.key(Role(kind.lower()), name)

    async def connect(self, key: dict[str, str], url: str, **over: Any) -> dict[str, Any]:
        order = {
            "connector": "webhook",
            "url": url,
            "categories": ["training", "employment", "wage", "identity"],
            "purpose": "advancement",
        }
        answer = await self.hub.http.post("/v1/connections", json=order | over, headers=key)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def worker(self) -> tuple[UUID, dict[str, str]]:
        worker_id = new_id()
        return worker_id, await self.hub.key(Role.WORKER, str(worker_id))

    def order(self, recipient: str, **over: Any) -> dict[str, Any]:
        """A grant as the portal sends it."""
        return {
            "grant_id": str(new_id()),
            "recipient_id": recipient,
            "categories": ["training"],
            "purposes": ["advancement"],
            "valid_until": (datetime.now(UTC) + timedelta(days=30)).isoformat(),
            "wording_version": "2026-11",
            "wording_language": "en",
            **over,
        }

    async def grant(self, token: dict[str, str], recipient: str, **over: Any) -> dict[str, Any]:
        answer = await self.hub.http.post(
            "/v1/grants", json=self.order(recipient, **over), headers=token
        )
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def withdraw(self, token: dict[str, str], grant: dict[str, Any]) -> dict[str, Any]:
        answer = await self.hub.http.delete(f"/v1/grants/{grant['grant_id']}", headers=token)
        assert answer.status_code == 200, answer.text
        ended: dict[str, Any] = answer.json()
        return ended

    async def progressed(
        self,
        worker_id: UUID,
        step: int,
        *,
        event_id: UUID | None = None,
        traceparent: str | None = None,
    ) -> tuple[UUID, Position]:
        return await self.story(
            worker_id,
            "TrainingProgressed",
            event_id=event_id,
            traceparent=traceparent,
            enrolment_id="e-1",
            course_id="forklift",
            activity_id=f"step-{step}",
            verb="answered",
            progress=0.5,
        )

    async def story(
        self,
        worker_id: UUID,
        name: str,
        *,
        event_id: UUID | None = None,
        traceparent: str | None = None,
        sealed: Callable[[UUID], dict[str, bytes]] = lambda _: {},
        **own: Any,
    ) -> tuple[UUID, Position]:
        """An event of a provider, straight onto the log. `sealed` makes what is sealed in it."""
        event_id = event_id or new_id()
        absent = {f.name: None for f in event_types()[name].own_fields if f.nullable}
        actor = Actor("PROVIDER", "p-1", "river-college")
        fields = absent | own | sealed(event_id)
        event = about_worker(name, event_id, worker_id, actor, at=datetime.now(UTC), **fields)
        if traceparent:
            event.headers.append(("traceparent", traceparent.encode()))
        return event_id, await publish(self.producer, self.settings, event)

    def subject(self, worker_id: UUID, recipient: str) -> str:
        return self.vault.pseudonym(worker_id, recipient)

    def message(self, connection: dict[str, Any], event_id: UUID) -> str:
        return self.vault.message_id(connection["connection_id"], event_id)


def verified(message: Message, secret: str) -> Any:
    """The body, once the independent library has checked the signature."""
    return Webhook(secret).verify(message.raw, message.headers)


async def attempts(pool: Pool, outcome: str) -> list[dict[str, Any]]:
    """What the read model says was attempted, under which grant and with what reason."""
    rows = await pool.fetch("SELECT * FROM read.disclosure WHERE outcome = $1", outcome)
    return [dict(row) for row in rows]


async def came(box: Inbox, wanted: int) -> bool:
    """Whether so many different messages have come."""
    return len(box.ids()) >= wanted


async def matched(pool: Pool, position: Position) -> bool:
    """Whether matching has passed a position."""
    done = await pool.fetchval(
        "SELECT next_offset FROM delivery.position WHERE topic = $1 AND partition = $2",
        position.topic,
        position.partition,
    )
    return done is not None and done > position.offset


async def settled(pool: Pool) -> bool:
    """Whether nothing waits, nothing is on its way and everything is told."""
    waiting = await pool.fetchval(
        "SELECT count(*) FROM delivery_work.lane WHERE pending > 0 OR lease IS NOT NULL"
        " OR snapshots > 0"
    )
    return not waiting and not await pool.fetchval(
        "SELECT count(*) FROM delivery_work.announcement"
    )
