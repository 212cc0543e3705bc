"""A merge or split, step by step. Each step may be repeated: a crash between two loses nothing.

What is written twice has the same event id, so every story drops the repeat; which of a story's
events count follows from the set of them alone, so a late repeat changes nothing either.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import UUID

from services.common.codec import Decoded
from services.common.emit import Event
from services.common.ids import derived_id
from services.common.kafka import Position
from services.common.log import get_logger
from services.common.settings import Settings
from services.common.vault import Keyring, Vault
from services.consent.identity import handlers
from services.consent.identity.ends import ends_of
from services.consent.identity.handlers import Link, Move
from services.consent.identity.resealing import sealed_number, told
from services.consent.identity.store import IdentityStore
from services.consent.identity.writing import Rewriting

log = get_logger("identity")
EndGrants = Callable[[UUID], Awaitable[None]]


class Mover:
    def __init__(
        self,
        store: IdentityStore,
        rewriting: Rewriting,
        settings: Settings,
        vault: Vault,
        keyring: Keyring,
        end_grants: EndGrants,
    ) -> None:
        self._store = store
        self._rewriting = rewriting
        self._settings = settings
        self._vault = vault
        self._keyring = keyring
        self._end_grants = end_grants

    async def advance(self, move: Move) -> bool:
        """Take the next steps; false while the read model still has to come after.

        Raises KafkaError, TimeoutError, DependencyDown: the same call may be made again.
        """
        if move.partition is None:
            move = await self._bound(move)
        if not await self._store.passed(self._ends(move)):
            return False
        if move.position is None:
            await self._say(move)
            return False
        if not await self._store.passed(_after(move.old_position, move.position)):
            return False
        await self._write(move)  # what ingest still wrote under the old id meanwhile
        await self._store.end(move.move_id)
        log.info("identity move ended", move_id=str(move.move_id), kind=move.kind)
        return True

    async def _bound(self, move: Move) -> Move:
        """From here on ingest has the new owner; remember where the log ended then."""
        if move.kind == "merge":
            await self._end_grants(move.from_worker_id)
        partition, story_end, delivery_end = await ends_of(self._settings, move.from_worker_id)
        await self._store.note(
            move.move_id, partition=partition, story_end=story_end, delivery_end=delivery_end
        )
        return await self._again(move)

    @staticmethod
    def _ends(move: Move) -> list[tuple[str, int, int]]:
        assert move.partition is not None
        ends = ("stories", move.story_end or 0), ("deliveries", move.delivery_end or 0)
        return [(topic, move.partition, end) for topic, end in ends]

    async def _say(self, move: Move) -> None:
        """Write again what goes along, then say under both ids what happened."""
        count = await self._write(move)
        if move.events is None:
            await self._store.note(move.move_id, events=count)
            move = await self._again(move)
        old, new = await self._notices(move)
        under_new = await self._rewriting.append(new)
        under_old = await self._rewriting.append(old)
        await self._store.note(
            move.move_id,
            position=_last(under_new) or _last(under_old) or "",
            old_position=_last(under_old) or "",
        )

    async def _write(self, move: Move) -> int:
        """Write again what is not there yet; answer how many events go along in all."""
        if move.kind == "claim":
            return 0
        if move.kind == "merge":
            events = [s.event for s in await self._rewriting.moving(move.from_worker_id)]
            await self._rewriting.write_again(events, move.into_worker_id, back=move)
            return len(events)
        events = await self._leaving(move)
        await self._rewriting.write_again(events, move.into_worker_id)
        await self._rewriting.append(handlers.leaving(move, e.event_id) for e in events)
        before = await self._store.voids(move.from_worker_id)
        return len(handlers.left([move.move_id], before).keys() | {e.event_id for e in events})

    async def _leaving(self, move: Move) -> list[Decoded]:
        assert move.source is not None
        assert move.record_index is not None
        stored = await self._rewriting.moving(move.from_worker_id)
        records = await self._store.records(move.from_worker_id)
        others = sum(record["source"] == move.source for record in records)
        mine = [s.event for s in stored if s.event.fields["source"] == move.source]
        return handlers.belonging(
            await told(self._keyring, mine),
            move.source,
            move.record_index,
            others,
            self._vault.blind_index,
        )

    async def _notices(self, move: Move) -> tuple[list[Event], list[Event]]:
        """What is said under the old id, and under the other."""
        links = await self._links(move)
        new = [await self._linked(move, link) for link in links]
        if move.kind == "claim":
            return [], new
        if move.kind == "merge":
            new.append(handlers.merged(move, move.into_worker_id))
            return [handlers.merged(move, move.from_worker_id)], new
        registration = handlers.registration_id(move.into_worker_id)
        new = [
            handlers.registered(move.into_worker_id, registration, at=move.asked_at),
            *new,
            handlers.split(move, move.into_worker_id),
        ]
        await self._store.registered(move.into_worker_id)
        return await self._parted(move, links), new

    async def _parted(self, move: Move, links: list[Link]) -> list[Event]:
        """Who was registered by the record that left stays registered, without its words."""
        worker_id = move.from_worker_id
        again = derived_id("WorkerRegistered", worker_id, move.move_id)
        said = [handlers.registered(worker_id, again, at=move.asked_at)]
        for link in links:
            event_id = handlers.unlinked_id(move)
            sealed = await sealed_number(self._keyring, worker_id, event_id, link.number)
            said.append(handlers.unlinked(move, sealed))
        return [*said, handlers.split(move, worker_id)]

    async def _links(self, move: Move) -> list[Link]:
        """The records of the worker who goes on that this move brought, or that were taken up."""
        records = {
            (record["source"], record["record_index"]): record["link_id"]
            for record in await self._store.records(move.into_worker_id)
        }
        events = [s.event for s in await self._store.everything(move.from_worker_id)]
        return handlers.links_of(
            await told(self._keyring, events), records, self._vault.blind_index
        )

    async def _linked(self, move: Move, link: Link) -> Event:
        worker_id, event_id = move.into_worker_id, handlers.linked_id(link)
        sealed = await sealed_number(self._keyring, worker_id, event_id, link.number)
        return handlers.linked(move, link, sealed)

    async def _again(self, move: Move) -> Move:
        found = await self._store.move(move.move_id)
        assert found is not None
        return found


def _last(positions: list[Position]) -> str | None:
    return str(positions[-1]) if positions else None


def _after(*positions: str | None) -> list[tuple[str, int, int]]:
    known = [Position.parse(text) for text in positions if text]
    return [(p.topic, p.partition, p.offset + 1) for p in known]
