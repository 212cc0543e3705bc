"""Log-ins of workers and organisations: a random number in a cookie, stored as its hash alone.

Each log-in has an access key of its own, sealed, with which the portal speaks to the other
services for this person or organisation. It is revoked when the log-in ends.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from services.common.access import Principal, Role, hash_of, issue_key
from services.common.postgres import Pool
from services.common.vault import Vault

_SEAL = "portal.session"
_END_OLD = """
WITH old AS (DELETE FROM portal_work.login WHERE expires_at <= $1 RETURNING key_id)
UPDATE vault.access_key SET revoked_at = $1 WHERE key_id IN (SELECT key_id FROM old)
"""
_END = """
WITH ended AS (DELETE FROM portal_work.login WHERE token_sha256 = $1 RETURNING key_id)
UPDATE vault.access_key SET revoked_at = $2 WHERE key_id IN (SELECT key_id FROM ended)
"""
_FIND = """
SELECT l.role, l.subject, l.sealed_key
FROM portal_work.login l JOIN vault.live_key USING (key_id)
WHERE l.token_sha256 = $1 AND l.expires_at > $2
"""


@dataclass(frozen=True, slots=True)
class Session:
    """One worker, or one organisation in a role, at one browser."""

    role: Role
    subject: str  # the worker's id as text, or the organisation's id
    bearer: str  # the access key of this log-in

    @property
    def worker_id(self) -> UUID:
        """Raises ValueError when this is not a worker's log-in."""
        if self.role is not Role.WORKER:
            raise ValueError(f"a log-in as {self.role} has no worker")
        return UUID(self.subject)


class Sessions:
    """Starts, finds and ends log-ins."""

    def __init__(self, pool: Pool, vault: Vault) -> None:
        self._pool = pool
        self._vault = vault

    async def start(self, who: Principal, lasts: timedelta, *, now: datetime) -> str:
        """Make a log-in and answer the cookie's value. Those that have run out end."""
        await self._pool.execute(_END_OLD, now)
        token = secrets.token_urlsafe(32)
        key = await issue_key(self._pool, who.role, who.subject, signed_in_with=who.key_id)
        await self._pool.execute(
            "INSERT INTO portal_work.login (token_sha256, role, subject, key_id,"
            " sealed_key, expires_at) VALUES ($1, $2, $3, $4, $5, $6)",
            hash_of(token),
            who.role.value,
            who.subject,
            key.split("_")[1],
            self._vault.seal_secret(_SEAL, key.encode()),
            now + lasts,
        )
        return token

    async def find(self, token: str, *, now: datetime) -> Session | None:
        """The log-in that the cookie names, while it lasts and its key is good."""
        row = await self._pool.fetchrow(_FIND, hash_of(token), now)
        if row is None:
            return None
        key = self._vault.open_secret(_SEAL, row["sealed_key"]).decode()
        return Session(Role(row["role"]), row["subject"], key)

    async def end(self, token: str, *, now: datetime) -> None:
        """End the log-in and its access key. An unknown one is ended already."""
        await self._pool.execute(_END, hash_of(token), now)


def form_token(cookie: str) -> str:
    """What a form must carry: it follows from the cookie, which other sites can't read."""
    return hmac.new(cookie.encode(), b"throughline/form", hashlib.sha256).hexdigest()


def is_form_token(cookie: str, sent: str) -> bool:
    return hmac.compare_digest(form_token(cookie).encode(), sent.encode())
