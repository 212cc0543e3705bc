"""SQL of keys and claim codes: one-time codes with which people take up their record.

A code is 16 letters and digits (80 bits) in groups of four. Six of them find its row, the others
prove it; the row allows a few tries. Only a keyed hash of the code is stored.
"""

from __future__ import annotations

import hmac
import secrets
from datetime import datetime, timedelta
from uuid import UUID

from services.common.access import Role, issue_key
from services.common.postgres import Pool
from services.common.vault import Vault

# Crockford's: none that is mistaken for another when read aloud or copied by hand.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_MISREAD = str.maketrans({"O": "0", "I": "1", "L": "1", "-": None, " ": None})
_LENGTH, _LOOKUP = 16, 6

# One code at a time is good for a worker, and none once the record is claimed.
_ISSUE = """
WITH old AS (DELETE FROM vault.claim WHERE worker_id = $3 AND claimed_at IS NULL)
INSERT INTO vault.claim (lookup, code_index, worker_id, expires_at)
SELECT $1, $2, $3, $4
WHERE NOT EXISTS (SELECT FROM vault.claim WHERE worker_id = $3 AND claimed_at IS NOT NULL)
ON CONFLICT (lookup) DO NOTHING
"""
_TRY = """
UPDATE vault.claim SET tries = tries + 1
WHERE lookup = $1 AND claimed_at IS NULL AND expires_at > $2 AND tries < $3
RETURNING code_index, worker_id
"""
_ROLE = "SELECT role FROM vault.access_key WHERE subject = $1 AND role <> 'worker' LIMIT 1"
_TAKE = "UPDATE vault.claim SET claimed_at = $2 WHERE lookup = $1 AND claimed_at IS NULL"


class AccountStore:
    """Issues and redeems keys and claim codes."""

    def __init__(self, pool: Pool, vault: Vault) -> None:
        self._pool = pool
        self._vault = vault

    async def first_key(self, organization_id: str, role: Role) -> str | None:
        """The token of an organisation's first key; None when it has had one."""
        if await self._pool.fetchval(_ROLE, organization_id) is not None:
            return None
        return await issue_key(self._pool, role, organization_id)

    async def another_key(self, organization_id: str) -> str | None:
        """A further key in the organisation's role; None when it has none yet."""
        role = await self._pool.fetchval(_ROLE, organization_id)
        return None if role is None else await issue_key(self._pool, Role(role), organization_id)

    async def claim_code(self, worker_id: UUID, at: datetime, valid: timedelta) -> str | None:
        """A new code, in place of an older one. None when the record has been claimed."""
        code = "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
        index = self._vault.blind_index("claim", code)
        done = await self._pool.execute(_ISSUE, code[:_LOOKUP], index, worker_id, at + valid)
        if done != "INSERT 0 1":
            return None
        return "-".join(code[start : start + 4] for start in range(0, _LENGTH, 4))

    async def redeem(self, text: str, at: datetime, most_tries: int) -> tuple[UUID, str] | None:
        """The worker and a token to act as that worker, once. None for anything else."""
        code = text.upper().translate(_MISREAD)
        if len(code) != _LENGTH or not set(code) <= set(_ALPHABET):
            return None
        row = await self._pool.fetchrow(_TRY, code[:_LOOKUP], at, most_tries)
        index = self._vault.blind_index("claim", code)
        if row is None or not hmac.compare_digest(row["code_index"], index):
            return None
        worker_id: UUID = row["worker_id"]
        async with self._pool.acquire() as connection, connection.transaction():
            if await connection.execute(_TAKE, code[:_LOOKUP], at) != "UPDATE 1":
                return None
            return worker_id, await issue_key(connection, Role.WORKER, str(worker_id))
