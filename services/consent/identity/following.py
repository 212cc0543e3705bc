"""What still comes under an id after its story, or part of it, has gone elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from services.common.codec import Decoded
from services.common.vault import Keyring, Vault
from services.consent.identity.handlers import Told, is_moving, leaving
from services.consent.identity.resealing import told
from services.consent.identity.store import IdentityStore, Stored
from services.consent.identity.writing import Rewriting

_MOST = 1_000


class Follower:
    """Forwards stragglers: events that ingest wrote under an old id because it had not seen yet
    that the record is somebody else's, or that a dead process' producer sent late.
    """

    def __init__(
        self,
        store: IdentityStore,
        rewriting: Rewriting,
        vault: Vault,
        keyring: Keyring,
        window: timedelta,
    ) -> None:
        """window: how long after a split its old id is watched."""
        self._store = store
        self._rewriting = rewriting
        self._vault = vault
        self._keyring = keyring
        self._window = window

    async def follow(self) -> bool:
        """Forward what has come; true when there may be more."""
        more = False
        for topic, partition, start, end in await self._store.unread():
            found = await self._store.stragglers(topic, partition, start, end, _MOST)
            place = (topic, partition, start, end)
            parted = await self._store.after_splits(place, self._window, _MOST)
            full = [rows[-1] for rows in (found, [s for _, s in parted]) if len(rows) == _MOST]
            if full:  # the rest comes in the next round
                end = min(stored.position.offset for stored in full) + 1
                more = True
            await self._forward([s.event for s in found if s.position.offset < end])
            for move_id, stored in parted:
                if stored.position.offset < end:
                    await self._part(move_id, stored)
            await self._store.done_to(topic, partition, end)
        return more

    async def _forward(self, events: Sequence[Decoded]) -> None:
        """To whose record it is now, or else to whom the old id stands for."""
        for one in await told(self._keyring, [e for e in events if is_moving(e)]):
            owner = await self._owner(one)
            if owner != one.event.worker_id and not await self._went_before(one.event):
                await self._rewriting.write_again([one.event], owner)

    async def _went_before(self, event: Decoded) -> bool:
        """Whether the event had been parted from the old id before that was merged."""
        return event.event_id in await self._rewriting.gone(event.worker_id)

    async def _part(self, move_id: UUID, stored: Stored) -> None:
        """Under an id that goes on: only what names a record that is another's now."""
        event = stored.event
        (one,) = await told(self._keyring, [event])
        if not is_moving(event) or one.number is None:
            return
        move = await self._store.move(move_id)
        owner = await self._owner(one)
        assert move is not None
        index = self._vault.blind_index(event.fields["source"], one.number)
        if owner != event.worker_id and index == move.record_index:
            await self._rewriting.write_again([event], owner)
            await self._rewriting.append([leaving(move, event.event_id)])

    async def _owner(self, one: Told) -> UUID:
        if one.number is not None:
            source = one.event.fields["source"]
            record = source, self._vault.blind_index(source, one.number)
            if (owner := (await self._store.owners([record])).get(record)) is not None:
                return owner
        return await self._store.canonical(one.event.worker_id)
