"""The workers' data keys: found, made on first use, kept in memory for a while when sealing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from time import monotonic
from typing import Final, TypeAlias
from uuid import UUID, uuid4

import asyncpg

from services.common.errors import RetryableError
from services.common.log import get_logger
from services.common.postgres import Pool
from services.common.vault.envelope import DamagedKey, data_key_name
from services.common.vault.hub import Vault
from services.common.vault.sealing import KEY_GROUPS, DataKey, Place, Redacted, key_id_of

# A worker, and a group of categories; where a caller asks, a category.
Pair: TypeAlias = tuple[UUID, str]

_OF_WORKERS = """
SELECT key_id, worker_id, key_group, kek_id, wrapped FROM vault.worker_key
WHERE worker_id = ANY($1::uuid[]) AND key_group = ANY($2::text[])
"""
_BY_ID = """
SELECT key_id, worker_id, key_group, kek_id, wrapped FROM vault.worker_key
WHERE key_id = ANY($1::uuid[])
"""
# Nothing is wrapped by a key that a rotation has retired: the row is locked while we do.
_MAKE = """
WITH kek AS (
    SELECT kek_id FROM vault.key_encryption_key WHERE kek_id = $5 AND retired_at IS NULL FOR SHARE
)
INSERT INTO vault.worker_key (key_id, worker_id, key_group, wrapped, kek_id)
SELECT made.*, kek.kek_id
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bytea[]) AS made, kek
ON CONFLICT (worker_id, key_group) DO NOTHING
"""
_TRIES = 5
# Who is erased may have words sealed for this long with a key that no longer exists.
KEEP_S: Final = 60.0
KEEP_MOST: Final = 50_000
log = get_logger("vault")


class KeysChanging(RetryableError):
    """The key-encryption keys change faster than they can be read; the same call may work later."""


class Keyring:
    """Data keys from `vault.worker_key`.

    Keys for sealing are kept in memory, `keep_most` of them for `keep_s` seconds. Opening asks the
    database each time, so what was destroyed opens nowhere from that moment on.
    """

    def __init__(
        self,
        pool: Pool,
        vault: Vault,
        *,
        keep_s: float = KEEP_S,
        keep_most: int = KEEP_MOST,
        timer: Callable[[], float] = monotonic,
    ) -> None:
        self._pool = pool
        self._keks = vault.keks
        self._keep_s, self._keep_most, self._timer = keep_s, keep_most, timer
        # In the order in which they end, for all are kept equally long.
        self._kept: dict[Pair, tuple[float, DataKey]] = {}

    async def for_sealing(self, wanted: Iterable[Pair]) -> Mapping[Pair, DataKey]:
        """The keys of (worker, category) pairs. No statement when all are in memory, one when all
        exist, three when some have to be made.

        Raises KeyError for a category without a key group; DependencyDown, KeysChanging.
        """
        groups = {(worker, category): (worker, KEY_GROUPS[category]) for worker, category in wanted}
        if not groups:
            return {}
        needed = set(groups.values())
        keys = self._remembered(needed)
        if needed > keys.keys():
            fresh = await self._found_or_made(needed - keys.keys())
            self._remember(fresh)
            keys |= fresh
        return {pair: keys[group] for pair, group in groups.items()}

    def forget(self, workers: Iterable[UUID]) -> None:
        """Drop what is in memory about these: their keys are being destroyed."""
        gone = set(workers)
        self._kept = {pair: kept for pair, kept in self._kept.items() if pair[0] not in gone}

    async def open_all(self, sealed: Mapping[Place, bytes]) -> Mapping[Place, str | Redacted]:
        """Open values. What does not open (no key any more, moved, damaged) becomes Redacted.

        Raises DependencyDown, KeysChanging: then nothing is known about the values.
        """
        ids = {place: key_id_of(value) for place, value in sealed.items()}
        wanted = {key_id for key_id in ids.values() if key_id is not None}
        rows = await self._rows(_BY_ID, list(wanted)) if wanted else []
        keys: dict[UUID | None, DataKey | None] = {r["key_id"]: self._opened(r) for r in rows}
        opened: dict[Place, str | Redacted] = {}
        for place, value in sealed.items():
            key = keys.get(ids[place])
            opened[place] = key.open_text(place, value) if key else Redacted("no key")
        return opened

    async def _found_or_made(self, needed: set[Pair]) -> dict[Pair, DataKey]:
        found = await self._existing(needed)
        for _ in range(_TRIES):
            missing = sorted(needed - found.keys(), key=lambda pair: (pair[0].int, pair[1]))
            if not missing:
                return found
            await self._make(missing)
            made = await self._existing(set(missing))
            if not made:  # the key-encryption key was retired meanwhile
                await self._keks.load(self._pool)
            found |= made
        raise KeysChanging("the vault's keys are being rotated", retry_after_s=2)

    async def _existing(self, pairs: set[Pair]) -> dict[Pair, DataKey]:
        """Raises DamagedKey: sealing with another key than the worker's is no way out."""
        workers, groups = {worker for worker, _ in pairs}, {group for _, group in pairs}
        rows = await self._rows(_OF_WORKERS, list(workers), list(groups))
        return {pair: self._key(row) for row in rows if (pair := _pair(row)) in pairs}

    async def _make(self, pairs: Sequence[Pair]) -> None:
        """Make keys; who loses a race for one uses the winner's. `pairs` are sorted, so that two
        callers can't deadlock.
        """
        kek_id = self._keks.live
        made = [(uuid4(), worker, group, os.urandom(32)) for worker, group in pairs]
        wrapped = [
            self._keks.wrap(kek_id, data_key_name(key_id, worker, group), key)
            for key_id, worker, group, key in made
        ]
        ids = [key_id for key_id, *_ in made]
        workers, groups = [worker for worker, _ in pairs], [group for _, group in pairs]
        await self._pool.execute(_MAKE, ids, workers, groups, wrapped, kek_id)

    async def _rows(self, query: str, *arguments: object) -> Sequence[asyncpg.Record]:
        """Rows whose key-encryption keys are all known: a rotation may have brought a new one."""
        for _ in range(_TRIES):
            rows = await self._pool.fetch(query, *arguments)
            if all(row["kek_id"] in self._keks for row in rows):
                return rows
            await self._keks.load(self._pool)
            if all(row["kek_id"] in self._keks for row in rows):
                return rows
        raise KeysChanging("the vault's keys are being rotated", retry_after_s=2)

    def _key(self, row: asyncpg.Record) -> DataKey:
        name = data_key_name(row["key_id"], row["worker_id"], row["key_group"])
        return DataKey(row["key_id"], self._keks.unwrap(row["kek_id"], name, row["wrapped"]))

    def _opened(self, row: asyncpg.Record) -> DataKey | None:
        try:
            return self._key(row)
        except DamagedKey:
            log.error("data key is damaged", key_id=str(row["key_id"]))
            return None

    def _remembered(self, pairs: set[Pair]) -> dict[Pair, DataKey]:
        now, kept = self._timer(), self._kept
        return {
            pair: entry[1]
            for pair in pairs
            if (entry := kept.get(pair)) is not None and entry[0] > now
        }

    def _remember(self, keys: Mapping[Pair, DataKey]) -> None:
        now = self._timer()
        for pair, key in keys.items():
            self._kept.pop(pair, None)  # so that it goes to the end
            self._kept[pair] = (now + self._keep_s, key)
        while self._kept:
            oldest = next(iter(self._kept))
            if len(self._kept) <= self._keep_most and self._kept[oldest][0] > now:
                break
            del self._kept[oldest]


def _pair(row: asyncpg.Record) -> Pair:
    return row["worker_id"], row["key_group"]
