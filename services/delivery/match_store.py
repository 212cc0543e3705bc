"""SQL of matching: positions, delivery's own view of grants and connections, the outbox."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import orjson

from services.common.postgres import Connection, Pool
from services.delivery.handlers import Candidate, GrantSeen, WithdrawalSeen

MAKE_POSITIONS = """
INSERT INTO delivery.position (topic, partition, next_offset)
SELECT $1, p, 0 FROM unnest($2::int[]) p ON CONFLICT DO NOTHING
"""
# Held to the end of the transaction: whoever moves or reads these does so one after the other.
LOCK_POSITIONS = """
SELECT partition, next_offset FROM delivery.position
WHERE topic = $1 AND ($2::int[] IS NULL OR partition = ANY($2)) ORDER BY partition FOR UPDATE
"""
ADVANCE = """
UPDATE delivery.position p SET next_offset = n.after
FROM unnest($2::int[], $3::bigint[], $4::bigint[]) AS n(partition, before, after)
WHERE p.topic = $1 AND p.partition = n.partition AND p.next_offset = n.before
"""

ADD_GRANTS = """
WITH seen AS (
    INSERT INTO delivery.grant_view (grant_id, worker_id, recipient_id, categories, purposes,
        valid_from, valid_until, partition, granted_offset, started)
    SELECT (g->>'grant_id')::uuid, (g->>'worker_id')::uuid, g->>'recipient_id',
        ARRAY(SELECT jsonb_array_elements_text(g->'categories')),
        ARRAY(SELECT jsonb_array_elements_text(g->'purposes')),
        (g->>'valid_from')::timestamptz, (g->>'valid_until')::timestamptz,
        (g->>'partition')::int, (g->>'offset')::bigint,
        (g->>'valid_from')::timestamptz <= clock_timestamp()
    FROM jsonb_array_elements($1::jsonb) g
    ON CONFLICT (grant_id) DO NOTHING
    RETURNING grant_id, worker_id, recipient_id
), locks AS (
    INSERT INTO consent.lock (worker_id, recipient_id)
    SELECT DISTINCT worker_id, recipient_id FROM seen ORDER BY 1, 2
    ON CONFLICT DO NOTHING
)
SELECT grant_id FROM seen
"""
END_GRANTS = """
UPDATE delivery.grant_view g SET withdrawn_offset = w.log_offset
FROM unnest($1::uuid[], $2::bigint[]) AS w(grant_id, log_offset)
WHERE g.grant_id = w.grant_id AND g.withdrawn_offset IS NULL
"""

# What stands before a grant and is asked for comes as a snapshot: up to where the grant is, or
# up to where matching is now. The lane waits until the snapshot is in.
_ORDER_SNAPSHOTS = """
WITH ordered AS (
    INSERT INTO delivery_work.snapshot (connection_id, grant_id, worker_id, partition, up_to)
    SELECT c.connection_id, g.grant_id, g.worker_id, g.partition, {up_to}
    FROM delivery.grant_view g
    JOIN delivery.connection c ON c.organization_id = g.recipient_id
        AND c.state IN ('ACTIVE', 'PAUSED') AND c.purpose = ANY (g.purposes)
        AND c.categories && g.categories
    {join}
    WHERE {which} AND g.withdrawn_offset IS NULL AND g.started AND g.valid_until > now()
    ON CONFLICT DO NOTHING
    RETURNING connection_id, worker_id
)
INSERT INTO delivery_work.lane (connection_id, worker_id, recipient_id, snapshots)
SELECT o.connection_id, o.worker_id, c.organization_id, count(*)
FROM ordered o JOIN delivery.connection c USING (connection_id)
GROUP BY 1, 2, 3 ORDER BY 1, 2
ON CONFLICT (connection_id, worker_id) DO UPDATE SET snapshots = lane.snapshots + excluded.snapshots
"""
_AT_POSITION = "JOIN delivery.position p ON p.topic = $2 AND p.partition = g.partition"
SNAPSHOTS_OF_GRANTS = _ORDER_SNAPSHOTS.format(
    up_to="g.granted_offset", join="", which="g.grant_id = ANY ($1::uuid[])"
)
SNAPSHOTS_OF_STARTED = _ORDER_SNAPSHOTS.format(
    up_to="p.next_offset - 1", join=_AT_POSITION, which="g.grant_id = ANY ($1::uuid[])"
)
SNAPSHOTS_OF_CONNECTION = _ORDER_SNAPSHOTS.format(
    up_to="p.next_offset - 1", join=_AT_POSITION, which="c.connection_id = $1"
)
SNAPSHOTS_OF_ALL = _ORDER_SNAPSHOTS.format(
    up_to="p.next_offset - 1", join=_AT_POSITION, which="$1::text IS NULL"
)

MATCH = """
WITH added AS (
    INSERT INTO delivery_work.outbox (connection_id, event_id, worker_id, recipient_id, log_offset,
        event_type, category, value, traceparent)
    SELECT DISTINCT ON (c.connection_id, e.event_id) c.connection_id, e.event_id, e.worker_id,
        g.recipient_id, e.log_offset, e.event_type, e.category, e.value, e.traceparent
    FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::bytea[],
        $7::text[])
        AS e(event_id, worker_id, log_offset, event_type, category, value, traceparent)
    JOIN delivery.grant_view g ON g.worker_id = e.worker_id AND g.started
        AND e.category = ANY (g.categories) AND e.log_offset > g.granted_offset
        AND (g.withdrawn_offset IS NULL OR e.log_offset < g.withdrawn_offset)
        AND g.valid_until > now()
    JOIN delivery.connection c ON c.organization_id = g.recipient_id
        AND c.state IN ('ACTIVE', 'PAUSED') AND c.purpose = ANY (g.purposes)
        AND e.category = ANY (c.categories)
    WHERE NOT EXISTS (SELECT FROM delivery.void v
        WHERE v.worker_id = e.worker_id AND v.event_id = e.event_id)
    ORDER BY c.connection_id, e.event_id, e.log_offset
    ON CONFLICT (connection_id, event_id) DO NOTHING
    RETURNING connection_id, worker_id, recipient_id
), lanes AS (
    INSERT INTO delivery_work.lane (connection_id, worker_id, recipient_id, pending)
    SELECT connection_id, worker_id, recipient_id, count(*) FROM added
    GROUP BY 1, 2, 3 ORDER BY 1, 2
    ON CONFLICT (connection_id, worker_id) DO UPDATE SET pending = lane.pending + excluded.pending
    RETURNING pending
)
SELECT pg_notify('delivery_due', '') WHERE EXISTS (SELECT FROM lanes)
"""

CONNECTION = """
INSERT INTO delivery.connection AS known (connection_id, organization_id, version, connector, url,
    state, categories, purpose, configured_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (connection_id) DO UPDATE SET version = excluded.version, url = excluded.url,
    state = excluded.state, categories = excluded.categories, purpose = excluded.purpose
WHERE excluded.version > known.version AND excluded.organization_id = known.organization_id
"""
KNOWN_CONNECTION = "SELECT EXISTS (SELECT FROM delivery.connection WHERE connection_id = $1)"

START_GRANTS = """
UPDATE delivery.grant_view SET started = true
WHERE NOT started AND valid_from <= clock_timestamp() RETURNING grant_id
"""
WAITING = """
SELECT EXISTS (SELECT FROM delivery.grant_view WHERE NOT started AND valid_from <= now())
"""
MAKE_LOCKS = """
INSERT INTO consent.lock (worker_id, recipient_id)
SELECT DISTINCT worker_id, recipient_id FROM delivery.grant_view ORDER BY 1, 2
ON CONFLICT DO NOTHING
"""
COMPLETE = "INSERT INTO delivery_work.complete (complete) VALUES (true) ON CONFLICT DO NOTHING"
WAKE = "SELECT pg_notify('delivery_due', '')"
WAKE_SNAPSHOTS = "SELECT pg_notify('delivery_snapshot', '')"


class MatchStore:
    """`topic` is the full name of `stories`; positions are kept under `stories`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[MatchTransaction]:
        async with self._pool.acquire() as connection, connection.transaction():
            yield MatchTransaction(connection)

    async def make_positions(self, topic: str, partitions: Iterable[int]) -> None:
        """Positions that are not known begin at the beginning of the log."""
        await self._pool.execute(MAKE_POSITIONS, topic, sorted(partitions))

    async def positions(self, topic: str) -> dict[int, int]:
        rows = await self._pool.fetch(
            "SELECT partition, next_offset FROM delivery.position WHERE topic = $1", topic
        )
        return {row["partition"]: row["next_offset"] for row in rows}

    async def mend(self) -> None:
        """Put back what follows from the view of grants, where tables were lost.

        Without its lock row nothing of a lane is sent. Without the working state, receivers get
        the story so far again, under the same message ids.
        """
        await self._pool.execute(MAKE_LOCKS)
        async with self.transaction() as tx:
            await tx.lock_positions("stories", None)
            if await tx.connection.execute(COMPLETE) != "INSERT 0 0":
                await tx.connection.execute(SNAPSHOTS_OF_ALL, None, "stories")

    async def start_grants(self) -> bool:
        """Grants whose first day has come get the story up to here, and what comes after."""
        if not await self._pool.fetchval(WAITING):
            return False
        async with self.transaction() as tx:
            await tx.lock_positions("stories", None)
            started = [r["grant_id"] for r in await tx.connection.fetch(START_GRANTS)]
            await tx.connection.execute(SNAPSHOTS_OF_STARTED, started, "stories")
            await tx.connection.execute(WAKE_SNAPSHOTS)
        return True


class MatchTransaction:
    """What one batch does, with the positions it starts from locked."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    async def lock_positions(self, topic: str, partitions: Iterable[int] | None) -> dict[int, int]:
        wanted = None if partitions is None else sorted(partitions)
        rows = await self.connection.fetch(LOCK_POSITIONS, topic, wanted)
        return {row["partition"]: row["next_offset"] for row in rows}

    async def advance(
        self, topic: str, before: Mapping[int, int], after: Mapping[int, int]
    ) -> None:
        moved = [p for p in before if after[p] != before[p]]
        await self.connection.execute(
            ADVANCE, topic, moved, [before[p] for p in moved], [after[p] for p in moved]
        )

    async def view(
        self, grants: Sequence[GrantSeen], withdrawals: Sequence[WithdrawalSeen]
    ) -> None:
        """Take grants into view, and order the story so far for their receivers."""
        added = []
        if grants:
            rows = orjson.dumps([_grant_row(grant) for grant in grants]).decode()
            added = [row["grant_id"] for row in await self.connection.fetch(ADD_GRANTS, rows)]
        if withdrawals:
            ended = [w.grant_id for w in withdrawals]
            await self.connection.execute(END_GRANTS, ended, [w.offset for w in withdrawals])
        if added:
            await self.connection.execute(SNAPSHOTS_OF_GRANTS, added)
            await self.connection.execute(WAKE_SNAPSHOTS)

    async def match(self, candidates: Sequence[Candidate]) -> None:
        """Put what a live grant and a connection cover into the outbox, in log order."""
        if not candidates:
            return
        await self.connection.execute(
            MATCH,
            [c.event_id for c in candidates],
            [c.worker_id for c in candidates],
            [c.record.offset for c in candidates],
            [c.event_type for c in candidates],
            [c.category for c in candidates],
            [c.record.value for c in candidates],
            [c.record.traceparent for c in candidates],
        )

    async def configure(self, fields: Mapping[str, Any]) -> None:
        """Take a connection's configuration, if it is newer than the one known.

        The positions of `stories` must be locked: a new connection gets the story up to them, and
        every later match sees it.
        """
        known = await self.connection.fetchval(KNOWN_CONNECTION, fields["entity_id"])
        names = ("entity_id", "organization_id", "version", "connector", "url", "state")
        await self.connection.execute(
            CONNECTION,
            *(fields[name] for name in names),
            fields["categories"],
            fields["purpose"],
            fields["occurred_at"],
        )
        if not known:
            await self.connection.execute(SNAPSHOTS_OF_CONNECTION, fields["entity_id"], "stories")
            await self.connection.execute(WAKE_SNAPSHOTS)
        await self.connection.execute(WAKE)


def _grant_row(grant: GrantSeen) -> dict[str, Any]:
    fields = grant.fields
    return {
        "grant_id": str(UUID(bytes=fields["grant_id"])),
        "worker_id": str(grant.worker_id),
        "recipient_id": fields["recipient_id"],
        "categories": fields["categories"],
        "purposes": fields["purposes"],
        "valid_from": fields["valid_from"].isoformat(),
        "valid_until": fields["valid_until"].isoformat(),
        "partition": grant.partition,
        "offset": grant.offset,
    }
