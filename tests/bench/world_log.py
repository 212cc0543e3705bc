"""A world on the log: published once, read by every contestant of a run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from confluent_kafka import Producer

from services.common.settings import Settings
from tests.bench.world import Sent, World


def publish(settings: Settings, world: World) -> None:
    """Put the whole world on the log. Raises AssertionError when not all of it arrived."""
    producer = _producer(settings)
    for chunk in world.sent():
        send(settings, producer, chunk)
    if producer.flush(300):
        raise AssertionError("not every event reached the log")


def _producer(settings: Settings) -> Any:
    return Producer(
        {
            "bootstrap.servers": settings.kafka_bootstrap,
            "acks": "all",
            "enable.idempotence": True,
            "compression.type": "lz4",
            "linger.ms": 20,
            "partitioner": "murmur2",
            "queue.buffering.max.messages": 200_000,
        }
    )


def send(settings: Settings, producer: Any, records: Iterable[Sent]) -> None:
    """Queue records, waiting while the queue is full."""
    topics = {name: settings.topic(name) for name in ("stories", "deliveries", "directory")}
    for sent in records:
        topic, told = topics[sent.topic], headers_of(sent)
        while True:
            try:
                producer.produce(topic, sent.value, key=sent.key, headers=told)
                break
            except BufferError:
                producer.poll(0.05)
    producer.poll(0)


def headers_of(sent: Sent) -> Sequence[tuple[str, bytes]]:
    """As `services.common.codec.headers` makes them."""
    kind = sent.mould.record.event_type
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", str(UUID(bytes=sent.event_id)).encode()),
        ("ce_type", kind.full_name.encode()),
        ("ce_source", f"/organizations/{sent.mould.record.fields['source']}".encode()),
        ("ce_time", f"{sent.at}+00:00".encode()),
        ("content-type", b"application/avro"),
    ]
