"""What their schema registry answers decides: a record is put aside, or all wait and nothing is lost."""

from __future__ import annotations

import asyncio
import io
import json
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import fastavro
import pytest
from aiohttp import web
from aiokafka import AIOKafkaProducer

from connectors.testing import listening
from services.cli.doctor import openedx as doctor_says
from services.common.access import Role, issue_key
from services.common.codec import decode
from services.common.errors import DoesNotDecode
from services.common.postgres import Pool
from services.common.settings import Settings
from services.common.vault import Keyring, Vault
from services.ingest.settings import IngestSettings
from services.ingest.sources.openedx import OpenEdxSource
from services.ingest.sources.registry import Registry
from services.ingest.sources.settings import OpenEdxSettings
from services.ingest.writer import Writer
from tests.ingest_kit import on_the_log
from tests.openedx.test_openedx_source import make_topic
from tests.processes import until
from tests.unit.test_openedx import ENROLMENT, SCHEMAS

EVENT_TYPE = "org.openedx.learning.course.enrollment.changed.v1"
SCHEMA = (SCHEMAS / f"{EVENT_TYPE.replace('.', '+')}_schema.avsc").read_text()
KNOWN, UNKNOWN = 1, 2
Answer = Callable[[], web.Response]


def not_found() -> web.Response:
    body = {"error_code": 40403, "message": f"Schema {UNKNOWN} not found"}
    return web.json_response(body, status=404)


class SchemaRegistry:
    """Knows one schema. `trouble` is what it does instead of answering, while there is any."""

    def __init__(self, trouble: Answer | None = None) -> None:
        self.trouble = trouble
        self.asked = 0

    async def answer(self, request: web.Request) -> web.Response:
        self.asked += 1
        if self.trouble is not None:
            return self.trouble()
        if request.path == f"/schemas/ids/{KNOWN}":
            return web.json_response({"schema": SCHEMA})
        return not_found()


class Topic:
    """A topic of theirs with one partition."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer
        self.name = f"edx-{secrets.token_hex(4)}"

    async def send(self, number: int, *, schema_id: int = KNOWN, is_active: bool = True) -> None:
        buffer = io.BytesIO(b"\0" + schema_id.to_bytes(4, "big"))
        buffer.seek(5)
        enrolment = {**ENROLMENT, "is_active": is_active}
        fastavro.schemaless_writer(buffer, json.loads(SCHEMA), {"enrollment": enrolment})
        headers = {"ce_type": EVENT_TYPE, "ce_id": f"e-{number}"}
        headers["ce_time"] = f"2026-05-03T10:00:0{number}+00:00"
        sent = [(name, value.encode()) for name, value in headers.items()]
        await self._producer.send_and_wait(self.name, buffer.getvalue(), headers=sent)


@pytest.fixture
async def topic(settings: Settings, pool: Pool, producer: AIOKafkaProducer) -> Topic:
    await issue_key(pool, Role.PROVIDER, "open-edx")
    made = Topic(producer)
    await make_topic(settings, made.name, partitions=1)
    return made


@asynccontextmanager
async def reading(
    settings: Settings, pool: Pool, topic: Topic, url: str, bootstrap: str | None = None
) -> AsyncIterator[None]:
    """bootstrap: of their Kafka, where it is not ours."""
    vault = await Vault.open(settings)
    writer = Writer(settings, pool, vault, Keyring(pool, vault), IngestSettings())
    own = OpenEdxSettings(
        topics=(topic.name,),
        bootstrap=bootstrap,
        registry_url=url,
        group=topic.name,
        registry_timeout=timedelta(seconds=1),
        longest_wait=timedelta(seconds=0.5),
    )
    task = asyncio.create_task(OpenEdxSource(own, settings.kafka_bootstrap, writer, pool).run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await writer.close()


async def types_on_the_log(settings: Settings, least: int) -> list[str]:
    async def enough() -> list[str]:
        names = [decode(record.value).name for record in await on_the_log(settings)]
        return names if len(names) >= least else []

    return await until(enough)


async def test_a_record_whose_schema_there_is_not_is_put_aside_and_the_rest_goes_on_in_order(
    settings: Settings, pool: Pool, topic: Topic
) -> None:
    await topic.send(1)
    await topic.send(2, schema_id=UNKNOWN)
    await topic.send(3, is_active=False)
    async with listening(SchemaRegistry().answer) as url, reading(settings, pool, topic, url):
        told = await types_on_the_log(settings, 3)
        [reject] = await until(lambda: pool.fetch("SELECT * FROM ingest_work.source_reject"))

    assert told == ["WorkerRegistered", "TrainingEnrolled", "TrainingExited"]
    assert (reject["topic"], reject["log_offset"]) == (topic.name, 1)
    assert reject["reason"].endswith(f"the schema registry has no schema {UNKNOWN}")
    found = await doctor_says(settings)
    assert not found.ok
    assert found.found.startswith("1 refused")
    assert f"has no schema {UNKNOWN}" in found.found


@pytest.mark.parametrize(
    ("trouble", "why"),
    [
        (lambda: web.Response(status=500), "answers 500"),
        (lambda: web.Response(status=503), "answers 503"),
        (lambda: web.Response(status=401), "answers 401"),
        (lambda: web.Response(status=404, text="no such page"), "answers 404"),
        (lambda: web.Response(text="<html>Sign in</html>"), "answers 200, and no schema"),
    ],
    ids=["500", "503", "401", "404 of another server", "a page"],
)
async def test_while_the_registry_is_in_trouble_all_waits_and_the_doctor_says_why(
    settings: Settings, pool: Pool, topic: Topic, trouble: Answer, why: str
) -> None:
    registry = SchemaRegistry(trouble)
    await topic.send(1)
    await topic.send(2, is_active=False)
    async with listening(registry.answer) as url, reading(settings, pool, topic, url):
        await waits(pool)
        found = await doctor_says(settings)
        assert not found.ok
        assert found.found.startswith("waits since ")
        assert why in found.found
        assert await on_the_log(settings) == []

        registry.trouble = None
        told = await types_on_the_log(settings, 3)
        await until(lambda: goes_on(pool))

    assert told == ["WorkerRegistered", "TrainingEnrolled", "TrainingExited"]
    assert (await doctor_says(settings)).ok


async def test_a_registry_that_refuses_connections_or_hangs_is_waited_for(
    settings: Settings, pool: Pool, topic: Topic
) -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    await topic.send(1)
    async with reading(settings, pool, topic, f"http://127.0.0.1:{port}"):
        await waits(pool, "does not answer: ReadTimeout")
        server.close()
        await server.wait_closed()
        await waits(pool, "does not answer: All connection attempts failed")
        async with _at(port, SchemaRegistry()):
            told = await types_on_the_log(settings, 2)
            await until(lambda: goes_on(pool))

    assert told == ["WorkerRegistered", "TrainingEnrolled"]
    assert await pool.fetchval("SELECT count(*) FROM ingest_work.source_reject") == 0


async def test_who_sends_speaks_in_its_registered_role_and_waits_until_it_has_one(
    settings: Settings, pool: Pool, topic: Topic
) -> None:
    await pool.execute("DELETE FROM vault.access_key")
    await topic.send(1)
    async with listening(SchemaRegistry().answer) as url, reading(settings, pool, topic, url):
        await waits(pool, "no organisation open-edx is registered")
        await issue_key(pool, Role.EMPLOYER, "open-edx")
        await until(lambda: goes_on(pool))

    [reason] = await pool.fetch("SELECT reason FROM ingest_work.source_reject")
    assert "employer may not author TrainingEnrolled" in reason["reason"]
    assert await on_the_log(settings) == []


@asynccontextmanager
async def _at(port: int, registry: SchemaRegistry) -> AsyncIterator[None]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", registry.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield
    finally:
        await runner.cleanup()


async def waits(pool: Pool, why: str = "") -> None:
    async def told() -> bool:
        said = await pool.fetchval("SELECT why FROM ingest_work.source_wait")
        return said is not None and why in said

    await until(told)


async def goes_on(pool: Pool) -> bool:
    return not await pool.fetchval("SELECT EXISTS (SELECT FROM ingest_work.source_wait)")


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"type": "array", "items": ' * 20_000 + "1", "{}"]
)
async def test_a_schema_that_is_none_stops_its_record_alone(text: str) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.json_response({"schema": text})

    async with listening(answer) as url:
        registry = Registry(url, timedelta(seconds=5))
        with pytest.raises(DoesNotDecode, match="is not a schema"):
            await registry.decode(b"\0" + KNOWN.to_bytes(4, "big"))
        await registry.close()


async def test_a_real_registry_says_so_in_the_words_that_count(registry_url: str) -> None:
    registry = Registry(registry_url, timedelta(seconds=30))
    with pytest.raises(DoesNotDecode, match="has no schema 999999"):
        await registry.decode(b"\0" + (999_999).to_bytes(4, "big"))
    await registry.close()
