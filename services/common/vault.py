"""Sealing: AES-256-GCM under a key per worker and part of the record, wrapped by a master key.

A sealed value is version (1 byte), key id (16), nonce (12), ciphertext and tag. Its additional
data names topic, event, worker and field, so a value moved elsewhere does not open.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.common.errors import TerminalError
from services.common.log import get_logger
from services.common.postgres import Pool

VERSION: Final = 1
_ID, _NONCE = slice(1, 17), slice(17, 29)
_SHORTEST = 29 + 16

log = get_logger("vault")


@dataclass(frozen=True, slots=True)
class Redacted:
    """What a reader gets in place of a sealed value it has no key for."""

    reason: str = "sealed"


class MasterKeyProblem(TerminalError):
    """The master key's file is missing, has the wrong size, or can be read by others."""


class Vault:
    """The master key, and what follows from it without a database."""

    def __init__(self, master: bytes) -> None:
        if len(master) != 32:
            raise MasterKeyProblem(f"the master key has {len(master)} bytes, expected 32")
        self._wrap = AESGCM(_derive(master, b"wrap"))
        self._index = _derive(master, b"index")
        self._pseudonym = _derive(master, b"pseudonym")
        self._secrets = AESGCM(_derive(master, b"secrets"))

    @classmethod
    def open(cls, folder: Path) -> Vault:
        """Read `master.key`. Raises MasterKeyProblem."""
        path = folder / "master.key"
        try:
            mode = path.stat().st_mode & 0o077
            master = path.read_bytes()
        except OSError as error:
            raise MasterKeyProblem(f"{path}: {error.strerror}; run `throughline init`") from error
        if mode:
            raise MasterKeyProblem(f"{path} can be read by others: run `chmod 600 {path}`")
        return cls(master)

    @classmethod
    def create(cls, folder: Path) -> Vault:
        """Read `master.key`, making it first when there is none."""
        path = folder / "master.key"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return cls.open(folder)
        with os.fdopen(handle, "wb") as file:
            file.write(os.urandom(32))
        log.warning("master key made; keep a copy apart from the data", path=str(path))
        return cls.open(folder)

    def blind_index(self, *parts: str) -> bytes:
        """A keyed hash to look a value up by without storing it."""
        return hmac.digest(self._index, "\x1f".join(parts).encode(), hashlib.sha256)

    def pseudonym(self, worker_id: UUID, recipient_id: str) -> str:
        """The worker's name towards one recipient: stable there, and not joinable elsewhere."""
        text = f"worker\x1f{worker_id}\x1f{recipient_id}".encode()
        return f"w-{hmac.digest(self._pseudonym, text, hashlib.sha256).hex()[:32]}"

    def message_id(self, connection_id: str, event_id: UUID) -> str:
        """The event's id towards one receiver: the same on each try, different elsewhere."""
        text = f"message\x1f{connection_id}\x1f{event_id}".encode()
        return f"msg_{hmac.digest(self._pseudonym, text, hashlib.sha256).hex()[:32]}"

    def wrap(self, key_id: UUID, key: bytes) -> bytes:
        nonce = os.urandom(12)
        return nonce + self._wrap.encrypt(nonce, key, key_id.bytes)

    def unwrap(self, key_id: UUID, wrapped: bytes) -> bytes:
        return self._wrap.decrypt(wrapped[:12], wrapped[12:], key_id.bytes)

    def seal_secret(self, name: str, secret: bytes) -> bytes:
        """Seal a system's secret, such as a webhook's signing key, for storing."""
        nonce = os.urandom(12)
        return nonce + self._secrets.encrypt(nonce, secret, name.encode())

    def open_secret(self, name: str, sealed: bytes) -> bytes:
        return self._secrets.decrypt(sealed[:12], sealed[12:], name.encode())


def _derive(master: bytes, use: bytes) -> bytes:
    return hmac.digest(master, b"throughline/1/" + use, hashlib.sha256)


@lru_cache(maxsize=50_000)
def _cipher(key: bytes) -> AESGCM:
    return AESGCM(key)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sealed value stands; it opens nowhere else."""

    topic: str  # stories, directory or deliveries
    event_id: UUID
    worker_id: UUID
    field: str

    def bound(self) -> bytes:
        head = f"{self.topic}\x1f{self.field}\x1f".encode()
        return head + self.event_id.bytes + self.worker_id.bytes


@dataclass(frozen=True, slots=True)
class DataKey:
    key_id: UUID
    key: bytes

    def seal(self, place: Place, plain: bytes) -> bytes:
        nonce = os.urandom(12)
        sealed = _cipher(self.key).encrypt(nonce, plain, place.bound())
        return bytes([VERSION]) + self.key_id.bytes + nonce + sealed

    def open(self, place: Place, sealed: bytes) -> bytes | Redacted:
        try:
            return _cipher(self.key).decrypt(sealed[_NONCE], sealed[29:], place.bound())
        except InvalidTag:
            return Redacted("does not open here")


class Keyring:
    """Data keys from `vault.worker_key`, made on first use."""

    def __init__(self, pool: Pool, vault: Vault) -> None:
        self._pool = pool
        self._vault = vault

    async def for_sealing(
        self, wanted: Iterable[tuple[UUID, str]]
    ) -> Mapping[tuple[UUID, str], DataKey]:
        """The keys of (worker, category) pairs: one statement when all are there, three when some
        have to be made.
        """
        pairs = set(wanted)
        if not pairs:
            return {}
        found = await self._existing(pairs)
        if missing := sorted(pairs - found.keys(), key=lambda pair: (pair[0].int, pair[1])):
            await self._make(missing)
            found |= await self._existing(set(missing))
        return found

    async def _existing(self, pairs: set[tuple[UUID, str]]) -> dict[tuple[UUID, str], DataKey]:
        rows = await self._pool.fetch(
            "SELECT key_id, worker_id, category, wrapped FROM vault.worker_key"
            " WHERE worker_id = ANY($1::uuid[]) AND category = ANY($2::text[])",
            list({worker for worker, _ in pairs}),
            list({category for _, category in pairs}),
        )
        return {
            (row["worker_id"], row["category"]): DataKey(
                row["key_id"], self._vault.unwrap(row["key_id"], row["wrapped"])
            )
            for row in rows
            if (row["worker_id"], row["category"]) in pairs
        }

    async def _make(self, pairs: Sequence[tuple[UUID, str]]) -> None:
        """Make keys; who loses a race for one uses the winner's. `pairs` are sorted, so that two
        callers can't deadlock.
        """
        fresh = [(uuid4(), os.urandom(32)) for _ in pairs]
        await self._pool.execute(
            "INSERT INTO vault.worker_key (key_id, worker_id, category, wrapped)"
            " SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bytea[])"
            " ON CONFLICT (worker_id, category) DO NOTHING",
            [key_id for key_id, _ in fresh],
            [worker for worker, _ in pairs],
            [category for _, category in pairs],
            [self._vault.wrap(key_id, key) for key_id, key in fresh],
        )

    async def open_all(self, sealed: Mapping[Place, bytes]) -> Mapping[Place, str | Redacted]:
        """Open values; what has no key (any more) becomes Redacted, never an exception."""
        ids = {place: _key_id(value) for place, value in sealed.items()}
        rows = await self._pool.fetch(
            "SELECT key_id, wrapped FROM vault.worker_key WHERE key_id = ANY($1::uuid[])",
            list({i for i in ids.values() if i is not None}),
        )
        keys = {
            row["key_id"]: DataKey(row["key_id"], self._vault.unwrap(row["key_id"], row["wrapped"]))
            for row in rows
        }
        opened: dict[Place, str | Redacted] = {}
        for place, value in sealed.items():
            key = keys.get(ids[place]) if ids[place] is not None else None
            plain = key.open(place, value) if key is not None else Redacted("no key")
            opened[place] = plain if isinstance(plain, Redacted) else plain.decode()
        return opened


def _key_id(sealed: bytes) -> UUID | None:
    if len(sealed) < _SHORTEST or sealed[0] != VERSION:
        return None
    return UUID(bytes=sealed[_ID])
