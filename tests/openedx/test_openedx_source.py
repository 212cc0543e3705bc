"""Open edX's own libraries send, from a process of their own; the hub takes it within a second."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from services.common.codec import Decoded, decode
from services.common.postgres import Pool
from services.common.settings import Settings
from tests.processes import HubProcess, until

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


@pytest.fixture
async def openedx(
    openedx_python: Path, registry_url: str, settings: Settings
) -> AsyncIterator[OpenEdx]:
    topic, prefix = "learning-events", f"edx{secrets.token_hex(3)}"
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(f"{prefix}-{topic}", 2, 1)])
    await admin.close()
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
    openedx: OpenEdx, registry_url: str, environment: dict[str, str], tmp_path: Path
) -> AsyncIterator[HubProcess]:
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
        await until(lambda n=expected: stories.holds(n), within_s=20)  # type: ignore[misc]
        waits.append(time.monotonic() - sent_at)
        assert [e.name for e in stories.seen[first:]][-len(types) :] == types
    print("seconds from their acknowledgement to our log:", [f"{w:.3f}" for w in waits])
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
            source.kill()
            source.start()
    await until(lambda: stories.holds(31), within_s=90)
    await stories.holds(10**9)  # whatever else may have come
    ids = {event.event_id for event in stories.seen}
    badges = [e.fields["credential_id"] for e in stories.seen if e.name == "CredentialAwarded"]
    assert len(ids) == 31
    assert set(badges) == {f"badge/b-{number}" for number in range(30)}
