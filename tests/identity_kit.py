"""For the tests of identity: organisations that send, people who claim, and whose what is."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx
from aiokafka import AIOKafkaProducer

from schemas.catalog import event_types
from services.common import codec
from services.common.access import Role
from services.common.settings import Settings
from services.common.vault import Keyring, Place, Redacted, Vault
from services.consent.identity.handlers import IDENTITY
from services.projections.projections import PROJECTIONS
from services.projections.settings import ProjectionsSettings
from services.projections.worker import ProjectionsWorker
from tests.conftest import Hub
from tests.ingest_kit import enrolled, on_the_log
from tests.processes import until

# Written about ids, or by identity itself: nobody's facts.
NOT_FACTS = ("SourceRecordLinked", "SourceRecordUnlinked", "WorkersMerged", "WorkersSplit")


@asynccontextmanager
async def projecting(settings: Settings) -> AsyncIterator[ProjectionsWorker]:
    """A projections worker in this process."""
    worker = ProjectionsWorker(settings, ProjectionsSettings(), PROJECTIONS)
    task = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        worker.stop()
        await task


@dataclass
class World:
    """One hub, seen by organisations and people."""

    hub: Hub
    settings: Settings
    producer: AIOKafkaProducer
    keys: dict[str, dict[str, str]] = field(default_factory=dict)
    numbers: Iterable[int] = field(default_factory=lambda: itertools.count(1))

    vault: Vault | None = None

    async def ready(self) -> World:
        self.vault = await Vault.open(self.settings)
        return self

    def index(self, source: str, record: str) -> bytes:
        assert self.vault is not None
        return self.vault.blind_index(source, record)

    async def worker_of(self, source: str, record: str) -> UUID:
        """Whose the record is now."""
        found: UUID = await self.hub.pool.fetchval(
            "SELECT worker_id FROM vault.source_record WHERE source = $1 AND record_index = $2",
            source,
            self.index(source, record),
        )
        return found

    async def organization(self, name: str) -> dict[str, str]:
        if name not in self.keys:
            self.keys[name] = await self.hub.key(Role.PROVIDER, name)
        return self.keys[name]

    async def register(self, source: str, record: str) -> dict[str, Any]:
        """worker_id, and a claim code while the record is not claimed."""
        answer = await self.hub.http.post(
            "/v1/workers",
            json={"source_record_id": record, "display_name": f"{record} of {source}"},
            headers=await self.organization(source),
        )
        assert answer.status_code in (200, 201), answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def result(self, source: str, **about: Any) -> dict[str, Any]:
        """What becomes of an event about a record, a worker_id or both."""
        number = next(iter(self.numbers))
        posted = enrolled(**about, provider_id=source, enrolment_id=f"e-{number}")
        posted = {name: posted[name] for name in posted if name != "source_record_id"} | about
        answer = await self.hub.http.post(
            "/v1/events", json={"events": [posted]}, headers=await self.organization(source)
        )
        found: dict[str, Any] = answer.json()["results"][0]
        return found

    async def send(self, source: str, record: str | None = None, **item: Any) -> UUID:
        """Post one event about a record (or a worker_id), and answer the event's id."""
        number = next(iter(self.numbers))
        about = {"source_record_id": record} if record else {"source_record_id": None}
        item = {"enrolment_id": f"e-{number}", **item}
        posted = enrolled(**about, provider_id=source, **item)
        posted = {name: value for name, value in posted.items() if value is not None}
        answer = await self.hub.http.post(
            "/v1/events", json=posted, headers=await self.organization(source)
        )
        assert answer.status_code == 202, answer.text
        return UUID(answer.json()["event_id"])

    async def claim(
        self, code: str, who: dict[str, str] | None = None, **more: Any
    ) -> httpx.Response:
        return await self.hub.http.post(
            "/v1/claims", json={"code": code, **more}, headers=who or {}
        )

    async def newcomer(self, source: str, record: str) -> tuple[UUID, dict[str, str]]:
        """Somebody who takes up a record and has no id yet: the id, and headers to act with."""
        code = (await self.register(source, record))["claim_code"]
        answer = await self.claim(code)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        return UUID(body["worker_id"]), {"Authorization": f"Bearer {body['token']}"}

    async def ended(self, move_id: str, who: dict[str, str]) -> dict[str, Any]:
        async def look() -> dict[str, Any] | None:
            answer = await self.hub.http.get(f"/v1/identity/moves/{move_id}", headers=who)
            assert answer.status_code == 200, answer.text
            return answer.json() if answer.json()["state"] == "ended" else None

        found = await until(look)
        assert found is not None
        return found

    async def all_read(self) -> None:
        """Until the read model holds the whole log, and nothing is left to forward."""
        read = -1
        while read != (count := len(await on_the_log(self.settings))):
            await until(self._passed)
            read = count

    async def _passed(self) -> bool:
        """No move is open, and read model and follower have passed where the log ends now."""
        ends: dict[tuple[str, int], int] = {}
        for topic in ("stories", "deliveries"):
            for record in await on_the_log(self.settings, topic):
                ends[topic, record.partition] = record.offset + 1
        rows = await self.hub.pool.fetch(
            "SELECT p.topic, p.partition, p.next_offset, s.next_offset AS done"
            " FROM read.stream_position p LEFT JOIN consent.straggler_position s"
            " USING (topic, partition)"
        )
        read = {(r["topic"], r["partition"]): (r["next_offset"], r["done"] or 0) for r in rows}
        open_moves = await self.hub.pool.fetchval(
            "SELECT count(*) FROM consent.identity_move WHERE ended_at IS NULL"
        )
        return not open_moves and all(min(read.get(p, (0, 0))) >= end for p, end in ends.items())

    async def facts(self, worker_id: UUID | str) -> set[UUID]:
        """The events of a person's story but for those that identity itself wrote."""
        return {event.event_id for event in await self.story(worker_id)}

    async def story(self, worker_id: UUID | str) -> list[codec.Decoded]:
        rows = await self.hub.pool.fetch(
            "SELECT schema_id, payload FROM read.story WHERE worker_id = $1 ORDER BY log_offset",
            UUID(str(worker_id)),
        )
        events = [codec.decode(b"\0" + r[0].to_bytes(4, "big") + r[1]) for r in rows]
        return [e for e in events if e.fields["actor_id"] != IDENTITY.id]

    async def opened(self, event: codec.Decoded, name: str) -> str | Redacted:
        place = Place("stories", event.event_id, event.worker_id, name)
        keyring = Keyring(self.hub.pool, await Vault.open(self.settings))
        return (await keyring.open_all({place: event.fields[name]}))[place]

    async def late(self, worker_id: UUID | str, like: UUID, event_id: UUID) -> None:
        """Put an event under a key as a producer does that knows nothing of what happened since."""
        for record in await on_the_log(self.settings):
            event = codec.decode(record.value)
            if event.event_id == like:
                break
        else:
            raise AssertionError(f"{like} is not on the log")
        old = UUID(str(worker_id))
        number = event.fields["source_record_id"]
        keyring = Keyring(self.hub.pool, await Vault.open(self.settings))
        if number is not None:
            here = Place("stories", event.event_id, event.worker_id, "source_record_id")
            plain = (await keyring.open_all({here: number}))[here]
            assert isinstance(plain, str)
            keys = await keyring.for_sealing([(old, "identity")])
            there = Place("stories", event_id, old, "source_record_id")
            number = keys[old, "identity"].seal(there, plain.encode())
        fields = {
            **event.fields,
            "worker_id": old.bytes,
            "event_id": event_id.bytes,
            "enrolment_id": f"late-{event_id}",
            "source_record_id": number,
        }
        kind = event_types()[event.name]
        await self.producer.send_and_wait(
            self.settings.topic("stories"),
            codec.encode(kind, fields),
            key=old.bytes,
            headers=codec.headers(kind, fields),
        )
