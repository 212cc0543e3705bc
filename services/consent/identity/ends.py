"""Where a worker's partitions end on the log."""

from __future__ import annotations

from uuid import UUID

from aiokafka import TopicPartition

from services.common.kafka import open_consumer, partition_for
from services.common.settings import Settings

# The topics on which a story stands; both have as many partitions.
STORY_TOPICS = ("stories", "deliveries")


async def ends_of(settings: Settings, worker_id: UUID) -> tuple[int, int, int]:
    """The worker's partition, and the offsets after its last records on stories and deliveries.

    Raises KafkaError.
    """
    names = [settings.topic(topic) for topic in STORY_TOPICS]
    async with open_consumer(settings, *names) as consumer:
        count = len(consumer.partitions_for_topic(names[0]) or ())
        partition = partition_for(worker_id.bytes, count)
        places = [TopicPartition(name, partition) for name in names]
        found = await consumer.end_offsets(places)
    story, deliveries = (found[place] for place in places)
    return partition, story, deliveries
