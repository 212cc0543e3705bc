"""Reads by organisations: a read is a disclosure, decided and logged like a push."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import Request

from services.common.access import Principal
from services.common.clock import utc_now
from services.common.codec import Decoded
from services.common.consent import NEVER_SHARED
from services.common.errors import not_found
from services.common.postgres import Connection
from services.common.reads import Read, hold_withdrawals, log_reads
from services.portal.reading import (
    Cursors,
    Told,
    disclosed,
    opened_fields,
    shared_item,
    with_names,
)
from services.portal.store import AgreedGrant, ReadStore, StoryFilter


@dataclass(frozen=True, slots=True)
class Asked:
    """What an organisation asks for: a page of a story, under one purpose or any agreed."""

    limit: int
    before: str | None
    as_of: datetime | None
    purpose: str | None


class SharedReads:
    """Answers organisations."""

    def __init__(self, state: Any, store: ReadStore) -> None:
        self._state = state
        self._store = store

    @classmethod
    def of(cls, request: Request) -> SharedReads:
        return cls(request.app.state, request.app.state.portal.store)

    async def story(self, worker_id: UUID, who: Principal, asked: Asked) -> dict[str, Any]:
        """A page of what may be seen. Raises Problem 404 without a grant in force."""
        vault, recipient = self._state.vault, who.organization_id
        agreed = await self._live(worker_id, recipient, asked.purpose, utc_now())
        reflects = await self._store.reflects(worker_id)
        cursors = Cursors(vault, recipient, worker_id)
        events, following = await self._events(worker_id, agreed, asked, cursors)
        opened = await opened_fields(self._state.keyring, events)
        told = await self._decided(worker_id, who, asked, events, opened)
        return {
            "subject": vault.pseudonym(worker_id, recipient),
            "position": str(reflects) if reflects else None,
            "parked": await self._store.is_parked(worker_id),
            "items": await with_names([shared_item(one) for one in told], self._store),
            "next": following,
        }

    async def _live(
        self,
        worker_id: UUID,
        recipient_id: str,
        purpose: str | None,
        now: datetime,
        using: Connection | None = None,
    ) -> list[AgreedGrant]:
        """The grants in force. Raises Problem 404 when there is none, as for an unknown person."""
        agreed = await self._store.grants(worker_id, recipient_id, using=using)
        live = [one for one in agreed if one.is_live(now)]
        if purpose:
            live = [one for one in live if purpose in one.grant.purposes]
        if not live:
            raise not_found("worker")
        return live

    async def _events(
        self, worker_id: UUID, agreed: Sequence[AgreedGrant], asked: Asked, cursors: Cursors
    ) -> tuple[list[Decoded], str | None]:
        """Events of the categories agreed to, and where the next page begins."""
        categories = frozenset(c for one in agreed for c in one.grant.categories) - NEVER_SHARED
        wanted = StoryFilter(
            asked.limit + 1,
            categories=categories,
            as_of=asked.as_of,
            before=cursors.read(asked.before),
        )
        events = await self._store.story(worker_id, wanted)
        shown = events[: asked.limit]
        return shown, cursors.write(shown[-1]) if len(events) > asked.limit else None

    async def _decided(
        self,
        worker_id: UUID,
        who: Principal,
        asked: Asked,
        events: Sequence[Decoded],
        opened: Mapping[UUID, Mapping[str, object]],
    ) -> list[Told]:
        """Decide now and log it, while a withdrawal waits. Raises Problem 404, KafkaError."""
        recipient = who.organization_id
        async with self._state.pool.acquire() as connection, connection.transaction():
            await hold_withdrawals(connection, [worker_id], recipient)
            now = utc_now()
            agreed = await self._live(worker_id, recipient, asked.purpose, now, connection)
            told = disclosed(
                events,
                recipient,
                agreed,
                opened,
                vault=self._state.vault,
                purposes=[asked.purpose] if asked.purpose else (),
                at=now,
            )
            producer, settings = self._state.producer, self._state.settings
            await log_reads(producer, settings, map(read_of, told), who, now)
        return told


def read_of(told: Told) -> Read:
    """One fact that an organisation is told, as the log has it."""
    update, seen = told.disclosure, told.event
    return Read(
        worker_id=seen.worker_id,
        event_id=seen.event_id,
        event_type=seen.name,
        category=seen.event_type.category,
        recipient_id=update.recipient_id,
        grant_id=update.grant_id,
        message_id=update.message_id,
    )
