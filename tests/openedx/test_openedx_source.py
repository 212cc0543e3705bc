"""Open edX's own libraries send, from a process of their own; the hub takes it within a second."""

from __future__ import annotations

import asyncio
import json
import secrets
import statistics
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from structlog.testing import capture_logs

from connectors.testing import listening
from services.common.access import Role, issue_key
from services.common.codec import Decoded, decode
from services.common.postgres import Pool
from services.common.settings import Settings
from services.common.vault import Keyring, Vault
from services.ingest.settings import IngestSettings
from services.ingest.sources.openedx import OpenEdxSource
from services.ingest.sources.settings import OpenEdxSettings
from services.ingest.writer import Writer
from tests.processes import HubProcess, until

# The first of them fetches what Open edX and Apicurio consist of.
pytestmark = pytest.mark.timeout(900)
COURSE = "course-v1:River+FORK1+2026"
SIGNALS = [
    ("COURSE_ENROLLMENT_CREATED", ["TrainingEnrolled"]),
    ("CERTIFICATE_CREATED", ["TrainingCompleted", "CredentialAwarded"]),
    ("BADGE_AWARDED", ["CredentialAwarded"]),
    ("BADGE_REVOKED", ["CredentialRevoked"]),
    ("CERTIFICATE_REVOKED", ["CredentialRevoked"]),
    ("COURSE_UNENROLLMENT_COMPLETED", ["TrainingExited"]),
]


class OpenEdx:
    """The other side: a process that sends what it is told to."""

    def __init__(self, process: asyncio.subprocess.Process, topic: str) -> None:
        self._process = process
        self.topic = topic

    async def send(self, signal: str, **more: Any) -> float:
        """Have an event sent; when it was acknowledged, as time.monotonic has it."""
        order = {"signal": signal, "topic": self.topic, "user_id": 4711, "course": COURSE}
        order |= {"badge": "b-1", **more}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        line = await asyncio.wait_for(self._process.stdout.readline(), 60)
        assert line == b"sent\n", line
        return time.monotonic()


async def make_topic(settings: Settings, name: str, partitions: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(name, partitions, 1)])
    await admin.close()


@pytest.fixture
async def openedx(
    openedx_python: Path, registry_url: str, settings: Settings
) -> AsyncIterator[OpenEdx]:
    topic, prefix = "learning-events", f"edx{secrets.token_hex(3)}"
    await make_topic(settings, f"{prefix}-{topic}", partitions=2)
    process = await asyncio.create_subprocess_exec(
        openedx_python,
        Path(__file__).parent / "produce.py",
        settings.kafka_bootstrap,
        registry_url,
        prefix,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    made = OpenEdx(process, topic)
    made.full_topic = f"{prefix}-{topic}"  # type: ignore[attr-defined]
    yield made
    process.kill()
    await process.wait()


@pytest.fixture
async def source(
    openedx: OpenEdx, registry_url: str, environment: dict[str, str], pool: Pool, tmp_path: Path
) -> AsyncIterator[HubProcess]:
    await issue_key(pool, Role.PROVIDER, "river-college")
    env = {
        **environment,
        "OPENEDX_TOPICS": json.dumps([openedx.full_topic]),  # type: ignore[attr-defined]
        "OPENEDX_REGISTRY_URL": registry_url,
        "OPENEDX_PROVIDER_ID": "river-college",
        "OPENEDX_GROUP": f"g-{secrets.token_hex(4)}",
    }
    process = HubProcess("work", "ingest", environment=env, log=tmp_path / "source.log")
    process.start()
    yield process
    process.stop()
    print(process.log_tail())


class Stories:
    """What is on our log, as it comes."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer
        self.seen: list[Decoded] = []

    async def holds(self, count: int) -> bool:
        for records in (await self._consumer.getmany(timeout_ms=20)).values():
            self.seen += [decode(record.value) for record in records]
        return len(self.seen) >= count

    async def holds_credential(self, credential_id: str) -> bool:
        await self.holds(0)
        return any(e.fields.get("credential_id") == credential_id for e in self.seen)


@pytest.fixture
async def stories(settings: Settings) -> AsyncIterator[Stories]:
    consumer = AIOKafkaConsumer(
        settings.topic("stories"),
        bootstrap_servers=settings.kafka_bootstrap,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    yield Stories(consumer)
    await consumer.stop()


async def test_what_they_send_is_ours_within_a_second(
    openedx: OpenEdx, source: HubProcess, stories: Stories
) -> None:
    await openedx.send("COURSE_ENROLLMENT_CREATED", user_id=1)
    await until(lambda: stories.holds(2), within_s=60)  # with the registration of the person
    expected, waits = 2, []
    for signal, types in SIGNALS:
        sent_at = await openedx.send(signal)
        first = len(stories.seen)
        expected += len(types) + (first == 2)
        await until(lambda n=expected: stories.holds(n), within_s=60)  # type: ignore[misc]
        waits.append(time.monotonic() - sent_at)
        assert [e.name for e in stories.seen[first:]][-len(types) :] == types
    print("seconds from their acknowledgement to our log:", [f"{w:.3f}" for w in waits])
    # Far below a second by itself; who waits for a turn of polling takes longer than this.
    assert statistics.median(waits) < 3.0, waits
    mine = [event for event in stories.seen if event.worker_id == stories.seen[-1].worker_id]
    assert {event.fields["source"] for event in mine} == {"river-college"}


async def test_a_record_that_cannot_be_read_is_kept_aside_and_the_rest_goes_on(
    openedx: OpenEdx,
    source: HubProcess,
    stories: Stories,
    producer: AIOKafkaProducer,
    pool: Pool,
) -> None:
    topic: str = openedx.full_topic  # type: ignore[attr-defined]
    await producer.send_and_wait(topic, b"not avro at all", key=b"k")
    await openedx.send("CERTIFICATE_CREATED")
    await until(lambda: stories.holds(3), within_s=60)

    async def rejected() -> int:
        count: int = await pool.fetchval("SELECT count(*) FROM ingest_work.source_reject")
        return count

    assert await until(rejected) == 1


async def test_killed_in_the_middle_nothing_is_lost_or_doubled(
    openedx: OpenEdx, source: HubProcess, stories: Stories
) -> None:
    for number in range(30):
        await openedx.send("BADGE_AWARDED", user_id=7, badge=f"b-{number}")
        if number in {10, 20}:
            # It reads by now, and has the last ones to write.
            reads = f"badge/b-{number - 2}"
            await until(lambda r=reads: stories.holds_credential(r), within_s=60)  # type: ignore[misc]
            source.kill()
            source.start()
    # Of the same person, so it is read last, and written last: after whatever came twice.
    await openedx.send("BADGE_AWARDED", user_id=7, badge="last")
    await until(lambda: stories.holds_credential("badge/last"), within_s=90)

    # What was on its way at a kill may come again, as the same event, which counts once.
    registered, *badges = {event.event_id: event for event in stories.seen}.values()
    assert registered.name == "WorkerRegistered"
    expected = [f"badge/b-{number}" for number in range(30)] + ["badge/last"]
    assert [(event.worker_id, event.fields["credential_id"]) for event in badges] == [
        (registered.worker_id, credential_id) for credential_id in expected
    ]


class FlakyRegistry:
    """A registry that answers 503 to the first questions about some schemas."""

    def __init__(self, failures: dict[int, int]) -> None:
        self._failures = failures
        self.asked: list[int] = []

    async def answer(self, request: web.Request) -> web.Response:
        schema_id = int(request.path.rsplit("/", 1)[1])
        self.asked.append(schema_id)
        self._failures[schema_id] -= 1
        if self._failures[schema_id] >= 0:
            return web.Response(status=503)
        schema = {"type": "record", "name": "Nothing", "fields": []}
        return web.json_response({"schema": json.dumps(schema)})

    async def has_been(self, asked: list[int]) -> bool:
        return self.asked == asked


async def test_after_something_was_taken_the_wait_is_short_again(
    settings: Settings, pool: Pool, producer: AIOKafkaProducer
) -> None:
    await issue_key(pool, Role.PROVIDER, "open-edx")
    registry, topic = FlakyRegistry({1: 2, 2: 1}), f"edx-{secrets.token_hex(4)}"
    await make_topic(settings, topic, partitions=1)
    vault = await Vault.open(settings)
    writer = Writer(settings, pool, vault, Keyring(pool, vault), IngestSettings())
    headers = [(name, b"x") for name in ("ce_type", "ce_id", "ce_time")]
    async with listening(registry.answer) as url:
        own = OpenEdxSettings(topics=(topic,), registry_url=url, group=topic)
        source = OpenEdxSource(own, settings.kafka_bootstrap, writer, pool)
        with capture_logs() as logs:
            reading = asyncio.create_task(source.run())
            for schema_id, asked in ((1, [1, 1, 1]), (2, [1, 1, 1, 2, 2])):
                value = b"\0" + schema_id.to_bytes(4, "big")
                await producer.send_and_wait(topic, value, headers=headers)
                await until(lambda a=asked: registry.has_been(a))  # type: ignore[misc]
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    await writer.close()

    assert [log["wait_s"] for log in logs if log["event"] == "trying again"] == [0.5, 1.0, 0.5]
