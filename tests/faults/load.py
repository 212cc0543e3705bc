"""Publishes random lives at a rate, and can prove what it published."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

from confluent_kafka import KafkaError, Message, Producer
from xxhash import xxh3_64_intdigest

from services.common.settings import Settings
from tests.faults.lives import Sent, stream

_TICKS_PER_S = 20


class Chains:
    """What each owner's records on each topic come to: equal only for the same ones, in order."""

    def __init__(self) -> None:
        self.by_owner: dict[tuple[str, bytes], int] = {}

    def add(self, topic: str, owner: bytes, value: bytes) -> None:
        before = self.by_owner.get((topic, owner), 0)
        self.by_owner[topic, owner] = xxh3_64_intdigest(value, seed=before)

    def differing(self, other: Chains) -> int:
        """How many owners' records are not the same, on one topic."""
        return len(self.by_owner.items() ^ other.by_owner.items())


class Load:
    """Every record is sent once, in order; the broker drops what the network made it send twice."""

    def __init__(self, settings: Settings, seed: int, rate: int) -> None:
        self.produced = 0
        self.sent = Chains()
        self.acknowledged = 0
        self.refused: list[str] = []
        self._rate = rate
        self._topics = {t: settings.topic(t) for t in ("stories", "deliveries", "directory")}
        self._stream: Iterator[Sent] = stream(seed)
        self._producer: Any = Producer(
            {
                "bootstrap.servers": settings.kafka_bootstrap,
                "acks": "all",
                "enable.idempotence": True,
                "compression.type": "lz4",
                "linger.ms": 5,
                "partitioner": "murmur2",
                "message.timeout.ms": 0,  # for ever: what is not acknowledged is sent again
                "reconnect.backoff.max.ms": 1_000,
                "log_level": 2,
                "queue.buffering.max.messages": 1_000_000,
            }
        )

    async def run(self, until_at: float, most: int | None = None) -> None:
        """Publish until the moment (of `time.monotonic`), or so many records."""
        per_tick = max(1, self._rate // _TICKS_PER_S)
        due = time.monotonic()
        while due < until_at and (most is None or self.produced < most):
            for sent in islice(self._stream, per_tick):
                self._send(sent)
            self._producer.poll(0)
            due += per_tick / self._rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def finish(self, within_s: float) -> None:
        """Wait until everything is acknowledged. Raises AssertionError when it is not in time."""
        deadline = time.monotonic() + within_s
        while self.acknowledged + len(self.refused) < self.produced:
            self._producer.poll(0)
            left = self.produced - self.acknowledged
            assert time.monotonic() < deadline, f"{left} records not acknowledged"
            await asyncio.sleep(0.05)

    def _send(self, sent: Sent) -> None:
        self._producer.produce(
            self._topics[sent.topic],
            sent.value,
            key=sent.key,
            headers=sent.headers,
            on_delivery=self._told,
        )
        self.sent.add(sent.topic, sent.key, sent.value)
        self.produced += 1

    def _told(self, error: KafkaError | None, _message: Message) -> None:
        if error is None:
            self.acknowledged += 1
        else:
            self.refused.append(str(error))
