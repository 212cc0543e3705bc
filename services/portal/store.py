"""All SQL over the read model. The portal writes nothing there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeAlias
from uuid import UUID

from asyncpg import Record

from schemas.catalog import version_of
from services.common.codec import Decoded, decode
from services.common.consent import Grant
from services.common.errors import DoesNotDecode, UnknownSchema
from services.common.kafka import Position
from services.common.later_schemas import LaterSchemas
from services.common.log import get_logger
from services.common.positions import reflected
from services.common.postgres import Connection, Pool

log = get_logger("portal")
Row: TypeAlias = Mapping[str, Any]

_STORY = """
SELECT event_id, occurred_at, schema_id, payload FROM read.story
WHERE worker_id = $1 AND topic = 'stories'
  AND ($2::text[] IS NULL OR category = ANY($2)) AND NOT event_type = ANY($3)
  AND ($4::timestamptz IS NULL OR (occurred_at, event_id) < ($4, $5))
ORDER BY occurred_at DESC, event_id DESC LIMIT $6
"""
_AGREED = """
SELECT g.grant_id, g.worker_id, g.recipient_id, g.categories, g.purposes, g.valid_from,
       g.valid_until, g.granted_at, coalesce(g.withdrawn_at, r.revoked_at) AS ended_at
FROM read.access_grant g LEFT JOIN consent.revocation r USING (grant_id)
WHERE g.valid_until IS NOT NULL AND {which}
ORDER BY g.granted_at DESC, g.grant_id
"""
_IS_PARKED = """
SELECT EXISTS (SELECT FROM read.parked WHERE worker_id = $1 OR worker_id IN (
    SELECT worker_id FROM vault.worker WHERE merged_into = $1))
"""
_WORKER_NOW = "SELECT coalesce(merged_into, worker_id) FROM vault.worker WHERE worker_id = $1"
_GRANTS = _AGREED.format(which="g.worker_id = $1 AND ($2::text IS NULL OR g.recipient_id = $2)")
_GRANTS_TO = _AGREED.format(which="g.recipient_id = $1 AND g.worker_id = ANY ($2)")
_EVENTS_OF = """
SELECT event_id, topic, schema_id, payload FROM read.story
WHERE worker_id = ANY ($1) AND topic = 'stories' AND event_type = ANY ($2)
ORDER BY occurred_at DESC, event_id DESC
"""
_PROGRAMMES = """
SELECT DISTINCT ON (programme_id) programme_id, title FROM read.programme
WHERE programme_id = ANY($1) ORDER BY programme_id, organization_id
"""
_WORKER = """
SELECT w.language, w.display_name,
    (SELECT array_agg(s.event_id) FROM read.story s
     WHERE s.worker_id = w.worker_id AND s.event_type = 'WorkerRegistered') AS registrations
FROM read.worker w WHERE w.worker_id = $1
"""
_PROMISES = """
SELECT promise_id, employer_id, outcome, due_in_days, made_at, accepted_at, due_at, kept_at,
       lapsed_at, declined_at, withdrawn_at, withdrawn_by
FROM read.promise WHERE worker_id = $1
    AND CASE WHEN $2::text[] IS NULL THEN kept_at IS NULL AND declined_at IS NULL
        ELSE promise_id = ANY ($2) END
ORDER BY due_at NULLS LAST, promise_id LIMIT 100
"""
_REQUESTS = """
SELECT request_id, recipient_id, categories, purposes, expires_at FROM read.access_request
WHERE worker_id = $1 AND granted_at IS NULL AND declined_at IS NULL AND expires_at > $2
ORDER BY expires_at LIMIT 100
"""
_LAST_SEEN = """
SELECT recipient_id, max(last_at) AS last_at FROM read.disclosure
WHERE worker_id = $1 AND delivered_at IS NOT NULL GROUP BY recipient_id
"""
_SEEN = """
WITH day AS (
    SELECT (delivered_at AT TIME ZONE 'UTC')::date AS day, recipient_id,
           coalesce(grant_id::text, '') AS grant_text, subject_type, count(*) AS times
    FROM read.disclosure WHERE worker_id = $1 AND delivered_at IS NOT NULL
    GROUP BY 1, 2, 3, 4)
SELECT day, recipient_id, grant_text, subject_type, times FROM day
WHERE $2::date IS NULL OR (day, recipient_id, grant_text, subject_type) < ($2, $3, $4, $5)
ORDER BY day DESC, recipient_id DESC, grant_text DESC, subject_type DESC LIMIT $6
"""
_SHARED_WITH = "SELECT DISTINCT worker_id FROM read.access_grant WHERE recipient_id = $1"
# A result counts before a day of leaving: some who left still have one.
_COHORTS = """
SELECT t.course_id, p.title, count(*) AS signed_up,
    count(*) FILTER (WHERE t.result IN ('PASSED', 'COMPLETED')) AS passed,
    count(*) FILTER (WHERE t.result = 'DISTINCTION') AS distinction,
    count(*) FILTER (WHERE t.result = 'FAILED') AS failed,
    count(*) FILTER (WHERE t.exited_at IS NOT NULL
                     AND coalesce(t.result, 'UNKNOWN') = 'UNKNOWN') AS left_early,
    array_agg(greatest(0, extract(epoch FROM t.exited_at - t.enrolled_at) / 2592000)::float8)
        FILTER (WHERE t.exited_at IS NOT NULL
                AND coalesce(t.result, 'UNKNOWN') = 'UNKNOWN') AS left_after
FROM read.training t LEFT JOIN read.programme p
    ON p.organization_id = t.provider_id AND p.programme_id = t.course_id
WHERE t.provider_id = $1 AND t.enrolled_at IS NOT NULL
GROUP BY t.course_id, p.title ORDER BY p.title, t.course_id LIMIT 100
"""
_DEMO = """
SELECT worker_id FROM read.worker WHERE display_name IS NOT NULL
ORDER BY registered_at NULLS LAST, worker_id LIMIT $1
"""
_DEMO_EMPLOYERS = """
SELECT organization_id, name FROM read.organization WHERE kind = 'EMPLOYER' AND name IS NOT NULL
ORDER BY registered_at, organization_id LIMIT $1
"""
_DEMO_SCHOOLS = """
SELECT o.organization_id, o.name FROM read.organization o
WHERE o.kind = 'PROVIDER' AND o.name IS NOT NULL AND EXISTS (
    SELECT FROM read.training t
    WHERE t.worker_id = ANY ($1) AND t.provider_id = o.organization_id)
ORDER BY o.registered_at, o.organization_id LIMIT $2
"""
_DEMO_COURSES = """
SELECT t.worker_id, t.enrolment_id, t.course_id, t.provider_id, p.title
FROM read.training t LEFT JOIN read.programme p
    ON p.organization_id = t.provider_id AND p.programme_id = t.course_id
WHERE t.provider_id = $1 AND t.worker_id = ANY ($2) AND t.enrolled_at IS NOT NULL
  AND t.completed_at IS NULL AND t.exited_at IS NULL
ORDER BY array_position($2, t.worker_id), t.enrolled_at, t.enrolment_id
"""


@dataclass(frozen=True, slots=True)
class StoryFilter:
    """Which part of a story: of these categories (all when None), a page."""

    limit: int
    categories: frozenset[str] | None = None
    leave_out: frozenset[str] = frozenset()  # event types
    before: tuple[datetime, UUID] | None = None


@dataclass(frozen=True, slots=True)
class AgreedGrant:
    """A grant with what a page says about it."""

    grant: Grant
    granted_at: datetime
    ended_at: datetime | None

    def is_live(self, at: datetime) -> bool:
        """Whether anything may be seen under it at `at`."""
        grant = self.grant
        return not grant.revoked and grant.valid_from <= at < grant.valid_until


@dataclass(frozen=True, slots=True)
class SeenRow:
    """What one organisation got on one day of one kind."""

    day: date
    recipient_id: str
    grant_text: str  # the grant's id, empty when there was none
    subject_type: str
    times: int

    @property
    def key(self) -> tuple[date, str, str, str]:
        return self.day, self.recipient_id, self.grant_text, self.subject_type


class ReadStore:
    """Reads of one pool."""

    def __init__(self, pool: Pool, later: LaterSchemas) -> None:
        self._pool = pool
        self._later = later

    async def learn(self, unknown: UnknownSchema) -> None:
        """Ask the registry for a schema of a later release. Raises UnknownSchema that says why
        not."""
        await self._later.find(unknown)

    async def _rows(self, sql: str, *values: object) -> list[Row]:
        return [dict(row) for row in await self._pool.fetch(sql, *values)]

    async def story(self, worker_id: UUID, wanted: StoryFilter) -> list[Decoded]:
        """Events of one person, newest first. What does not decode here is left out and logged;
        others come in its place, so a page that is not full is the last.
        """
        events: list[Decoded] = []
        before = wanted.before
        while (most := wanted.limit - len(events)) > 0:
            rows = await self._pool.fetch(
                _STORY,
                worker_id,
                None if wanted.categories is None else sorted(wanted.categories),
                sorted(wanted.leave_out),
                *(before or (None, None)),
                most,
            )
            await self._learn_of(rows)
            events += (event for row in rows if (event := decoded(row)) is not None)
            if len(rows) < most:
                break
            before = rows[-1]["occurred_at"], rows[-1]["event_id"]
        return events

    async def _learn_of(self, rows: Sequence[Record]) -> None:
        for schema_id in {row["schema_id"] for row in rows}:
            if version_of(schema_id) is None:
                with suppress(UnknownSchema):
                    await self.learn(UnknownSchema(f"schema {schema_id}", schema_id))

    async def reflects(
        self, worker_id: UUID, *, using: Connection | None = None
    ) -> Position | None:
        """The last position on the worker's partition that the read model holds, if any."""
        return await reflected(using or self._pool, worker_id)

    async def worker_now(self, worker_id: UUID) -> UUID:
        """The id that this worker's story is under now: another one after a merge."""
        found = await self._pool.fetchval(_WORKER_NOW, worker_id)
        return found or worker_id

    async def is_parked(self, worker_id: UUID, *, using: Connection | None = None) -> bool:
        """Whether something about this person, old ids included, waits to be put right."""
        return bool(await (using or self._pool).fetchval(_IS_PARKED, worker_id))

    async def grants(
        self, worker_id: UUID, recipient_id: str | None = None, *, using: Connection | None = None
    ) -> list[AgreedGrant]:
        """What the worker agreed to, newest first, with every revocation known to `consent`."""
        rows = await (using or self._pool).fetch(_GRANTS, worker_id, recipient_id)
        return [_agreed(row) for row in rows]

    async def grants_to(
        self, recipient_id: str, workers: Sequence[UUID], *, using: Connection
    ) -> list[AgreedGrant]:
        """What these workers agreed to with one organisation, as `grants` has it."""
        rows = await using.fetch(_GRANTS_TO, recipient_id, workers)
        return [_agreed(row) for row in rows]

    async def events_of(self, workers: Sequence[UUID], types: Sequence[str]) -> list[Decoded]:
        """Events of some types of some people, newest first."""
        rows = await self._pool.fetch(_EVENTS_OF, workers, types)
        return [event for row in rows if (event := decoded(row)) is not None]

    async def names(self, organizations: Iterable[str]) -> Mapping[str, str]:
        """Names of organisations by id; an unknown one is missing."""
        rows = await self._pool.fetch(
            "SELECT organization_id, name FROM read.organization WHERE organization_id = ANY($1)",
            sorted(set(organizations)),
        )
        return {row["organization_id"]: row["name"] for row in rows if row["name"]}

    async def titles(self, programmes: Iterable[str]) -> Mapping[str, str]:
        """Titles of courses and programmes by id; an unknown one is missing."""
        rows = await self._pool.fetch(_PROGRAMMES, sorted(set(programmes)))
        return {row["programme_id"]: row["title"] for row in rows if row["title"]}

    async def worker(self, worker_id: UUID) -> Row | None:
        """language, display_name (sealed) and the events it may come from."""
        row = await self._pool.fetchrow(_WORKER, worker_id)
        return None if row is None else dict(row)

    async def promises(self, worker_id: UUID, ids: Sequence[str] | None = None) -> list[Row]:
        """These, or those that were neither kept nor turned down."""
        return await self._rows(_PROMISES, worker_id, ids)

    async def open_requests(self, worker_id: UUID, at: datetime) -> list[Row]:
        return await self._rows(_REQUESTS, worker_id, at)

    async def last_seen(self, worker_id: UUID) -> Mapping[str, datetime]:
        """When each organisation last saw something."""
        rows = await self._pool.fetch(_LAST_SEEN, worker_id)
        return {row["recipient_id"]: row["last_at"] for row in rows}

    async def seen(
        self, worker_id: UUID, before: tuple[date, str, str, str] | None, limit: int
    ) -> list[SeenRow]:
        """Who saw what, newest day first."""
        rows = await self._pool.fetch(_SEEN, worker_id, *(before or (None,) * 4), limit)
        return [SeenRow(*row) for row in rows]

    async def shared_with(self, recipient_id: str) -> list[UUID]:
        """Everyone who ever agreed to share with this organisation."""
        return [row[0] for row in await self._pool.fetch(_SHARED_WITH, recipient_id)]

    async def cohorts(self, provider_id: str) -> list[Row]:
        """Exact counts by course. They are not for showing: see cohorts.py."""
        return await self._rows(_COHORTS, provider_id)

    async def demo_people(self, limit: int) -> list[UUID]:
        """A few people with a name: who came first, as the demo's cast did."""
        return [row[0] for row in await self._pool.fetch(_DEMO, limit)]

    async def demo_employers(self, limit: int) -> list[tuple[str, str]]:
        """A few employers by id and name, who came first."""
        return [tuple(row) for row in await self._pool.fetch(_DEMO_EMPLOYERS, limit)]

    async def demo_schools(self, people: Sequence[UUID], limit: int) -> list[tuple[str, str]]:
        """A few schools by id and name, where any of these people were on a course."""
        return [tuple(row) for row in await self._pool.fetch(_DEMO_SCHOOLS, people, limit)]

    async def demo_courses(self, school: str, people: Sequence[UUID]) -> list[Row]:
        """Courses at a school that these people have not ended."""
        return await self._rows(_DEMO_COURSES, school, people)


def decoded(row: Mapping[str, Any] | Record) -> Decoded | None:
    """An event from its columns in a log. What does not decode here is None, and logged."""
    framed = b"\0" + row["schema_id"].to_bytes(4, "big") + row["payload"]
    try:
        return decode(framed)
    except (DoesNotDecode, UnknownSchema) as error:
        log.error("a story row does not decode", event_id=str(row["event_id"]), error=str(error))
        return None


def _agreed(row: Record) -> AgreedGrant:
    grant = Grant(
        grant_id=row["grant_id"],
        worker_id=row["worker_id"],
        recipient_id=row["recipient_id"],
        categories=frozenset(row["categories"]),
        purposes=frozenset(row["purposes"]),
        valid_from=row["valid_from"],
        valid_until=row["valid_until"],
        revoked=row["ended_at"] is not None,
    )
    return AgreedGrant(grant, row["granted_at"], row["ended_at"])
