"""From users to the log. A change and its events are stored together; the events then go to the
log in order, each until it is there. They have ids of their own, so a repeat is a duplicate.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

from aiokafka.errors import KafkaError
from scim2_models import ForbiddenException

from schemas.models import WorkerRegistered
from services.common.access import Principal, Role
from services.common.clock import utc_now
from services.common.errors import RetryableError
from services.common.log import get_logger
from services.common.postgres import AWAY, Pool
from services.common.vault import Keyring
from services.ingest.drafts import ItemResult, Status
from services.ingest.handlers import validated
from services.ingest.scim.sealing import Sealing
from services.ingest.scim.store import ScimStore, waiting
from services.ingest.writer import Writer

log = get_logger("scim")
_TAKEN = frozenset({Status.ACCEPTED, Status.DUPLICATE})
# What is older than this was left behind: by a crash, or while the log was away.
_LEFT_BEHIND = timedelta(seconds=15)
_LOOK_S = 5.0


class Outbox:
    def __init__(self, pool: Pool, keyring: Keyring, writer: Writer) -> None:
        self._pool = pool
        self._sealing = Sealing(keyring)
        self._writer = writer

    async def publish(self, organization_id: str, scim_id: UUID) -> None:
        """Put a user's events on the log, one after the other.

        Raises DependencyDown while that can't be; they are stored, and `run` goes on with them.
        """
        store = ScimStore(self._pool, organization_id)
        for event in await store.untold(scim_id):
            stored = await self._sealing.opened_event(scim_id, event)
            if stored is None:  # the person was erased meanwhile
                await store.told(scim_id, event.number)
                continue
            result = await self._write(organization_id, stored)
            if result.status in _TAKEN:
                if result.warnings:
                    late = [warning.field for warning in result.warnings]
                    log.warning("said too late", fields=late, scim_id=str(scim_id))
                await store.told(scim_id, event.number)
                continue
            kind = stored["item"]["type"]
            log.error("event refused", event_type=kind, status=result.status, scim_id=str(scim_id))
            await store.refused(scim_id, event.number, f"{kind} {result.status.value}")

    async def must_be_covered(
        self, organization_id: str, key_id: str, names: Collection[str]
    ) -> None:
        """Raises ForbiddenException when no sharing agreement lets the employer send these types:
        asked before a change is kept, so that none is kept that could not be told.
        """
        principal = Principal(Role.EMPLOYER, organization_id, key_id)
        found = await self._writer.agreements.refusals(principal, names, utc_now())
        if found:
            first = next(iter(found.values()))
            raise ForbiddenException(detail=f"{first.problem}. {first.fix}")

    async def _write(self, organization_id: str, stored: dict[str, Any]) -> ItemResult:
        principal = Principal(Role.EMPLOYER, organization_id, stored["key_id"])
        model = validated({k: v for k, v in stored["item"].items() if v is not None})
        if isinstance(model, ItemResult):
            return model
        if isinstance(model, WorkerRegistered):
            return (await self._writer.register([model], principal, utc_now()))[0]
        return (await self._writer.write([cast(Any, model)], principal, utc_now()))[0]

    async def soon(self, organization_id: str, scim_id: UUID) -> None:
        """Publish now if that is possible, else later."""
        try:
            await self.publish(organization_id, scim_id)
        except (RetryableError, KafkaError, *AWAY) as error:
            log.warning("events wait", why=repr(error), scim_id=str(scim_id))

    async def drain(self, left_behind: timedelta = _LEFT_BEHIND) -> None:
        """Publish what was left behind. Raises as `publish`."""
        for organization_id, scim_id in await waiting(self._pool, left_behind):
            await self.publish(organization_id, scim_id)

    async def run(self) -> None:
        """For ever, from the start on: what a crash left is told first."""
        left_behind = timedelta(0)
        while True:
            try:
                await self.drain(left_behind)
                left_behind = _LEFT_BEHIND
            except (RetryableError, KafkaError, *AWAY) as error:
                log.warning("events wait", why=repr(error))
            await asyncio.sleep(_LOOK_S)
