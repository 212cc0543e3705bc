"""Commands that look into a running hub: what they show is what is on the log."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer

from services.common import emit
from services.common.postgres import Pool
from services.common.settings import Settings


def _run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "services.cli", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


@pytest.fixture
async def told(settings: Settings, producer: AIOKafkaProducer) -> list[str]:
    """Three events on the log; the ids of the workers they are about."""
    at, workers = datetime.now(UTC), [uuid4() for _ in range(3)]
    for worker_id in workers:
        event = emit.about_worker(
            "TrainingAcknowledged", uuid4(), worker_id, emit.SYSTEM, at=at, course_id="forklift",
            enrolment_id="e-1", employer_id="acme",
        )  # fmt: skip
        await producer.send_and_wait(settings.topic("stories"), event.value, key=event.key)
    return sorted(map(str, workers))


def test_tail_prints_every_event_of_every_partition(
    told: list[str], environment: dict[str, str]
) -> None:
    done = _run(environment, "tail", "--from-start", "-n", "3", "--json")

    shown = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    assert sorted(event["worker_id"] for event in shown) == told
    assert {event["type"] for event in shown} == {"TrainingAcknowledged"}


async def test_the_doctor_counts_what_the_read_model_has_not_passed(
    told: list[str], environment: dict[str, str], pool: Pool
) -> None:
    await pool.execute(
        "INSERT INTO read.stream_position (topic, partition, next_offset) VALUES ('stories', 0, 0)"
    )

    done = _run(environment, "doctor", "--json")

    findings = {finding["name"]: finding for finding in json.loads(done.stdout)}
    assert findings["projections"]["found"] == "3 records behind", done.stdout
    assert findings["topics"]["ok"]


def test_a_topic_that_was_not_made_yet_is_not_found(environment: dict[str, str]) -> None:
    done = _run({**environment, "TOPIC_PREFIX": "none."}, "tail")

    assert done.returncode == 3
    assert "throughline init" in done.stderr
