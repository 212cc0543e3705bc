"""SQL of keys and claim codes: one-time codes with which people take up their record."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from services.common import claim_codes
from services.common.access import Role, issue_key, registered_role
from services.common.postgres import Pool
from services.common.vault import Vault

# One code at a time is good for a worker, and none once the record is claimed.
_ISSUE = """
WITH old AS (DELETE FROM vault.claim WHERE worker_id = $3 AND claimed_at IS NULL)
INSERT INTO vault.claim (lookup, code_index, worker_id, expires_at)
SELECT $1, $2, $3, $4
WHERE NOT EXISTS (SELECT FROM vault.claim WHERE worker_id = $3 AND claimed_at IS NOT NULL)
ON CONFLICT (lookup) DO NOTHING
"""


class AccountStore:
    """Issues keys and claim codes; `consent` redeems the codes."""

    def __init__(self, pool: Pool, vault: Vault) -> None:
        self._pool = pool
        self._vault = vault

    async def first_key(self, organization_id: str, role: Role) -> str | None:
        """The token of an organisation's first key; None when it has had one."""
        if await registered_role(self._pool, organization_id) is not None:
            return None
        return await issue_key(self._pool, role, organization_id)

    async def another_key(self, organization_id: str) -> str | None:
        """A further key in the organisation's role; None when it has none yet."""
        role = await registered_role(self._pool, organization_id)
        return None if role is None else await issue_key(self._pool, role, organization_id)

    async def claim_code(self, worker_id: UUID, at: datetime, valid: timedelta) -> str | None:
        """A new code, in place of an older one. None when the record has been claimed."""
        code = claim_codes.new_code()
        index = self._vault.blind_index(claim_codes.INDEX, code)
        lookup = claim_codes.lookup_of(code)
        done = await self._pool.execute(_ISSUE, lookup, index, worker_id, at + valid)
        if done != "INSERT 0 1":
            return None
        return claim_codes.shown(code)
