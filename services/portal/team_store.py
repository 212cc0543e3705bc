"""SQL of an employer's page of today: who waits, of those who share with it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from services.common.postgres import Pool
from services.portal.store import Row

# Who shares a part of the record now. What is shown is decided once more, one by one.
_SHARING = """
WITH sharing AS (
    SELECT DISTINCT g.worker_id FROM read.access_grant g
    WHERE g.recipient_id = $1 AND $2 = ANY (g.categories) AND g.purposes && $3
      AND g.valid_from <= $4 AND g.valid_until > $4 AND g.withdrawn_at IS NULL
      AND NOT EXISTS (SELECT FROM consent.revocation r WHERE r.grant_id = g.grant_id))
"""
# Promises are late by their last day; before it they wait since the person's part was done.
_PROMISES = (
    _SHARING
    + """
SELECT p.worker_id, p.promise_id, p.outcome, p.criteria, p.due_at,
       coalesce(p.criteria_met_at, p.due_at) AS ready_at, count(*) OVER () AS waiting
FROM read.promise p JOIN sharing USING (worker_id)
WHERE p.employer_id = $1 AND p.due_at IS NOT NULL AND p.kept_at IS NULL AND p.declined_at IS NULL
  AND NOT (p.employer_id = ANY (p.withdrawn_by) AND p.withdrawn_at <= p.due_at)
  AND (p.due_at < $4) = $5
  AND NOT EXISTS (
    SELECT FROM read.promise_criterion c
    WHERE c.worker_id = p.worker_id AND c.promise_id = p.promise_id AND c.unmet_at >= c.met_at)
ORDER BY CASE WHEN $5 THEN p.due_at ELSE coalesce(p.criteria_met_at, p.due_at) END,
         p.worker_id, p.promise_id
LIMIT $6
"""
)
# What people say of promises waits until the promise is kept after that, or over, and for so long
# at most.
_SAID = (
    _SHARING
    + """
SELECT p.worker_id, p.promise_id, p.outcome, s.reason, s.said_at, count(*) OVER () AS waiting
FROM read.promise p JOIN sharing USING (worker_id)
CROSS JOIN LATERAL (VALUES
    (p.dispute_reason, p.disputed_at, coalesce(p.kept_at < p.disputed_at, true)),
    ('QUESTION', p.asked_at, p.kept_at IS NULL)) s (reason, said_at, waits)
WHERE p.employer_id = $1 AND s.said_at > $5 AND s.waits AND p.declined_at IS NULL
  AND NOT (p.employer_id = ANY (p.withdrawn_by)
           AND p.withdrawn_at <= coalesce(p.due_at, 'infinity'))
ORDER BY s.said_at, p.worker_id, p.promise_id, s.reason
LIMIT $6
"""
)
# A course that was finished before the person was hired waits since that day: nobody here could
# have noticed it earlier.
_UNNOTICED = (
    _SHARING  # noqa: S608 - both texts are ours
    + """, hired AS (
    SELECT e.worker_id, min(e.started_at) AS hired_at
    FROM read.employment e JOIN sharing USING (worker_id)
    WHERE e.employer_id = $1 AND e.started_at IS NOT NULL AND e.ended_at IS NULL
    GROUP BY e.worker_id)
SELECT t.worker_id, t.enrolment_id, t.course_id, t.completed_at, hired.hired_at,
       greatest(t.completed_at, hired.hired_at) AS waits_since, count(*) OVER () AS waiting
FROM read.training t JOIN sharing USING (worker_id)
JOIN hired USING (worker_id)
WHERE t.completed_at IS NOT NULL AND t.result IS DISTINCT FROM 'FAILED'
  AND NOT $1 = ANY (t.noticed_by)
ORDER BY waits_since, t.worker_id, t.enrolment_id
LIMIT $5
"""
)


class TeamStore:
    """Reads of one pool, for one employer under some purposes."""

    def __init__(self, pool: Pool, employer_id: str, purposes: Sequence[str]) -> None:
        self._pool = pool
        self._employer_id = employer_id
        self._purposes = list(purposes)

    async def promises(self, at: datetime, limit: int, *, late: bool) -> list[Row]:
        """Promises of this employer whose criteria are met, longest waiting first.

        `waiting` is how many there are, also beyond the limit.
        """
        rows = await self._pool.fetch(
            _PROMISES, self._employer_id, "promise", self._purposes, at, late, limit
        )
        return [dict(row) for row in rows]

    async def said(self, at: datetime, since: datetime, limit: int) -> list[Row]:
        """What people have said since then of promises of this employer, and still say: that one
        was not kept, or a question; `waiting` as above.
        """
        rows = await self._pool.fetch(
            _SAID, self._employer_id, "promise", self._purposes, at, since, limit
        )
        return [dict(row) for row in rows]

    async def unnoticed(self, at: datetime, limit: int) -> list[Row]:
        """Courses that present employees finished, which this employer never noticed; `waiting`
        as above.
        """
        rows = await self._pool.fetch(
            _UNNOTICED, self._employer_id, "training", self._purposes, at, limit
        )
        return [dict(row) for row in rows]
