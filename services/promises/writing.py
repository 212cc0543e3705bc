"""Events that come in here: the same again is the same event, wherever a call broke off."""

from __future__ import annotations

from aiokafka import AIOKafkaProducer

from services.common.codec import Decoded, decode
from services.common.emit import Event, publish, stored
from services.common.settings import Settings
from services.promises.store import PromisesStore


class Writer:
    def __init__(
        self, store: PromisesStore, producer: AIOKafkaProducer, settings: Settings
    ) -> None:
        self._store = store
        self._producer = producer
        self._settings = settings

    async def write(self, subject: str, event: Event) -> tuple[Decoded, str]:
        """Put an event on the log, once for each subject; answers the one there and its position.

        Raises KafkaError, TimeoutError: the same call again goes on from there.
        """
        kept = await self._store.reserve(subject, event)
        position = kept.position
        if position is None:
            sent = stored(kept.value, kept.key)
            position = str(await publish(self._producer, self._settings, sent))
            await self._store.on_the_log(subject, position)
        return decode(kept.value), position
