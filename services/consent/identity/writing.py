"""Writing events again under another id, each once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from uuid import UUID

from aiokafka import AIOKafkaProducer

from services.common.codec import Decoded
from services.common.emit import PATIENCE_S, Event
from services.common.kafka import Position
from services.common.settings import Settings
from services.common.vault import Keyring
from services.consent.identity.handlers import Move, is_moving, left, returning
from services.consent.identity.resealing import resealed
from services.consent.identity.store import IdentityStore, Stored

_TOGETHER = 500


class Rewriting:
    def __init__(
        self,
        store: IdentityStore,
        keyring: Keyring,
        producer: AIOKafkaProducer,
        settings: Settings,
    ) -> None:
        self._store = store
        self._keyring = keyring
        self._producer = producer
        self._settings = settings

    async def moving(self, worker_id: UUID) -> list[Stored]:
        """What of a story goes along: not what left it before, nor what stays with its id."""
        gone = await self.gone(worker_id)
        return [
            stored
            for stored in await self._store.everything(worker_id)
            if is_moving(stored.event) and stored.event.event_id not in gone
        ]

    async def gone(self, worker_id: UUID) -> dict[UUID, UUID]:
        """Events that were parted from this worker and are not back, with what says so."""
        splits = await self._store.splits_from(worker_id)
        return left(splits, await self._store.voids(worker_id)) if splits else {}

    async def write_again(
        self, events: Sequence[Decoded], worker_id: UUID, back: Move | None = None
    ) -> None:
        """Append events under a worker's id, in order; what is there already is left out.

        back: the move with which events return that once left this worker.
        Raises KafkaError, TimeoutError; the same call may be made again.
        """
        for start in range(0, len(events), _TOGETHER):
            part = events[start : start + _TOGETHER]
            known = await self._store.known(worker_id, [event.event_id for event in part])
            new = [event for event in part if event.event_id not in known]
            await self.append(await resealed(self._keyring, new, worker_id))
        if back is not None:
            gone = await self.gone(worker_id)
            ids = [event.event_id for event in events]
            await self.append([returning(back, gone[i]) for i in ids if i in gone])

    async def append(self, events: Iterable[Event]) -> list[Position]:
        """Put events on the log in order, and answer where each is."""
        sent = []
        async with asyncio.timeout(PATIENCE_S):
            for event in events:
                topic = self._settings.topic(event.event_type.topic)
                done = await self._producer.send(
                    topic, event.value, key=event.key, headers=event.headers
                )
                sent.append((event.event_type.topic, done))
            return [
                Position(topic, record.partition, record.offset)
                for topic, done in sent
                for record in [await done]
            ]
