"""Straight to Kafka, for benchmarks and regions of millions: no HTTP, no checks, sealed fields
empty.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, Final

from confluent_kafka import KafkaException, Producer

from services.common import codec
from services.common.errors import DependencyDown
from services.common.settings import Settings
from services.demo.forms import Record
from services.demo.region import Region, directory_records
from services.demo.truth import Truth

_FLUSH_S: Final = 60.0
_TELL_EVERY: Final = 5_000


def produce(
    settings: Settings,
    region: Region,
    say: Callable[[int, float], None],
    *,
    start: int = 0,
    stop: int | None = None,
    truth: Truth | None = None,
) -> int:
    """Write a region's directory and stories to the log; the number of events.

    say: told how many events are handed over, and after how many seconds. A slice that begins
    later than 0 leaves the directory out. Raises DependencyDown when Kafka does not take them.
    """
    failures: list[str] = []
    producer = _producer(settings, failures)
    began = time.monotonic()
    count = 0
    for record in _records(region, start, stop, truth):
        _hand_over(producer, settings.topic(record.topic), record)
        count += 1
        if count % _TELL_EVERY == 0:
            producer.poll(0)
            say(count, time.monotonic() - began)
        if failures:
            break
    left = producer.flush(_FLUSH_S)
    if failures or left:
        raise DependencyDown(f"Kafka did not take {left or 'some'} events: {failures[:1]}")
    say(count, time.monotonic() - began)
    return count


def _records(region: Region, start: int, stop: int | None, truth: Truth | None) -> Iterator[Record]:
    stories = region.records(start, stop, truth=truth)
    return stories if start else chain(directory_records(region.until, region.years), stories)


def _producer(settings: Settings, failures: list[str]) -> Any:
    """Idempotent, `acks=all`, and the partitioner that everybody here uses."""

    def answered(error: object, _message: object) -> None:
        if error is not None:
            failures.append(str(error))

    return Producer(
        {
            "bootstrap.servers": settings.kafka_bootstrap,
            "enable.idempotence": True,
            "acks": "all",
            "partitioner": "murmur2",
            "compression.type": "lz4",
            "linger.ms": 20,
            "batch.size": 512 * 1024,
            "queue.buffering.max.messages": 200_000,
            "queue.buffering.max.kbytes": 128 * 1024,
            "message.timeout.ms": 60_000,
            "on_delivery": answered,
        }
    )


def _hand_over(producer: Any, topic: str, record: Record) -> None:
    """Queue one record, waiting while the queue is full."""
    value = codec.encode(record.event_type, record.fields)
    headers = codec.headers(record.event_type, record.fields)
    while True:
        try:
            producer.produce(topic, value, record.key, headers=headers)
        except BufferError:
            producer.poll(0.1)
        except KafkaException as error:
            raise DependencyDown(f"Kafka does not take events: {error}") from error
        else:
            return
