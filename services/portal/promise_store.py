"""SQL about promises: of the page, and the titles of pathways."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from uuid import UUID

from services.common.postgres import Pool
from services.portal.store import Row

# First what waits for an answer, then what is open by its day, then what is over, newest first.
_PROMISES = """
WITH mine AS (
    SELECT p.promise_id, p.employer_id, p.outcome, p.due_in_days, p.made_at, p.accepted_at,
           p.declined_at, p.due_at, p.kept_at, p.lapsed_at, p.withdrawn_at, p.withdrawn_by,
           p.criteria,
           ARRAY(SELECT c.criterion FROM read.promise_criterion c
                 WHERE c.worker_id = p.worker_id AND c.promise_id = p.promise_id
                   AND c.met_at IS NOT NULL
                   AND (c.unmet_at IS NULL OR c.met_at > c.unmet_at)) AS met,
           p.kept_at IS NOT NULL OR p.declined_at IS NOT NULL
               OR p.lapsed_at IS NOT NULL AND coalesce(p.due_at, p.lapsed_at) < $5
               OR p.employer_id = ANY (p.withdrawn_by)
                   AND p.withdrawn_at <= coalesce(p.due_at, 'infinity') AS is_over
    FROM read.promise p
    WHERE p.worker_id = $1 AND p.made_at IS NOT NULL AND ($2::text IS NULL OR p.promise_id = $2))
SELECT * FROM mine
ORDER BY is_over, is_over OR accepted_at IS NOT NULL OR due_at IS NOT NULL,
    CASE WHEN NOT is_over THEN due_at END NULLS LAST, made_at DESC, promise_id
LIMIT $3 OFFSET $4
"""
_PATHWAYS = """
SELECT r.organization_id, r.pathway_id, r.version, r.title FROM read.pathway r
JOIN unnest($1::text[], $2::text[], $3::int[]) AS w (organization_id, pathway_id, version)
    USING (organization_id, pathway_id, version)
"""


class PromiseStore:
    """Reads of one pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def promises(
        self, worker_id: UUID, late_since: datetime, limit: int, start: int = 0
    ) -> list[Row]:
        """A page of them. One that lapsed is not over yet when its last day was since then."""
        rows = await self._pool.fetch(_PROMISES, worker_id, None, limit, start, late_since)
        return [dict(row) for row in rows]

    async def promise(self, worker_id: UUID, promise_id: str) -> Row | None:
        row = await self._pool.fetchrow(_PROMISES, worker_id, promise_id, 1, 0, None)
        return None if row is None else dict(row)

    async def pathway_titles(
        self, pathways: Collection[tuple[str, str, int]]
    ) -> Mapping[tuple[str, str, int], str | None]:
        """Titles by employer, pathway and version; an unknown one is missing."""
        columns = zip(*sorted(set(pathways)), strict=True)
        rows = await self._pool.fetch(_PATHWAYS, *(map(list, columns) if pathways else ([],) * 3))
        return {(row[0], row[1], row[2]): row[3] for row in rows}
