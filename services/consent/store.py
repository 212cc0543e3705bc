"""All SQL of the consent service."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from services.common.emit import PATIENCE_S, Event
from services.common.postgres import Connection, Pool
from services.consent.handlers import Asked, Given

# The read model knows every grant on the log; `consent.given` knows those of the last moment, too.
_GRANTS = """
SELECT grant_id, worker_id, recipient_id, categories, purposes, valid_from, valid_until,
       wording_version, wording_language, wording_sha256, request_id, granted_at,
       coalesce(r.revoked_at, g.withdrawn_at) AS withdrawn_at
FROM (
    SELECT grant_id, worker_id, recipient_id, categories, purposes, valid_from, valid_until,
           wording_version, wording_language, wording_sha256, request_id, granted_at,
           NULL::timestamptz AS withdrawn_at
    FROM consent.given WHERE position IS NOT NULL AND {mine}
    UNION ALL
    SELECT a.grant_id, a.worker_id, a.recipient_id, a.categories, a.purposes, a.valid_from,
           a.valid_until, a.wording_version, a.wording_language, a.wording_sha256, a.request_id,
           a.granted_at, a.withdrawn_at
    FROM read.access_grant a
    WHERE a.granted_at IS NOT NULL AND {mine} AND NOT EXISTS (
        SELECT FROM consent.given n WHERE n.grant_id = a.grant_id AND n.position IS NOT NULL)
) g
LEFT JOIN (SELECT grant_id, revoked_at FROM consent.revocation) r USING (grant_id)
ORDER BY granted_at DESC, grant_id
LIMIT $2
"""
GRANTS_OF_WORKER = _GRANTS.format(mine="worker_id = $1")
GRANTS_TO_RECIPIENT = _GRANTS.format(mine="recipient_id = $1")

# Whom a grant is for. A worker's grant that is not on the log can be withdrawn as well.
OWNER = """
SELECT worker_id, recipient_id FROM consent.given WHERE grant_id = $1
UNION ALL
SELECT worker_id, recipient_id FROM read.access_grant WHERE worker_id = $2 AND grant_id = $1
LIMIT 1
"""

RESERVE_GRANT = """
INSERT INTO consent.given (grant_id, worker_id, recipient_id, categories, purposes, valid_from,
    valid_until, wording_version, wording_language, wording_sha256, request_id, granted_at, event)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
ON CONFLICT (grant_id) DO NOTHING
"""
GIVEN = "SELECT * FROM consent.given WHERE grant_id = $1"
# Whether another grant that answers this request is in force, or just on its way to the log.
ANSWERED = """
SELECT EXISTS (
    SELECT FROM (
        SELECT grant_id, valid_until FROM consent.given
        WHERE worker_id = $1 AND recipient_id = $2 AND request_id = $3
            AND (position IS NOT NULL OR granted_at > $5::timestamptz - $6::interval)
        UNION ALL
        SELECT grant_id, valid_until FROM read.access_grant
        WHERE worker_id = $1 AND recipient_id = $2 AND request_id = $3
            AND granted_at IS NOT NULL AND withdrawn_at IS NULL
    ) g
    WHERE g.grant_id <> $4 AND g.valid_until > $5::timestamptz AND NOT EXISTS (
        SELECT FROM consent.revocation r WHERE r.grant_id = g.grant_id))
"""
GRANT_PUBLISHED = "UPDATE consent.given SET position = $2 WHERE grant_id = $1"

RESERVE_REQUEST = """
INSERT INTO consent.request (request_id, worker_id, recipient_id, categories, purposes,
    requested_at, expires_at, event)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (request_id) DO NOTHING
"""
REQUEST = "SELECT * FROM consent.request WHERE request_id = $1"
REQUEST_PUBLISHED = """
UPDATE consent.request SET worker_id = $2, position = $3 WHERE request_id = $1
"""
# The read model has each request under whoever it is about by now, which a merge or split changes;
# `consent.request` has those of the last moment, too. While one moves it stands under both ids.
_REQUESTS = """
SELECT DISTINCT ON (requested_at, request_id, recipient_id) *
FROM (
    SELECT request_id, worker_id, recipient_id, a.categories, a.purposes, a.requested_at,
           a.expires_at, coalesce(n.declined_at, a.declined_at) AS declined_at,
           n.declined_position, a.granted_at, a.grant_id
    FROM read.access_request a
    LEFT JOIN consent.request n USING (request_id, worker_id, recipient_id)
    WHERE a.requested_at IS NOT NULL AND {mine}
    UNION ALL
    SELECT request_id, worker_id, recipient_id, categories, purposes, requested_at, expires_at,
           declined_at, declined_position, NULL, NULL
    FROM consent.request n
    WHERE position IS NOT NULL AND {mine} AND NOT EXISTS (
        SELECT FROM read.access_request a WHERE a.recipient_id = n.recipient_id
            AND a.request_id = n.request_id AND a.requested_at IS NOT NULL)
) r
ORDER BY requested_at DESC, request_id, recipient_id, granted_at, declined_at
LIMIT $2
"""
REQUESTS_TO_WORKER = _REQUESTS.format(mine="worker_id = $1")
REQUESTS_OF_RECIPIENT = _REQUESTS.format(mine="recipient_id = $1")
ONE_REQUEST = _REQUESTS.format(mine="worker_id = $1 AND request_id = $3")
DECLINED = """
UPDATE consent.request SET declined_at = $3, declined_position = $4
WHERE request_id = $1 AND worker_id = $2
"""

MAKE_LOCK = """
INSERT INTO consent.lock (worker_id, recipient_id) VALUES ($1, $2) ON CONFLICT DO NOTHING
"""
LOCK = "SELECT FROM consent.lock WHERE worker_id = $1 AND recipient_id = $2 FOR UPDATE"
REVOKE = """
INSERT INTO consent.revocation (grant_id, worker_id, recipient_id, revoked_at, event)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (grant_id) DO NOTHING
"""
REVOCATION = "SELECT revoked_at, event, position FROM consent.revocation WHERE grant_id = $1"
TELL_DISPATCH = "SELECT pg_notify('consent_revoked', $1)"
REVOCATION_PUBLISHED = "UPDATE consent.revocation SET position = $2 WHERE grant_id = $1"
UNPUBLISHED = """
SELECT grant_id, worker_id, event FROM consent.revocation
WHERE position IS NULL ORDER BY revoked_at LIMIT 100
"""

# Leases of delivery that were taken before the revocation; each ends by its `leased_until`.
LEASES = """
SELECT DISTINCT lease FROM delivery_work.lane
WHERE worker_id = $1 AND recipient_id = $2 AND lease IS NOT NULL AND leased_until > now()
"""
UNDER_WAY = """
SELECT EXISTS (
    SELECT FROM delivery_work.lane
    WHERE worker_id = $1 AND recipient_id = $2 AND lease = ANY($3) AND leased_until > now())
"""

REGISTERED = "SELECT EXISTS (SELECT FROM read.organization WHERE organization_id = $1)"
DISCLOSURES = """
SELECT message_id, recipient_id, connection_id, grant_id, subject_event_id, subject_type,
       subject_category, outcome, reason, http_status, attempts, first_at, last_at, delivered_at
FROM read.disclosure
WHERE worker_id = $1 AND ($2::timestamptz IS NULL OR (last_at, message_id) < ($2, $3))
ORDER BY last_at DESC, message_id DESC
LIMIT $4
"""


@dataclass(frozen=True, slots=True)
class Revocation:
    """A grant that has ended, and the leases under which something may still be on its way."""

    revoked_at: datetime
    event: bytes
    position: str | None
    leases: Sequence[UUID] = ()


class ConsentStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def reserve_grant(
        self, given: Given, event: Event
    ) -> tuple[Given, bytes, str | None] | None:
        """The grant of this id, its event and position: this one, or the one kept before.

        None when another one already answers the request that this one names.
        """
        args = [getattr(given, name) for name in Given.__dataclass_fields__]
        async with self._pool.acquire() as connection, connection.transaction():
            if given.request_id is not None:
                # One after the other: of two answers to one request the second sees the first.
                await _lock(connection, given.worker_id, given.recipient_id)
            row = await connection.fetchrow(GIVEN, given.grant_id)
            if row is None:
                if await _is_answered(connection, given):
                    return None
                await connection.execute(RESERVE_GRANT, *args, event.value)
                row = await connection.fetchrow(GIVEN, given.grant_id)
        assert row is not None
        return _given(row), row["event"], row["position"]

    async def given(self, grant_id: UUID) -> Given | None:
        row = await self._pool.fetchrow(GIVEN, grant_id)
        return _given(row) if row else None

    async def grant_published(self, grant_id: UUID, position: str) -> None:
        await self._pool.execute(GRANT_PUBLISHED, grant_id, position)

    async def grants_of_worker(self, worker_id: UUID, limit: int) -> list[dict[str, Any]]:
        return [dict(r) for r in await self._pool.fetch(GRANTS_OF_WORKER, worker_id, limit)]

    async def grants_to_recipient(self, recipient_id: str, limit: int) -> list[dict[str, Any]]:
        return [dict(r) for r in await self._pool.fetch(GRANTS_TO_RECIPIENT, recipient_id, limit)]

    async def recipient_of(self, grant_id: UUID, worker_id: UUID) -> str | None:
        """Whom this worker's grant is for; None when there is no such grant of this worker."""
        row = await self._pool.fetchrow(OWNER, grant_id, worker_id)
        return row["recipient_id"] if row and row["worker_id"] == worker_id else None

    async def revoke(
        self, grant_id: UUID, worker_id: UUID, recipient_id: str, event: Event, *, at: datetime
    ) -> Revocation:
        """End a grant. When this returns, no new lease is decided under it.

        Dispatch shares the lock row while it decides, so each of its leases was either committed
        before (and is in `leases`) or sees the revocation.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            await _lock(connection, worker_id, recipient_id)
            await connection.execute(REVOKE, grant_id, worker_id, recipient_id, at, event.value)
            await connection.execute(TELL_DISPATCH, f"{worker_id} {recipient_id}")
            leases = await connection.fetch(LEASES, worker_id, recipient_id)
            row = await connection.fetchrow(REVOCATION, grant_id)
        assert row is not None
        return Revocation(
            row["revoked_at"], row["event"], row["position"], [lease["lease"] for lease in leases]
        )

    async def revoked(self, grant_id: UUID) -> bool:
        return await self._pool.fetchrow(REVOCATION, grant_id) is not None

    async def revocation_published(self, grant_id: UUID, position: str) -> None:
        await self._pool.execute(REVOCATION_PUBLISHED, grant_id, position)

    async def unpublished(self) -> list[tuple[UUID, UUID, bytes]]:
        """Withdrawals whose event is not known to be on the log: grant, worker, event."""
        return [tuple(row) for row in await self._pool.fetch(UNPUBLISHED)]

    async def under_way(self, worker_id: UUID, recipient_id: str, leases: Sequence[UUID]) -> bool:
        """Whether a delivery under one of these leases may still be going on."""
        return bool(await self._pool.fetchval(UNDER_WAY, worker_id, recipient_id, list(leases)))

    async def reserve_request(self, asked: Asked, event: Event) -> tuple[Asked, bytes, str | None]:
        """The request of this id, its event and position: this one, or the one kept before."""
        args = [getattr(asked, name) for name in Asked.__dataclass_fields__]
        await self._pool.execute(RESERVE_REQUEST, *args, event.value)
        row = await self._pool.fetchrow(REQUEST, asked.request_id)
        assert row is not None
        return _asked(row), row["event"], row["position"]

    async def request_published(self, request_id: str, worker_id: UUID, position: str) -> None:
        """worker_id: whose story it was written to."""
        await self._pool.execute(REQUEST_PUBLISHED, request_id, worker_id, position)

    async def requests_to_worker(self, worker_id: UUID, limit: int) -> list[dict[str, Any]]:
        return [dict(r) for r in await self._pool.fetch(REQUESTS_TO_WORKER, worker_id, limit)]

    async def requests_of_recipient(self, recipient_id: str, limit: int) -> list[dict[str, Any]]:
        return [dict(r) for r in await self._pool.fetch(REQUESTS_OF_RECIPIENT, recipient_id, limit)]

    async def request(self, worker_id: UUID, request_id: str) -> dict[str, Any] | None:
        """What this person was asked, and what came of it; None when nobody asked it."""
        row = await self._pool.fetchrow(ONE_REQUEST, worker_id, 1, request_id)
        return dict(row) if row else None

    async def declined(self, request_id: str, worker_id: UUID, at: datetime, position: str) -> None:
        await self._pool.execute(DECLINED, request_id, worker_id, at, position)

    async def is_registered(self, organization_id: str) -> bool:
        return bool(await self._pool.fetchval(REGISTERED, organization_id))

    async def disclosures(
        self, worker_id: UUID, before: tuple[datetime, str] | None, limit: int
    ) -> list[dict[str, Any]]:
        """What was sent or refused, newest first, from before the given place on."""
        at, message_id = before or (None, None)
        rows = await self._pool.fetch(DISCLOSURES, worker_id, at, message_id, limit)
        return [dict(row) for row in rows]


async def _lock(connection: Connection, worker_id: UUID, recipient_id: str) -> None:
    """Until the transaction ends, nobody else changes what this worker shares with them."""
    await connection.execute(MAKE_LOCK, worker_id, recipient_id)
    await connection.execute(LOCK, worker_id, recipient_id)


async def _is_answered(connection: Connection, given: Given) -> bool:
    if given.request_id is None:
        return False
    named = (given.worker_id, given.recipient_id, given.request_id, given.grant_id)
    # What the log has not taken by then may never be there.
    patience = timedelta(seconds=PATIENCE_S)
    return bool(await connection.fetchval(ANSWERED, *named, given.granted_at, patience))


def _given(row: Any) -> Given:
    values = {name: row[name] for name in Given.__dataclass_fields__}
    for name in ("categories", "purposes"):
        values[name] = tuple(values[name])
    return Given(**values)


def _asked(row: Any) -> Asked:
    values = {name: row[name] for name in Asked.__dataclass_fields__}
    for name in ("categories", "purposes"):
        values[name] = tuple(values[name])
    return Asked(**values)
