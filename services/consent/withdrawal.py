"""Withdrawing: revoke first, then the event, then wait for what is under way."""

from __future__ import annotations

import asyncio
from uuid import UUID

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from services.common.clock import Clock
from services.common.emit import publish, stored
from services.common.errors import not_found, unavailable
from services.common.log import get_logger
from services.common.postgres import AWAY
from services.common.settings import Settings
from services.consent import handlers
from services.consent.settings import ConsentSettings
from services.consent.store import ConsentStore, Revocation

log = get_logger("consent")


class Withdrawals:
    """Ends grants, and sees to it that each ending reaches the log."""

    def __init__(
        self,
        store: ConsentStore,
        producer: AIOKafkaProducer,
        settings: Settings,
        own: ConsentSettings,
        clock: Clock,
    ) -> None:
        self._store = store
        self._producer = producer
        self._settings = settings
        self._own = own
        self._clock = clock

    async def withdraw(
        self, grant_id: UUID, worker_id: UUID, *, channel: str
    ) -> tuple[Revocation, str]:
        """End a grant and answer the revocation and its event's position.

        When this returns, nothing more is sent under the grant. Raises Problem 404 when it is not
        this worker's; 503 when the log is away: the revocation stands all the same.
        """
        recipient_id = await self._store.recipient_of(grant_id, worker_id)
        if recipient_id is None:
            raise not_found("grant")
        now = self._clock()
        event = handlers.withdraw(grant_id, worker_id, recipient_id, channel=channel, now=now)
        revocation = await self._store.revoke(grant_id, worker_id, recipient_id, event, at=now)
        position = revocation.position
        if position is None:
            position = await self._publish(grant_id, worker_id, revocation.event)
        await self._drain(worker_id, recipient_id, revocation)
        return revocation, position

    async def _publish(self, grant_id: UUID, worker_id: UUID, event: bytes) -> str:
        try:
            position = await publish(self._producer, self._settings, stored(event, worker_id.bytes))
        except (KafkaError, TimeoutError) as error:
            log.warning("withdrawal waits for the log", grant_id=str(grant_id), error=repr(error))
            raise unavailable(
                "Sharing has stopped. The log does not answer now; it is told as soon as it does."
            ) from error
        await self._store.revocation_published(grant_id, str(position))
        return str(position)

    async def _drain(self, worker_id: UUID, recipient_id: str, revocation: Revocation) -> None:
        """Wait for the leases of before; each has an end, so this does, too."""
        leases, pause = revocation.leases, self._own.drain_check.total_seconds()
        if not leases:
            return
        while True:  # the other side is another process, so there is nothing to be woken by
            if not await self._store.under_way(worker_id, recipient_id, leases):
                return
            await asyncio.sleep(pause)

    async def redrive(self) -> None:
        """Publish, for ever, the events of withdrawals that the log did not take at once."""
        while True:
            try:
                for grant_id, worker_id, event in await self._store.unpublished():
                    position = await publish(
                        self._producer, self._settings, stored(event, worker_id.bytes)
                    )
                    await self._store.revocation_published(grant_id, str(position))
            except (KafkaError, *AWAY) as error:
                log.warning("withdrawals wait for the log", error=repr(error))
            await asyncio.sleep(self._own.redrive_every.total_seconds())
