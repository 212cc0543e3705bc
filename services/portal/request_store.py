"""SQL of the page that asks a person to share."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from services.common.postgres import Pool
from services.portal.store import Row

_REQUEST = """
SELECT request_id, recipient_id, categories, purposes, expires_at, declined_at, granted_at, grant_id
FROM read.access_request WHERE worker_id = $1 AND request_id = $2 AND requested_at IS NOT NULL
"""
# How much there is of each part of the record; a name is not counted.
_COUNTS = """
SELECT (SELECT count(*) FROM read.training WHERE worker_id = $1) AS training,
       (SELECT count(*) FROM read.credential WHERE worker_id = $1) AS credential,
       (SELECT count(*) FROM read.skill_standing WHERE worker_id = $1) AS skill,
       (SELECT count(*) FROM read.experience WHERE worker_id = $1) AS experience,
       (SELECT count(*) FROM read.support WHERE worker_id = $1) AS support,
       (SELECT count(*) FROM read.promise WHERE worker_id = $1) AS promise,
       (SELECT count(*) FROM read.opportunity WHERE worker_id = $1)
           + (SELECT count(*) FROM read.goal WHERE worker_id = $1) AS opportunity,
       (SELECT count(*) FROM read.employment WHERE worker_id = $1) AS employment,
       (SELECT count(*) FROM read.employment WHERE worker_id = $1 AND wage_amount IS NOT NULL)
           AS wage
"""


class RequestStore:
    """Reads of one pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def request(self, worker_id: UUID, request_id: str) -> Row | None:
        """What this person was asked, and what came of it."""
        row = await self._pool.fetchrow(_REQUEST, worker_id, request_id)
        return None if row is None else dict(row)

    async def counts(self, worker_id: UUID) -> Mapping[str, int]:
        """How many things each part of the record holds, by category."""
        row = await self._pool.fetchrow(_COUNTS, worker_id)
        assert row is not None
        return dict(row)
