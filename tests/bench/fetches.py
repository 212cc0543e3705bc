"""A world as a worker fetches it, in memory: for what is measured without Kafka."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice

from services.common.kafka import partition_for
from services.common.settings import Settings
from services.projections.columns import LeanRecord
from services.projections.intake import Partition
from tests.bench.world import Sent, World
from tests.bench.world_log import headers_of

Fetch = dict[Partition, list[LeanRecord]]


def fetches(world: World, batch_events: int, most: int) -> list[Fetch]:
    """The first `most` events of the world, each fetch as many as a full batch has."""
    partitions = Settings().partitions
    offsets: dict[Partition, int] = defaultdict(int)
    found: list[Fetch] = []
    every = (sent for chunk in world.sent() for sent in chunk)
    told = islice(every, most)
    while batch := list(islice(told, batch_events)):
        fetch: Fetch = {}
        for sent in batch:
            place = sent.topic, _number(sent, partitions)
            held = LeanRecord(sent.key, sent.value, offsets[place], headers_of(sent))
            fetch.setdefault(place, []).append(held)
            offsets[place] += 1
        found.append(fetch)
    return found


def _number(sent: Sent, partitions: int) -> int:
    return 0 if sent.topic == "directory" else partition_for(sent.key, partitions)


def heights(found: Sequence[Fetch]) -> Iterator[int]:
    """How many events each fetch holds."""
    return (sum(map(len, fetch.values())) for fetch in found)
