"""Connections, learned from the topic `directory`."""

from __future__ import annotations

from aiokafka import TopicPartition

from services.common.codec import decode
from services.common.errors import DoesNotDecode
from services.common.kafka import open_consumer
from services.common.log import get_logger
from services.common.settings import Settings
from services.delivery.match_store import MatchStore, MatchTransaction

log = get_logger("directory")
TOPIC, PARTITION = "directory", 0


class Directory:
    """Follows the directory from the stored position; any number of workers may."""

    def __init__(self, settings: Settings, store: MatchStore) -> None:
        self._settings = settings
        self._store = store

    async def run(self) -> None:
        """Learn for ever. Raises KafkaError when the log is away."""
        await self._store.make_positions(TOPIC, [PARTITION])
        start = (await self._store.positions(TOPIC))[PARTITION]
        where = TopicPartition(self._settings.topic(TOPIC), PARTITION)
        options = {"auto_offset_reset": "earliest", "fetch_max_wait_ms": 250}
        async with open_consumer(self._settings, **options) as consumer:
            consumer.assign([where])
            consumer.seek(where, start)
            while True:
                batches = await consumer.getmany(timeout_ms=1000, max_records=1000)
                for records in batches.values():
                    await self.learn([(record.offset, record.value) for record in records])

    async def learn(self, records: list[tuple[int, bytes]]) -> None:
        """Take a batch into view; records before the stored position were taken already."""
        async with self._store.transaction() as tx:
            before = await tx.lock_positions(TOPIC, [PARTITION])
            new = [(o, value) for o, value in records if o >= before[PARTITION]]
            if not new:
                return
            locked = False
            for offset, value in new:
                locked = await self._learn_one(tx, offset, value, locked)
            await tx.advance(TOPIC, before, {PARTITION: new[-1][0] + 1})

    async def _learn_one(
        self, tx: MatchTransaction, offset: int, value: bytes, locked: bool
    ) -> bool:
        try:
            event = decode(value)
        except DoesNotDecode as error:
            log.error("unreadable record in the directory", offset=offset, error=str(error))
            return locked
        if event.name != "ConnectionConfigured":
            return locked
        if not locked:
            await tx.lock_positions("stories", None)
        await tx.configure(event.fields)
        return True
