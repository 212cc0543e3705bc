"""All SQL of the promises HTTP service, but for what is shared (`sharing.py`)."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.common.emit import Event
from services.common.postgres import Pool

Row = Mapping[str, Any]

_RESERVE = """
INSERT INTO promises_work.written (subject, key, value) VALUES ($1, $2, $3)
ON CONFLICT (subject) DO NOTHING
"""
_WRITTEN = "SELECT key, value, position FROM promises_work.written WHERE subject = $1"
_ON_THE_LOG = "UPDATE promises_work.written SET position = $2 WHERE subject = $1"

_LOCK_PATHWAY = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"
# The read model has every version on the log; those given out last may not be there yet.
_VERSIONS = """
SELECT version, title, criteria, outcome, due_in_days FROM read.pathway
WHERE organization_id = $1 AND pathway_id = $2 AND title IS NOT NULL
UNION ALL
SELECT version, content->>'title', ARRAY(SELECT jsonb_array_elements_text(content->'criteria')),
       content->>'outcome', (content->>'due_in_days')::integer
FROM promises_work.pathway w
WHERE organization_id = $1 AND pathway_id = $2 AND NOT EXISTS (
    SELECT FROM read.pathway r WHERE r.organization_id = $1 AND r.pathway_id = $2
        AND r.version = w.version AND r.title IS NOT NULL)
ORDER BY version
"""
_GIVE_OUT = """
INSERT INTO promises_work.pathway (organization_id, pathway_id, version, content)
VALUES ($1, $2, $3, $4::jsonb)
"""
_PATHWAYS = """
SELECT DISTINCT ON (organization_id, pathway_id) organization_id, pathway_id, version, title,
       criteria, outcome, due_in_days, published_at
FROM read.pathway WHERE title IS NOT NULL AND ($1::text IS NULL OR organization_id = $1)
    AND ($2::text IS NULL OR pathway_id = $2)
    AND ($3::text IS NULL OR (organization_id, pathway_id) > ($3, $4))
ORDER BY organization_id, pathway_id, version DESC
LIMIT $5
"""

_PROMISES = """
SELECT p.worker_id, p.promise_id, p.employer_id, p.pathway_id, p.pathway_version, w.title,
       p.outcome, p.due_in_days, p.criteria, p.made_at, p.state, p.accepted_at, p.declined_at,
       p.met_at, p.due_at, p.outcome_at, p.lapsed_at, p.withdrawn_at,
       a.event_id AS answer_id, a.name AS answer,
       d.event_ids AS dispute_ids, d.reasons AS dispute_reasons, d.disputed_at
FROM promises.promise p
LEFT JOIN read.pathway w ON w.organization_id = p.employer_id AND w.pathway_id = p.pathway_id
    AND w.version = p.pathway_version
LEFT JOIN LATERAL (
    SELECT f.event_id, f.name FROM promises.fact f
    WHERE f.worker_id = p.worker_id AND f.name IN ('PromiseAccepted', 'PromiseDeclined')
        AND f.fields->>'promise_id' = p.promise_id
    ORDER BY f.occurred_at, f.event_id LIMIT 1) a ON true
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(n.event_id ORDER BY n.place), '{}') AS event_ids,
           coalesce(array_agg(n.reason ORDER BY n.place), '{}') AS reasons,
           coalesce(array_agg(n.occurred_at ORDER BY n.place), '{}') AS disputed_at
    FROM (
        SELECT f.event_id, f.fields->>'reason' AS reason, f.occurred_at,
               row_number() OVER (ORDER BY f.occurred_at DESC, f.event_id) AS place
        FROM promises.fact f
        WHERE f.worker_id = p.worker_id AND f.name = 'PromiseDisputed'
            AND f.fields->>'promise_id' = p.promise_id
            AND NOT EXISTS (SELECT FROM read.void v WHERE v.worker_id = f.worker_id
                AND v.event_id = f.event_id AND v.source IN (f.source, 'throughline'))
        ORDER BY place LIMIT 20) n) d
WHERE ($1::uuid IS NULL OR p.worker_id = $1) AND ($2::text IS NULL OR p.employer_id = $2)
    AND ($3::text IS NULL OR p.promise_id = $3)
    AND ($4::timestamptz IS NULL OR (p.made_at, p.worker_id, p.promise_id) < ($4, $5, $6))
    -- Not those of a story that goes on elsewhere, nor what turned out to be somebody else's.
    AND NOT EXISTS (SELECT FROM read.moved m WHERE m.worker_id = p.worker_id)
    AND NOT EXISTS (SELECT FROM promises.fact f JOIN read.void v USING (worker_id, event_id)
        WHERE f.worker_id = p.worker_id AND f.name = 'PromiseMade'
            AND f.fields->>'promise_id' = p.promise_id AND v.source IN (f.source, 'throughline'))
ORDER BY p.made_at DESC, p.worker_id DESC, p.promise_id DESC
LIMIT $7
"""

# Whether a promise that is void was taken back by who made it; else it is somebody else's. Null
# when it is not void.
_TAKEN_BACK = """
SELECT bool_and(v.source = f.source AND r.fields->>'reason' IS DISTINCT FROM 'WRONG_PERSON')
FROM promises.fact f JOIN read.void v USING (worker_id, event_id)
LEFT JOIN promises.fact r ON r.worker_id = v.worker_id AND r.event_id = v.void_event_id
WHERE f.worker_id = $1 AND f.name = 'PromiseMade' AND f.fields->>'promise_id' = $2
    AND v.source IN (f.source, 'throughline')
"""

# Nobody could notice it here before the person was hired.
_UNNOTICED = """
SELECT t.worker_id, t.enrolment_id, t.course_id, t.provider_id, t.completed_at, t.result,
       job.waits_since, f.event_id AS completion_id
FROM read.training t
CROSS JOIN LATERAL (
    SELECT greatest(t.completed_at, min(e.started_at)) AS waits_since FROM read.employment e
    WHERE e.worker_id = t.worker_id AND e.employer_id = $2
        AND e.started_at IS NOT NULL AND e.ended_at IS NULL) job
LEFT JOIN LATERAL (
    SELECT f.event_id FROM promises.fact f
    WHERE f.worker_id = t.worker_id AND f.name = 'TrainingCompleted'
        AND f.fields->>'enrolment_id' = t.enrolment_id
    ORDER BY f.occurred_at DESC, f.event_id LIMIT 1) f ON true
WHERE t.worker_id = ANY ($1) AND t.completed_at IS NOT NULL AND t.result IS DISTINCT FROM 'FAILED'
    AND NOT $2 = ANY (t.noticed_by)
    AND ($3::text IS NULL OR t.enrolment_id = $3)
    AND ($4::timestamptz IS NULL OR (job.waits_since, t.worker_id, t.enrolment_id) > ($4, $5, $6))
ORDER BY job.waits_since, t.worker_id, t.enrolment_id
LIMIT $7
"""
_TRAINING = """
SELECT worker_id, enrolment_id, course_id, provider_id, completed_at, result FROM read.training
WHERE worker_id = $1 AND enrolment_id = $2 AND completed_at IS NOT NULL
    AND result IS DISTINCT FROM 'FAILED'
"""
_HELD = "SELECT partition, next_offset FROM promises.position WHERE topic = 'stories'"
_REACHED = "SELECT next_offset FROM promises.position WHERE topic = $1 AND partition = $2"

Place = tuple[datetime, UUID, str]  # where the next page of a list begins
_NOWHERE = (None, None, None)


@dataclass(frozen=True, slots=True)
class Written:
    """An event as it was first written, and where it stands on the log if it does."""

    key: bytes
    value: bytes
    position: str | None


class PromisesStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def reserve(self, subject: str, event: Event) -> Written:
        """Keep an event under what it is about; answers the one that was kept first."""
        await self._pool.execute(_RESERVE, subject, event.key, event.value)
        found = await self.written(subject)
        assert found is not None
        return found

    async def written(self, subject: str) -> Written | None:
        row = await self._pool.fetchrow(_WRITTEN, subject)
        return Written(row["key"], row["value"], row["position"]) if row else None

    async def on_the_log(self, subject: str, position: str) -> None:
        await self._pool.execute(_ON_THE_LOG, subject, position)

    async def give_out(self, organization_id: str, pathway_id: str, content: Row) -> int:
        """The version of a pathway that says this: the newest, or the one after it."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(_LOCK_PATHWAY, f"{organization_id} {pathway_id}")
            known = await connection.fetch(_VERSIONS, organization_id, pathway_id)
            if known and all(known[-1][name] == value for name, value in content.items()):
                return int(known[-1]["version"])
            version = known[-1]["version"] + 1 if known else 1
            said = json.dumps(content)
            await connection.execute(_GIVE_OUT, organization_id, pathway_id, version, said)
        return int(version)

    async def versions(self, organization_id: str, pathway_id: str) -> Sequence[Row]:
        """All versions of one pathway, the newest last."""
        return [dict(r) for r in await self._pool.fetch(_VERSIONS, organization_id, pathway_id)]

    async def pathways(
        self,
        organization_id: str | None,
        pathway_id: str | None,
        place: tuple[str, str] | None,
        limit: int,
    ) -> Sequence[Row]:
        """The versions in force, by employer and id, from after the given place on."""
        args = (organization_id, pathway_id, *(place or (None, None)), limit)
        return [dict(row) for row in await self._pool.fetch(_PATHWAYS, *args)]

    async def promises(
        self,
        *,
        worker_id: UUID | None = None,
        employer_id: str | None = None,
        promise_id: str | None = None,
        place: Place | None = None,
        limit: int,
    ) -> Sequence[Row]:
        """Promises, newest first, to this worker, by this employer, or both."""
        where = (worker_id, employer_id, promise_id, *(place or _NOWHERE), limit)
        return [dict(row) for row in await self._pool.fetch(_PROMISES, *where)]

    async def taken_back(self, worker_id: UUID, promise_id: str) -> bool | None:
        """Whether who made a void promise took it back; None for a promise that is not void."""
        found: bool | None = await self._pool.fetchval(_TAKEN_BACK, worker_id, promise_id)
        return found

    async def unnoticed(
        self,
        workers: Collection[UUID],
        employer_id: str,
        *,
        place: Place | None = None,
        limit: int,
        enrolment_id: str | None = None,
    ) -> Sequence[Row]:
        """Finished training of these workers that this employer has not noticed, longest waiting
        first: since it was finished, or since the present job began if that was later.
        """
        where = (list(workers), employer_id, enrolment_id, *(place or _NOWHERE), limit)
        return [dict(row) for row in await self._pool.fetch(_UNNOTICED, *where)]

    async def finished(self, worker_id: UUID, enrolment_id: str) -> Row | None:
        row = await self._pool.fetchrow(_TRAINING, worker_id, enrolment_id)
        return dict(row) if row else None

    async def held(self) -> Mapping[int, int]:
        """The worker has taken in what stands before these offsets, by partition of `stories`."""
        rows = await self._pool.fetch(_HELD)
        return {row["partition"]: row["next_offset"] for row in rows}

    async def reached(self, topic: str, partition: int) -> int:
        """The worker has taken in what stands on the partition before this offset."""
        return int(await self._pool.fetchval(_REACHED, topic, partition) or 0)
