"""Whatever is posted: no answer is a 500, and nothing is on the log that does not decode."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from hypothesis import HealthCheck, given, seed
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from schemas.models import MODELS
from services.common.access import Role
from services.common.codec import decode
from services.common.settings import Settings
from tests.conftest import Hub
from tests.processes import until

SERVICES = ("ingest",)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner),
    max_leaves=12,
)
GOOD: dict[str, Any] = {
    "type": "TrainingEnrolled",
    "source_record_id": "r-1",
    "occurred_at": "2026-01-05T08:00:00Z",
    "enrolment_id": "e-1",
    "course_id": "c-1",
    "provider_id": "river-college",
}


@st.composite
def almost_events(draw: st.DrawFn) -> dict[str, Any]:
    """A good event with some fields replaced, added or taken away."""
    event = dict(GOOD)
    event["type"] = draw(st.sampled_from(sorted(MODELS)) | st.just("TrainingEnrolled"))
    names = st.sampled_from([*GOOD, "event_id", "source_event_id", "supersedes", "worker_id"])
    for name in draw(st.lists(names | st.text(max_size=8), max_size=3)):
        if draw(st.booleans()):
            event[name] = draw(JSON)
        else:
            event.pop(name, None)
    return event


def bodies() -> st.SearchStrategy[bytes]:
    events = almost_events() | JSON
    batches = st.lists(events, max_size=5)
    whole = events | batches | st.fixed_dictionaries({"events": batches})
    # What is not JSON, and JSON that is cut off, is posted, too.
    text = whole.map(lambda value: json.dumps(value).encode("utf-8", "surrogatepass"))
    return text | st.binary(max_size=40) | text.map(lambda b: b[: len(b) // 2])


async def _fuzz(hub: Hub, requests: int, run: int) -> int:
    """Post bodies; how many events were taken."""
    made: list[bytes] = []

    @seed(run)
    @hypothesis_settings(
        max_examples=requests, database=None, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(bodies())
    def collect(body: bytes) -> None:
        made.append(body)

    collect()
    random.Random(run).shuffle(made)
    headers = await hub.key(Role.PROVIDER, "river-college")
    headers["Content-Type"] = "application/json"
    taken = 0
    for body in made:
        answer = await hub.http.post("/v1/events", content=body, headers=headers)
        assert answer.status_code < 500, (body, answer.text)
        if answer.status_code in {202, 207}:
            results = answer.json()
            listed = results.get("results", [results])
            taken += sum(result.get("status") == "accepted" for result in listed)
    return taken


async def _log_decodes(settings: Settings, at_least: int) -> None:
    consumer = AIOKafkaConsumer(
        settings.topic("stories"),
        bootstrap_servers=settings.kafka_bootstrap,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    seen = 0

    async def enough() -> bool:
        nonlocal seen
        for records in (await consumer.getmany(timeout_ms=100)).values():
            seen += len([decode(record.value) for record in records])
        return seen >= at_least

    await until(enough)
    await consumer.stop()


async def test_a_sample_of_bodies(hub: Hub, settings: Settings) -> None:
    taken = await _fuzz(hub, 400, run=1)
    assert taken > 0, "nothing of it was good: the strategy does not reach the log"
    await _log_decodes(settings, taken)


@pytest.mark.fuzz_long
@pytest.mark.parametrize("run", range(10))
async def test_many_bodies(hub: Hub, settings: Settings, run: int) -> None:
    await _log_decodes(settings, await _fuzz(hub, 5_000, run=100 + run))
