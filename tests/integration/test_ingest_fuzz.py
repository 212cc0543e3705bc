"""Whatever is sent to whichever route: no answer is a failure of ours, and all that is on the log
decodes and opens.
"""

from __future__ import annotations

import asyncio
import random
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext
from hypothesis import HealthCheck, Phase, given, seed
from hypothesis import settings as hypothesis_settings

from services.common.access import Role
from services.common.codec import Decoded, decode
from services.common.postgres import Pool
from services.common.settings import Settings
from services.common.vault import Keyring, Place, Redacted, Vault
from tests.conftest import Hub
from tests.fuzz import ORGANIZATIONS, Call, World, answer_fault, calls, good_calls, varied
from tests.processes import until
from tests.registry_kit import registry_app, serving

SERVICES = ("ingest", "consent", "promises")
AT_ONCE = 16
CHUNK = 1_000
TIMES = 5
EVERY = 20  # events, one of which a stranger decodes
MEMORY_BYTES = 200_000_000
Headers = dict[str | None, dict[str, str]]


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A 503 is a failure of ours here; a busy machine's is none."""
    monkeypatch.setenv("INGEST_PATIENCE", "PT45S")
    monkeypatch.setenv("INGEST_HOLD", "PT60S")


@pytest.fixture(autouse=True)
def room_for_uploads(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as are sent at once, so that most are read and not sent away."""
    monkeypatch.setenv("IMPORTS_MAX_UPLOADS", str(4 * AT_ONCE))


class Fuzzing:
    """A hub with organisations, keys and people, and what it has answered so far."""

    def __init__(self, hub: Hub, world: World, headers: Headers) -> None:
        self._hub = hub
        self._world = world
        self._headers = headers
        self.faults: list[str] = []
        self.answers: Counter[tuple[str, int]] = Counter()  # by first part of the path

    @classmethod
    async def begun(cls, hub: Hub) -> Fuzzing:
        operator = await hub.key(Role.OPERATOR, "hub")
        headers: Headers = {None: {}, "nobody": {"Authorization": "Bearer tl_x"}}
        headers["operator"] = operator
        for kind, name in ORGANIZATIONS.items():
            order = {"organization_id": name, "name": name, "kind": kind.upper()}
            answer = await hub.http.post("/v1/organizations", json=order, headers=operator)
            assert answer.status_code == 201, answer.text
            headers[kind] = {"Authorization": f"Bearer {answer.json()['key']}"}
        workers = []
        for number in range(4):
            who = {"source_record_id": f"r-{number}"}
            answer = await hub.http.post("/v1/workers", json=who, headers=headers["provider"])
            workers.append(UUID(answer.json()["worker_id"]))
        headers["worker"] = await hub.key(Role.WORKER, str(workers[0]))
        return cls(hub, World(tuple(workers)), headers)

    def made(self, requests: int, run: int) -> list[Call]:
        """So many calls, `TIMES` of each that hypothesis makes. The same run makes the same."""
        found = good_calls()

        @seed(run)
        @hypothesis_settings(
            max_examples=requests // TIMES - len(found),
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(calls(self._world))
        def collect(call: Call) -> None:
            found.append(call)

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            collect()
        rng = random.Random(run)
        rng.shuffle(found)
        return list(varied(found, TIMES, rng))

    async def send(self, made: list[Call]) -> None:
        """Raises AssertionError with the calls that were answered as none may be."""
        left: Iterator[Call] = iter(made)
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(self._send_each(left))
        assert not self.faults, "\n\n".join(self.faults[:10])

    async def _send_each(self, left: Iterator[Call]) -> None:
        for call in left:
            answer = await self._hub.http.request(
                call.method,
                call.path,
                content=call.content,
                headers=[
                    (name.encode(), value.encode("latin-1"))
                    for name, value in (*self._headers[call.role].items(), *call.headers)
                ],
            )
            fault = answer_fault(call, answer)
            if fault is not None:
                self.faults.append(f"{call}\nwas answered with {fault}")
            route = "/".join(call.path.partition("?")[0].split("/")[:3])
            self.answers[route, answer.status_code] += 1

    async def imports(self) -> list[Any]:
        """Each import's own account, once all are over."""

        async def all_over() -> list[Any]:
            found, before = [], ""
            while True:
                path = f"/v1/imports?limit=200{before}"
                answer = await self._hub.http.get(path, headers=self._headers["provider"])
                page = answer.json()["imports"]
                found += page
                if len(page) < 200:
                    break
                before = f"&before={page[-1]['id']}"
            over = all(one["state"] in ("done", "failed", "cancelled") for one in found)
            return found if over else []

        return await until(all_over, within_s=120)

    def taken(self, route: str) -> int:
        return sum(
            n for (path, status), n in self.answers.items() if path == route and status < 300
        )


async def read_back(settings: Settings, pool: Pool) -> int:
    """Decode every event of every topic and open each sealed field; how many events there are.

    Every so many are decoded by a stranger too.
    """
    keyring = Keyring(pool, await Vault.open(settings, pool))
    total, sample = 0, []
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap)
    await consumer.start()
    try:
        for name in ("stories", "directory", "deliveries"):
            topic = settings.topic(name)
            count = 1 if name == "directory" else settings.partitions
            parts = [TopicPartition(topic, number) for number in range(count)]
            consumer.assign(parts)
            await consumer.seek_to_beginning(*parts)
            ends = await consumer.end_offsets(parts)
            while any([await consumer.position(part) < ends[part] for part in parts]):
                batches = (await consumer.getmany(timeout_ms=200)).values()
                values = [record.value for records in batches for record in records]
                events = [decode(value) for value in values]
                await _opens(keyring, events)
                total += len(events)
                sample += [(v, e.fields) for v, e in zip(values, events, strict=True)][::EVERY]
    finally:
        await consumer.stop()
    await asyncio.to_thread(_decodes_elsewhere, sample)
    return total


def _decodes_elsewhere(sample: list[tuple[bytes, Mapping[str, Any]]]) -> None:
    """With Confluent's deserialiser, and the schemas that the registry answers over HTTP."""
    with serving(registry_app()) as registry:
        decode_ = AvroDeserializer(SchemaRegistryClient({"url": registry}))
        context = SerializationContext("stories", MessageField.VALUE)
        for value, fields in sample:
            assert decode_(value, context) == fields


async def _opens(keyring: Keyring, events: list[Decoded]) -> None:
    places = {
        Place(event.event_type.topic, event.event_id, event.worker_id, field.name): value
        for event in events
        for field in event.event_type.sealed_fields
        if (value := event.fields[field.name]) is not None
    }
    for place, text in (await keyring.open_all(places)).items():
        assert not isinstance(text, Redacted), f"{place}: {text}"


@pytest.mark.timeout(900)
async def test_a_sample_of_calls_to_every_route(hub: Hub, settings: Settings, pool: Pool) -> None:
    fuzzing = await Fuzzing.begun(hub)
    for chunk in range(5):
        await fuzzing.send(fuzzing.made(CHUNK, run=chunk))

    print(sorted(fuzzing.answers.items()))  # shown when it fails
    on_the_log = await read_back(settings, pool)
    assert on_the_log > 200, "too little of it was good: the strategies do not reach the log"
    done = [one for one in await fuzzing.imports() if one["state"] == "done"]
    real = [one for one in done if not one["dry_run"]]
    assert any(one["rows"]["accepted"] for one in real), "no import got a row to the log"
    assert any(one["rows"]["accepted"] for one in done if one["dry_run"])
    reached = ("/v1/events", "/v1/imports", "/v1/workers", "/v1/organizations", "/v1/agreements")
    reached += ("/v1/pathways",)
    for route in (*reached, "/xapi/statements", "/scim/v2"):
        assert fuzzing.taken(route), f"nothing that {route} takes: {fuzzing.answers}"


@pytest.mark.fuzz_long
async def test_many_calls_in_bounded_memory(hub: Hub, settings: Settings, pool: Pool) -> None:
    """200,000, all to one hub that is up from the first to the last."""
    fuzzing, process, early = await Fuzzing.begun(hub), psutil.Process(), 0
    for chunk in range(200):
        await fuzzing.send(fuzzing.made(CHUNK, run=1_000 + chunk))
        if chunk == 20:
            early = process.memory_info().rss
    assert fuzzing.answers.total() >= 200_000
    assert process.memory_info().rss - early < MEMORY_BYTES
    assert await read_back(settings, pool) > 8_000  # the share that the sample must have
