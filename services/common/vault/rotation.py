"""A new master key, without touching an event.

1. The custodian makes the next master key.
2. A new key-encryption key, wrapped by it; those before are retired: nothing more is wrapped by
   them, and the hub's secrets are wrapped anew, all in one transaction.
3. Every worker's data key is wrapped anew, a batch a transaction.
4. The retired key-encryption keys are deleted.
5. The next master key takes the present one's place, which is destroyed.

Each step looks at what there is and not at what was done, so a rotation that was cut anywhere goes
on by being started again. Services run on: who meets a key-encryption key that it does not know
reads the table again. From then on a backup from before, master key file included or not, opens
nothing of what was erased since: the running hub has no key for it any more.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import asyncpg

from services.common.errors import TerminalError
from services.common.locks import Lock
from services.common.postgres import Connection, Pool
from services.common.vault.custodian import MasterKeyProblem
from services.common.vault.envelope import DamagedKey, KeyEncryptionKeys, data_key_name
from services.common.vault.hub import secret_name

# Backups of keys that were destroyed since the last rotation are of use no longer than this.
ROTATE_AFTER: Final = timedelta(days=30)
BATCH: Final = 2_000

_LIVE = """
SELECT kek_id FROM vault.key_encryption_key WHERE retired_at IS NULL AND master_id = $1
ORDER BY created_at DESC LIMIT 1
"""
_RETIRE = """
UPDATE vault.key_encryption_key SET retired_at = now() WHERE kek_id <> $1 AND retired_at IS NULL
"""
_SECRETS = "SELECT name, kek_id, wrapped FROM vault.hub_secret WHERE kek_id <> $1 FOR UPDATE"
_REWRAP_HUBS = "UPDATE vault.hub_secret SET kek_id = $2, wrapped = $3 WHERE name = $1"
_RETIRED = "SELECT kek_id FROM vault.key_encryption_key WHERE retired_at IS NOT NULL"
_LEFT = "SELECT count(*) FROM vault.worker_key WHERE kek_id = ANY($1::uuid[])"
_SOME = """
SELECT key_id, worker_id, key_group, kek_id, wrapped FROM vault.worker_key
WHERE kek_id = ANY($1::uuid[]) LIMIT $2 FOR UPDATE
"""
_REWRAP = """
UPDATE vault.worker_key AS k SET kek_id = $1, wrapped = n.wrapped
FROM unnest($2::uuid[], $3::bytea[]) AS n (key_id, wrapped) WHERE k.key_id = n.key_id
"""
_DELETE = "DELETE FROM vault.key_encryption_key WHERE retired_at IS NOT NULL"
_STATUS = """
SELECT kek_id, master_id, created_at, retired_at,
       (SELECT count(*) FROM vault.worker_key k WHERE k.kek_id = e.kek_id) AS data_keys
FROM vault.key_encryption_key e ORDER BY created_at
"""


class RotationRuns(TerminalError):
    """Another process is rotating the master key now."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What was just done; `wrapped` of `total` data keys are under the new key."""

    step: str  # begun, retired, wrapped, deleted or done
    wrapped: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class KeyAge:
    """One key-encryption key: it is as old as the master key that it was first wrapped by."""

    kek_id: UUID
    master_id: str
    created_at: datetime
    retired_at: datetime | None
    data_keys: int


async def key_ages(pool: Pool) -> list[KeyAge]:
    """The key-encryption keys, oldest first; more than one while a rotation is under way."""
    try:
        return [KeyAge(**row) for row in await pool.fetch(_STATUS)]
    except asyncpg.UndefinedTableError:
        raise MasterKeyProblem("the database has no vault yet: run `throughline init`") from None


def is_due(ages: Sequence[KeyAge], now: datetime) -> bool:
    """A rotation is due, or was begun and not ended."""
    return len(ages) > 1 or any(now - age.created_at > ROTATE_AFTER for age in ages)


async def rotate(
    pool: Pool, keks: KeyEncryptionKeys, *, batch: int = BATCH
) -> AsyncIterator[Progress]:
    """Rotate the master key, or end a rotation that was cut; says so after each step.

    Raises RotationRuns, MasterKeyProblem, DamagedKey, or DependencyDown: start it again.
    """
    async with pool.acquire() as connection:
        # Ends with the session, or when the pool takes the connection back.
        if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", Lock.ROTATE_MASTER_KEY):
            raise RotationRuns("another process is rotating the master key now; wait for its end")
        await keks.load(connection)
        master_id = await keks.custodian.prepare_next()
        yield Progress("begun")
        kek_id = await _switch(connection, keks, master_id)
        retired = [row["kek_id"] for row in await connection.fetch(_RETIRED)]
        total, done = await connection.fetchval(_LEFT, retired), 0
        yield Progress("retired", 0, total)
        while moved := await _rewrap(connection, keks, kek_id, retired, batch):
            done += moved
            yield Progress("wrapped", done, total)
        await connection.execute(_DELETE)
        yield Progress("deleted", done, total)
        await keks.custodian.retire_present()
        await keks.load(connection)
        yield Progress("done", done, total)


async def _switch(connection: Connection, keks: KeyEncryptionKeys, master_id: str) -> UUID:
    """Have one live key-encryption key, wrapped by the next master, and the secrets under it."""
    async with connection.transaction():
        kek_id: UUID | None = await connection.fetchval(_LIVE, master_id)
        if kek_id is None:
            kek_id = await keks.add(connection, master_id)
        # Waits for those who are wrapping by the old one just now.
        await connection.execute(_RETIRE, kek_id)
        for row in await connection.fetch(_SECRETS, kek_id):
            name = secret_name(row["name"])
            wrapped = keks.wrap(kek_id, name, keks.unwrap(row["kek_id"], name, row["wrapped"]))
            await connection.execute(_REWRAP_HUBS, row["name"], kek_id, wrapped)
    return kek_id


async def _rewrap(
    connection: Connection, keks: KeyEncryptionKeys, kek_id: UUID, retired: list[UUID], batch: int
) -> int:
    """Wrap up to `batch` data keys anew; how many they were."""
    async with connection.transaction():
        rows = await connection.fetch(_SOME, retired, batch)
        if rows:
            ids = [row["key_id"] for row in rows]
            wrapped = [_wrapped_anew(keks, kek_id, row) for row in rows]
            await connection.execute(_REWRAP, kek_id, ids, wrapped)
    return len(rows)


def _wrapped_anew(keks: KeyEncryptionKeys, kek_id: UUID, row: asyncpg.Record) -> bytes:
    name = data_key_name(row["key_id"], row["worker_id"], row["key_group"])
    try:
        return keks.wrap(kek_id, name, keks.unwrap(row["kek_id"], name, row["wrapped"]))
    except DamagedKey:
        raise DamagedKey(
            f"vault.worker_key {row['key_id']} is damaged: put the row back from a backup, or"
            " delete it (what it sealed is lost then), and start the rotation again"
        ) from None
