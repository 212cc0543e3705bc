"""Key-encryption keys: what stands between the master key and everything that is wrapped.

They lie in `vault.key_encryption_key`, wrapped by the custodian, and are in memory from the first
use on. One is for wrapping; more than one are there only while a rotation is under way.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from uuid import UUID, uuid4

import asyncpg
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.common.errors import TerminalError
from services.common.postgres import Connection, Pool
from services.common.vault.custodian import Custodian, MasterKeyProblem, Wrapped

_ALL = """
SELECT kek_id, master_id, wrapped, retired_at IS NULL AS live
FROM vault.key_encryption_key ORDER BY created_at
"""
_ADD = "INSERT INTO vault.key_encryption_key (kek_id, master_id, wrapped) VALUES ($1, $2, $3)"
# A rotation may take a key away between the look at the table and its unwrapping.
_TRIES = 5


class DamagedKey(TerminalError):
    """A wrapped key does not open with the key that it names."""


class KeyEncryptionKeys:
    """The keys that wrap others, unwrapped, as this process knows them."""

    def __init__(self, custodian: Custodian) -> None:
        self.custodian = custodian
        self._ciphers: dict[UUID, AESGCM] = {}
        self._live: UUID | None = None

    def __contains__(self, kek_id: UUID) -> bool:
        return kek_id in self._ciphers

    @property
    def live(self) -> UUID:
        """The one for wrapping. Raises MasterKeyProblem when there is none."""
        if self._live is None:
            raise MasterKeyProblem("the vault has no keys yet: run `throughline init`")
        return self._live

    async def load(self, database: Pool | Connection) -> None:
        """Learn the keys there are, and forget those that are gone.

        Raises MasterKeyProblem, or DependencyDown when the custodian does not answer.
        """
        for left in reversed(range(_TRIES)):
            rows = await _rows(database)
            try:
                found = {row["kek_id"]: await self._unwrapped(row) for row in rows}
            except MasterKeyProblem:
                if not left or await _rows(database) == rows:
                    raise
                continue
            self._ciphers = found
            self._live = next((row["kek_id"] for row in reversed(rows) if row["live"]), None)
            return

    async def add(self, connection: Connection, master_id: str) -> UUID:
        """Make a key wrapped by that master key; from now on it is the one for wrapping."""
        kek_id, key = uuid4(), AESGCM.generate_key(256)
        wrapped = await self.custodian.wrap(master_id, kek_id, key)
        await connection.execute(_ADD, kek_id, wrapped.master_id, wrapped.bytes)
        self._ciphers[kek_id], self._live = AESGCM(key), kek_id
        return kek_id

    def wrap(self, kek_id: UUID, name: bytes, key: bytes) -> bytes:
        """Wrap a key; it opens under the same name only."""
        nonce = os.urandom(12)
        return nonce + self._ciphers[kek_id].encrypt(nonce, key, name)

    def unwrap(self, kek_id: UUID, name: bytes, wrapped: bytes) -> bytes:
        """Raises DamagedKey; KeyError for a key-encryption key that is not known here (yet)."""
        cipher = self._ciphers[kek_id]
        try:
            return cipher.decrypt(wrapped[:12], wrapped[12:], name)
        except (InvalidTag, ValueError):
            raise DamagedKey(f"a key wrapped by {kek_id} is damaged") from None

    async def _unwrapped(self, row: asyncpg.Record) -> AESGCM:
        if known := self._ciphers.get(row["kek_id"]):
            return known
        wrapped = Wrapped(row["master_id"], row["wrapped"])
        return AESGCM(await self.custodian.unwrap(row["kek_id"], wrapped))


async def _rows(database: Pool | Connection) -> Sequence[asyncpg.Record]:
    try:
        return await database.fetch(_ALL)
    except asyncpg.UndefinedTableError:
        raise MasterKeyProblem("the database has no vault yet: run `throughline init`") from None


def data_key_name(key_id: UUID, worker_id: UUID, group: str) -> bytes:
    """What a worker's data key is wrapped for: moved to another row, it does not open."""
    return b"worker\x1f" + key_id.bytes + worker_id.bytes + group.encode()
