"""Events to post in tests, one valid event of every type, and what is on the log."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from schemas.catalog import FieldType, event_types
from services.common.settings import Settings

WORKER = UUID("5f70436f-cabf-4035-bc68-949867c269db")
SOURCE = "river-college"
_TEXTS = ("acme", "US", "en", "USD", "hiring", "training", "esco:welding", "49-9071.00", "11.0101")
_TEXTS += ("https://acme.example/in", "0" * 64, "training:c-101", "woman", "asian", "1990", "yes")


def enrolled(**fields: Any) -> dict[str, Any]:
    """A provider's event about its own record of a person."""
    return {
        "type": "TrainingEnrolled",
        "source_record_id": "r-1",
        "occurred_at": "2026-01-05T09:00:00Z",
        "enrolment_id": "e-1",
        "course_id": "forklift",
        "provider_id": SOURCE,
        **fields,
    }


def sample(name: str, /, **fields: Any) -> dict[str, Any]:
    """A valid event of any type that any organisation may say, every optional field filled."""
    event_type = event_types()[name]
    item: dict[str, Any] = {"type": name, "occurred_at": "2026-01-05T09:00:00Z"}
    if event_type.topic == "directory":
        item |= {"organization_id": "acme", "entity_id": "x-1", "version": 1}
    else:
        item["worker_id"] = str(WORKER)
    raw = {field["name"]: field for field in event_type.schema["fields"]}
    item |= {f.name: _value(f, raw[f.name]) for f in event_type.own_fields}
    return item | fields


def _value(field: FieldType, raw: dict[str, Any]) -> Any:
    simple: dict[str, Any] = {
        "fixed": "0198a3d2-0000-7000-8000-000000000001",
        "timestamp-micros": "2026-02-01T00:00:00Z",
        "decimal": "12.30",
        "double": 0.5,
        "boolean": True,
        "bytes": "Ana",
    }
    if field.kind == "enum":
        return "MENTOR" if field.name == "attested_by" else field.avro_type["symbols"][1]
    if field.kind in ("int", "long"):
        return max(1, raw.get("minimum", 1))
    if field.kind in simple and field.pattern is None:
        return simple[field.kind]
    text = next(t for t in _TEXTS if field.pattern is None or re.search(field.pattern, t))
    return [text] if field.kind == "array" else text


async def on_the_log(settings: Settings, topic: str = "stories") -> list[ConsumerRecord]:
    """Every record of a topic up to its end, partition by partition in order."""
    name = settings.topic(topic)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        parts = [TopicPartition(name, p) for p in consumer.partitions_for_topic(name) or ()]
        if not parts:
            parts = [
                TopicPartition(name, p)
                for p in range(1 if topic == "directory" else settings.partitions)
            ]
        consumer.assign(parts)
        ends = await consumer.end_offsets(parts)
        found: list[ConsumerRecord] = []
        while any([await consumer.position(part) < end for part, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += records
        return sorted(found, key=lambda record: (record.partition, record.offset))
    finally:
        await consumer.stop()
