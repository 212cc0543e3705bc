"""What the hub knows by its own secrets: names towards others, indexes, secrets of systems.

The secrets are random, made once, and wrapped like data keys. They stay when the master key
changes: what was made with them lies in tables, on the log and at receivers.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Mapping
from importlib import resources
from typing import Final
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from services.common.locks import Lock
from services.common.postgres import Pool, apply_sql, open_pool
from services.common.settings import Settings
from services.common.vault.custodian import MasterKeyProblem, custodian_of
from services.common.vault.envelope import KeyEncryptionKeys

SECRETS: Final = ("index", "pseudonym", "secrets")
_SECRETS = "SELECT name, kek_id, wrapped FROM vault.hub_secret"
_KEEP = "INSERT INTO vault.hub_secret (name, kek_id, wrapped) VALUES ($1, $2, $3)"
_TRIES = 5


class Vault:
    """The hub's own secrets, opened, and the keys that wrap the workers'."""

    def __init__(self, secrets: Mapping[str, bytes], keks: KeyEncryptionKeys) -> None:
        """secrets: 32 bytes for each of SECRETS."""
        self.keks = keks
        self._index = HMAC(secrets["index"], SHA256())
        self._pseudonym = secrets["pseudonym"]
        self._secrets = AESGCM(secrets["secrets"])

    @classmethod
    async def open(cls, settings: Settings, pool: Pool | None = None) -> Vault:
        """Open the vault that `create` made.

        Raises MasterKeyProblem; DependencyDown when database or custodian do not answer.
        """
        if pool is None:
            async with open_pool(settings, most=1) as own:
                return await cls.open(settings, own)
        keks = KeyEncryptionKeys(custodian_of(settings))
        for _ in range(_TRIES):
            await keks.load(pool)
            rows = await pool.fetch(_SECRETS)
            if len(rows) < len(SECRETS):
                break
            if all(row["kek_id"] in keks for row in rows):  # or a rotation came between
                opened = {
                    row["name"]: keks.unwrap(
                        row["kek_id"], secret_name(row["name"]), row["wrapped"]
                    )
                    for row in rows
                }
                return cls(opened, keks)
        raise MasterKeyProblem("the vault is not complete: run `throughline init`")

    @classmethod
    async def create(cls, settings: Settings, pool: Pool) -> Vault:
        """Make tables, master key, first keys and secrets where they are missing; open the vault.

        Raises as `open`. A master key is never made when something is wrapped by another.
        """
        await apply_sql(pool, resources.files(__package__).joinpath("vault.sql").read_text())
        keks = KeyEncryptionKeys(custodian_of(settings))
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", Lock.MAKE_VAULT)
            if not await connection.fetchval("SELECT EXISTS (SELECT FROM vault.hub_secret)"):
                await keks.custodian.make()
                kek_id = await keks.add(connection, await keks.custodian.present())
                for name in SECRETS:
                    wrapped = keks.wrap(kek_id, secret_name(name), os.urandom(32))
                    await connection.execute(_KEEP, name, kek_id, wrapped)
        return await cls.open(settings, pool)

    def blind_index(self, *parts: str) -> bytes:
        """A keyed hash to look a value up by without storing it."""
        # A copy, for beginning with a key takes longer than the hash itself.
        begun = self._index.copy()
        begun.update("\x1f".join(parts).encode())
        return begun.finalize()

    def pseudonym(self, worker_id: UUID, recipient_id: str) -> str:
        """The worker's name towards one recipient: stable there, and not joinable elsewhere."""
        text = f"worker\x1f{worker_id}\x1f{recipient_id}".encode()
        return f"w-{hmac.digest(self._pseudonym, text, hashlib.sha256).hex()[:32]}"

    def message_id(self, connection_id: str, event_id: UUID) -> str:
        """The event's id towards one receiver: the same on each try, different elsewhere."""
        text = f"message\x1f{connection_id}\x1f{event_id}".encode()
        return f"msg_{hmac.digest(self._pseudonym, text, hashlib.sha256).hex()[:32]}"

    def seal_secret(self, name: str, secret: bytes) -> bytes:
        """Seal a system's secret, such as a webhook's signing key, for storing."""
        nonce = os.urandom(12)
        return nonce + self._secrets.encrypt(nonce, secret, name.encode())

    def open_secret(self, name: str, sealed: bytes) -> bytes:
        """Raises InvalidTag or ValueError for what was not sealed under this name."""
        return self._secrets.decrypt(sealed[:12], sealed[12:], name.encode())


def secret_name(name: str) -> bytes:
    """What a secret of the hub is wrapped for."""
    return b"hub\x1f" + name.encode()
