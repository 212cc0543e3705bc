"""A reader that meets a schema of a later release asks the registry, and nobody is parked for it."""

from __future__ import annotations

import asyncio
import io
import json
import secrets
import struct
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import fastavro
import pytest
from aiokafka import AIOKafkaProducer

from schemas.catalog import event_types, forget_later, version_of
from services.common.agent import Record, _handled
from services.common.clock import utc_now
from services.common.codec import decode, schema_id_of
from services.common.emit import publish
from services.common.errors import UnknownSchema
from services.common.kafka import partition_for
from services.common.later_schemas import LaterSchemas
from services.common.moments import AsOf
from services.common.postgres import Pool
from services.common.settings import Settings
from services.consent.identity.handlers import void
from services.portal.past import Subject, telling
from services.portal.store import ReadStore, StoryFilter
from services.projections.projections import PROJECTIONS
from services.projections.worker import ProjectionsWorker
from services.registry import subjects
from services.registry.subjects import Registered, text_of
from tests.integration.test_projections import QUICK, worker_id
from tests.processes import until
from tests.projection_kit import make
from tests.registry_kit import registry_app, serving

LATER, NEW, NOBODYS, STRANGE = 900_001, 900_002, 900_003, 900_004
Schema = dict[str, Any]


def later_version() -> Schema:
    """TrainingCompleted as a later release has it."""
    schema: Schema = json.loads(text_of(event_types()["TrainingCompleted"]))
    added = {
        "name": "added_later",
        "type": ["null", "int"],
        "default": None,
        "doc": "Added later.",
        "category": "training",
        "minimum": 0,
        "maximum": 9,
    }
    schema["fields"].append(added)
    return schema


def new_type() -> Schema:
    """A type that this release does not have at all."""
    text = text_of(event_types()["TrainingExited"])
    schema: Schema = json.loads(text.replace("TrainingExited", "TrainingPaused"))
    return schema


def strange() -> Schema:
    """A registered schema that breaks the catalogue's rules: a field without a category."""
    schema = later_version()
    del schema["fields"][-1]["category"]
    return schema


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A registry of the later release."""
    for schema_id, version, schema in ((LATER, 2, later_version()), (NEW, 1, new_type()), (STRANGE, 3, strange())):  # fmt: skip
        name = f"throughline.training.{schema['name']}"
        entry = Registered(name, version, schema_id, json.dumps(schema))
        monkeypatch.setitem(subjects.by_id(), schema_id, entry)
    with serving(registry_app()) as url:
        yield url
    forget_later()


def written(schema_id: int, schema: Schema, fields: Mapping[str, Any]) -> bytes:
    out = io.BytesIO(struct.pack(">bI", 0, schema_id))
    out.seek(5)
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), dict(fields))
    return out.getvalue()


def completed(worker: bytes) -> dict[str, Any]:
    event_id = secrets.token_bytes(16)
    return dict(make("TrainingCompleted", worker_id=worker, event_id=event_id)[1])


def with_registry(url: str | None) -> LaterSchemas:
    return LaterSchemas(Settings.model_construct(registry_url=url))


async def test_a_later_version_is_read_as_the_newest_known_one(registry: str) -> None:
    fields = completed(worker_id(1))
    value = written(LATER, later_version(), {**fields, "added_later": 7})
    with pytest.raises(UnknownSchema) as unknown:
        decode(value)

    await with_registry(registry).find(unknown.value)

    assert decode(value).fields == fields
    assert decode(value).event_type is event_types()["TrainingCompleted"]


async def test_a_type_of_a_later_release_is_read_as_itself(registry: str) -> None:
    await with_registry(registry).find(UnknownSchema("?", NEW))
    fields = dict(make("TrainingExited", event_id=b"1" * 16)[1])
    event = decode(written(NEW, new_type(), fields))
    assert (event.name, event.fields) == ("TrainingPaused", fields)


@pytest.mark.parametrize(
    ("schema_id", "asks", "why"),
    [
        (NOBODYS, True, "404"),
        (STRANGE, True, "added_later: add a category"),
        (LATER, False, "no registry is set"),
    ],
)
async def test_what_no_registry_helps_with_stays_unknown_and_says_why(
    registry: str, schema_id: int, asks: bool, why: str
) -> None:
    with pytest.raises(UnknownSchema, match=why):
        await with_registry(registry if asks else None).find(UnknownSchema("not here", schema_id))
    assert version_of(schema_id) is None


async def test_a_registry_that_is_away_is_said_to_be() -> None:
    with pytest.raises(UnknownSchema, match=r"127\.0\.0\.1:9 does not help"):
        await with_registry("http://127.0.0.1:9").find(UnknownSchema("not here", LATER))


async def test_an_agent_handles_the_batch_again_once_it_knows(registry: str) -> None:
    batches: list[list[int]] = []

    async def handle(records: Any) -> None:
        batches.append([schema_id_of(record.value) for record in records])
        for record in records:
            decode(record.value)

    events = [
        written(LATER, later_version(), {**completed(worker_id(1)), "added_later": None}),
        written(NEW, new_type(), make("TrainingExited", event_id=b"2" * 16)[1]),
    ]
    records = [Record(0, offset, worker_id(1), value) for offset, value in enumerate(events)]
    await _handled(handle, records, with_registry(registry))
    assert batches == [[LATER, NEW]] * 3

    records.append(Record(0, 2, worker_id(1), struct.pack(">bI", 0, NOBODYS)))
    with pytest.raises(UnknownSchema, match="404"):
        await _handled(handle, records, with_registry(registry))


@asynccontextmanager
async def projecting(settings: Settings) -> AsyncIterator[None]:
    worker = ProjectionsWorker(settings, QUICK, PROJECTIONS)
    task = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        worker.stop()
        await task


async def test_projections_go_on_with_what_the_registry_knows_and_stop_at_what_it_does_not(
    registry: str, settings: Settings, pool: Pool, producer: AIOKafkaProducer
) -> None:
    going, topic = worker_id(1), settings.topic("stories")
    stuck = next(
        worker_id(n) for n in range(2, 99) if partition_for(worker_id(n), 4) != partition_for(going, 4)
    )  # fmt: skip
    newest = event_types()["TrainingCompleted"]
    for key, schema_id, schema, more in (
        (going, LATER, later_version(), {"added_later": 3}),
        (going, newest.schema_id, dict(newest.schema), {}),
        (stuck, NOBODYS, later_version(), {"added_later": 3}),
        (stuck, newest.schema_id, dict(newest.schema), {}),
    ):
        fields = {**completed(key), **more}
        ce_id = str(UUID(bytes=fields["event_id"])).encode()
        value = written(schema_id, schema, fields)
        await producer.send_and_wait(topic, value, key=key, headers=[("ce_id", ce_id)])

    async def read_of(worker: bytes) -> int:
        position = "SELECT next_offset FROM read.stream_position WHERE topic = 'stories' AND partition = $1"
        return int(await pool.fetchval(position, partition_for(worker, 4)) or 0)

    async def went_on() -> bool:
        return await read_of(going) == 2

    async with projecting(settings.model_copy(update={"registry_url": registry})):
        await until(went_on)
        assert await read_of(stuck) == 0
    stories = await pool.fetch("SELECT worker_id, schema_id, event_type FROM read.story")
    assert {row["worker_id"].bytes for row in stories} == {going}
    assert {row["schema_id"] for row in stories} == {LATER, newest.schema_id}
    assert await pool.fetchval("SELECT count(*) FROM read.parked") == 0


async def test_a_story_of_a_later_release_is_folded_again_after_a_restart(
    registry: str, settings: Settings, pool: Pool, producer: AIOKafkaProducer
) -> None:
    """The process that took the event knew its schema; the next one meets it in the story."""
    worker = worker_id(1)
    fields = {**completed(worker), "added_later": 3}
    headers = [("ce_id", str(UUID(bytes=fields["event_id"])).encode())]
    value = written(LATER, later_version(), fields)
    await producer.send_and_wait(settings.topic("stories"), value, key=worker, headers=headers)

    async def stands(table: str) -> bool:
        return bool(
            await pool.fetchval(f"SELECT count(*) FROM read.{table} WHERE schema_id = {LATER}")
        )

    known = settings.model_copy(update={"registry_url": registry})
    async with projecting(known):
        await until(lambda: stands("story"))
    forget_later()
    gone = UUID(bytes=fields["event_id"])
    void_it = void(
        UUID(bytes=worker), uuid4(), gone, reason="MISTAKE", at=utc_now(), move_id=uuid4()
    )
    await publish(producer, settings, void_it)
    async with projecting(known):
        await until(lambda: stands("set_aside"))
    assert not await stands("story")


async def test_a_story_of_a_later_release_is_told_and_cut_off_nowhere(
    registry: str, settings: Settings, pool: Pool, producer: AIOKafkaProducer
) -> None:
    """The portal meets schemas that projections learned, and some that nobody helps it with."""
    worker = worker_id(1)
    newest = event_types()["TrainingCompleted"]
    of_later: tuple[int, Schema, Schema] = (LATER, later_version(), {"added_later": 3})
    of_today: tuple[int, Schema, Schema] = (newest.schema_id, dict(newest.schema), {})
    for schema_id, schema, more in (of_today, of_later, of_today, of_later):
        fields = {**completed(worker), **more}
        headers = [("ce_id", str(UUID(bytes=fields["event_id"])).encode())]
        value = written(schema_id, schema, fields)
        await producer.send_and_wait(settings.topic("stories"), value, key=worker, headers=headers)

    async def all_there() -> bool:
        return bool(await pool.fetchval("SELECT count(*) FROM read.story") == 4)

    known = settings.model_copy(update={"registry_url": registry})
    async with projecting(known):
        await until(all_there)
    forget_later()
    person = UUID(bytes=worker)

    alone = ReadStore(pool, LaterSchemas(settings))
    for limit, found in ((1, 1), (2, 2), (4, 2)):
        assert len(await alone.story(person, StoryFilter(limit))) == found
    with pytest.raises(UnknownSchema, match="no registry is set"):
        await telling(pool, alone, Subject(person, person), AsOf(utc_now()), to_worker=True)

    helped = ReadStore(pool, LaterSchemas(known))
    told = await telling(pool, helped, Subject(person, person), AsOf(utc_now()), to_worker=True)
    assert told.events is not None
    assert told.events.log.height == 4
    forget_later()
    assert len(await helped.story(person, StoryFilter(4))) == 4
