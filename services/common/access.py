"""Who is calling: API keys of systems and log-ins of workers, as bearer tokens.

A token is `tl_<key id>_<secret>`; only a hash of the secret is stored. Each key speaks for one
organisation in one role, or for one worker.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from fastapi import Request

from services.common.errors import Problem
from services.common.postgres import Connection, Pool

_CACHED_S = 5.0
_CACHE_SIZE = 10_000
_ISSUE = """
INSERT INTO vault.access_key (key_id, secret_sha256, role, subject, signed_in_with)
VALUES ($1, $2, $3, $4, $5)
"""
_REGISTERED = """
SELECT role FROM vault.access_key WHERE subject = $1 AND role <> 'worker'
ORDER BY created_at, key_id LIMIT 1
"""


class Role(StrEnum):
    WORKER = "worker"
    EMPLOYER = "employer"
    PROVIDER = "provider"
    AGENCY = "agency"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller: an organisation in a role, or a worker."""

    role: Role
    subject: str  # organisation id, or the worker's id as text
    key_id: str

    @property
    def worker_id(self) -> UUID:
        """Raises Problem 403 when the caller is not a worker."""
        if self.role is not Role.WORKER:
            raise Problem(403, "workers-only", "Only the person the record is about may do this.")
        return UUID(self.subject)

    @property
    def organization_id(self) -> str:
        """Raises Problem 403 when the caller is not an organisation."""
        if self.role is Role.WORKER:
            raise Problem(403, "organizations-only", "Only an organisation's key may do this.")
        return self.subject


def hash_of(secret: str) -> bytes:
    """The secret has 256 random bits, so one round of SHA-256 is enough."""
    return hashlib.sha256(secret.encode()).digest()


async def issue_key(
    pool: Pool | Connection, role: Role, subject: str, *, signed_in_with: str | None = None
) -> str:
    """Make a key and answer its token, which is shown once and can't be read again.

    signed_in_with: id of the key that a log-in began with; revoking that ends this one, too.
    """
    key_id, secret = secrets.token_hex(8), secrets.token_hex(32)
    await pool.execute(_ISSUE, key_id, hash_of(secret), role.value, subject, signed_in_with)
    return f"tl_{key_id}_{secret}"


def key_id_of(token: str) -> str:
    """The public part of a token of `issue_key`."""
    return token.split("_")[1]


async def registered_role(pool: Pool, organization_id: str) -> Role | None:
    """In which role an operator registered the organisation; None when nobody did.

    Its first key has it, whatever became of that. The directory does not say: its entries are
    written also by organisations themselves.
    """
    found = await pool.fetchval(_REGISTERED, organization_id)
    return None if found is None else Role(found)


class Keys:
    """Checks tokens, remembering good ones for a few seconds."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._known: dict[str, tuple[float, Principal]] = {}

    async def principal(self, token: str) -> Principal | None:
        """Who the token speaks for, or None when it is not, or no longer, good."""
        digest = hash_of(token).hex()
        until, known = self._known.get(digest, (0.0, None))
        if known is not None and time.monotonic() < until:
            return known
        found = await self._look_up(token)
        if len(self._known) >= _CACHE_SIZE:
            self._known.clear()
        if found is not None:
            self._known[digest] = (time.monotonic() + _CACHED_S, found)
        return found

    async def _look_up(self, token: str) -> Principal | None:
        prefix, _, rest = token.partition("_")
        key_id, _, secret = rest.partition("_")
        if prefix != "tl" or not secret or len(token) > 200:
            return None
        row = await self._pool.fetchrow(
            "SELECT secret_sha256, role, subject FROM vault.live_key WHERE key_id = $1", key_id
        )
        if row is None or not hmac.compare_digest(row["secret_sha256"], hash_of(secret)):
            return None
        return Principal(Role(row["role"]), row["subject"], key_id)


async def caller(request: Request) -> Principal:
    """FastAPI dependency: the caller. Raises Problem 401 without a good bearer token."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    keys: Keys = request.app.state.keys
    found = await keys.principal(token.strip()) if scheme.lower() == "bearer" else None
    if found is None:
        raise Problem(
            401,
            "unauthenticated",
            "Send a good key as 'Authorization: Bearer tl_…'.",
            headers={"WWW-Authenticate": 'Bearer realm="throughline"'},
        )
    return found
