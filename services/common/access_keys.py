"""Which access keys there are, for operators at the command line, and their end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from services.common.access import Role
from services.common.postgres import Connection, Pool

# Keys that were handed out, each with the log-ins that began with it and go on.
_KEYS = """
SELECT k.key_id, k.role, k.subject, k.created_at, k.revoked_at, (
    SELECT count(*) FROM vault.access_key s JOIN vault.live_key USING (key_id)
    WHERE s.signed_in_with = k.key_id) AS log_ins
FROM vault.access_key k
"""
_OF_ORGANIZATIONS = "k.role <> 'worker' AND k.signed_in_with IS NULL"
_OF_ONE = "k.subject = $1 AND k.signed_in_with IS NULL"
_IN_ORDER = " ORDER BY k.subject, k.created_at, k.key_id"
_REVOKE = """
UPDATE vault.access_key SET revoked_at = clock_timestamp()
WHERE key_id = ANY($1) AND revoked_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class AccessKey:
    """A key that was handed out. Its secret is known to nobody here."""

    key_id: str
    role: Role
    subject: str  # organisation id, or the worker's id as text
    created_at: datetime
    revoked_at: datetime | None
    log_ins: int  # begun with it, and not ended

    def as_dict(self) -> dict[str, Any]:
        instants = {"created_at": self.created_at, "revoked_at": self.revoked_at}
        return asdict(self) | {n: at and at.isoformat() for n, at in instants.items()}


async def list_keys(pool: Pool, subject: str | None, *, revoked: bool) -> list[AccessKey]:
    """Keys of all organisations, or of one organisation or worker; those that are good, or all."""
    wanted = _OF_ORGANIZATIONS if subject is None else _OF_ONE
    good = "" if revoked else " AND k.revoked_at IS NULL"
    given = [] if subject is None else [subject]
    rows = await pool.fetch(f"{_KEYS} WHERE {wanted}{good}{_IN_ORDER}", *given)
    return [_key(row) for row in rows]


async def find_keys(pool: Pool, key_ids: Sequence[str]) -> list[AccessKey]:
    """The keys of these ids that there are, good or revoked."""
    rows = await pool.fetch(f"{_KEYS} WHERE k.key_id = ANY($1){_IN_ORDER}", key_ids)
    return [_key(row) for row in rows]


async def revoke_keys(pool: Pool | Connection, key_ids: Sequence[str]) -> None:
    """End the keys, and with them the log-ins that began with them. One revoked before stays so."""
    await pool.execute(_REVOKE, key_ids)


def _key(row: Any) -> AccessKey:
    return AccessKey(**{**row, "role": Role(row["role"])})
