"""A stranger's consumer reads the hub's topics with nothing of ours but the registry's address."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path
from typing import Any

import httpx
from aiokafka import AIOKafkaProducer
from confluent_kafka import Consumer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.common.schema_registry_client import Schema
from confluent_kafka.serialization import MessageField, SerializationContext

from schemas.catalog import event_types
from services.common.codec import encode, headers
from services.common.settings import Settings
from services.registry.subjects import text_of
from tests.processes import HubProcess, free_port, until
from tests.registry_kit import one_of


def read_all(settings: Settings, registry: str, count: int) -> list[tuple[str, Any]]:
    """Read with librdkafka and Confluent's deserialiser: the type that a header says, and the event."""
    consumer = Consumer(
        {
            "bootstrap.servers": settings.kafka_bootstrap,
            "group.id": f"stranger-{secrets.token_hex(4)}",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    deserialise = AvroDeserializer(SchemaRegistryClient({"url": registry}))
    consumer.subscribe([settings.topic(name) for name in ("stories", "directory", "deliveries")])
    found = []
    try:
        while len(found) < count:
            message = consumer.poll(60)
            assert message is not None, f"{len(found)} of {count} records came"
            assert message.error() is None, message.error()
            context = SerializationContext(message.topic(), MessageField.VALUE)
            kind = dict(message.headers())["ce_type"].decode()
            found.append((kind, deserialise(message.value(), context)))
    finally:
        consumer.close()
    return found


async def test_a_strangers_consumer_reads_every_event_type(
    settings: Settings, environment: dict[str, str], producer: AIOKafkaProducer, tmp_path: Path
) -> None:
    port = free_port()
    command = ("serve", "registry", "--port", str(port))
    process = HubProcess(*command, environment=environment, log=tmp_path / "registry.log")
    process.start()
    registry = f"http://127.0.0.1:{port}"
    try:
        sent = [(name, one_of(name)) for name in event_types()]
        for name, event in sent:
            event_type = event_types()[name]
            await producer.send_and_wait(
                settings.topic(event_type.topic),
                encode(event_type, event),
                key=event["event_id"],
                headers=headers(event_type, event),
            )

        async def answers() -> bool:
            try:
                async with httpx.AsyncClient(base_url=registry) as http:
                    return (await http.get("/subjects")).status_code == 200
            except httpx.HTTPError:
                return False

        await until(answers)
        found = await asyncio.to_thread(read_all, settings, registry, len(sent))
        by_type = {kind.rpartition(".")[2]: event for kind, event in found}
        assert by_type == dict(sent)
        await asyncio.to_thread(write_as_a_stranger, registry)
    finally:
        process.stop()


def write_as_a_stranger(registry: str) -> None:
    """Confluent's serialiser finds the id by the schema, named by the record, and frames as we do."""
    client = SchemaRegistryClient({"url": registry})
    event_type = event_types()["TrainingCompleted"]
    event = one_of("TrainingCompleted")
    by_record_name = {
        "auto.register.schemas": False,
        "subject.name.strategy": lambda _context, record_name: record_name,
    }
    text = text_of(event_type)
    for options in (by_record_name, {**by_record_name, "auto.register.schemas": True}):
        serialise = AvroSerializer(client, text, conf=options)
        context = SerializationContext("workforce.stories", MessageField.VALUE)
        assert serialise(event, context) == encode(event_type, event)
    found = client.lookup_schema(event_type.full_name, Schema(text, "AVRO"))
    assert (found.schema_id, found.version) == (event_type.schema_id, event_type.version)
