"""SQL of dispatch: leasing lanes, and writing down what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from services.common.consent import Grant, Recipient
from services.common.emit import Event
from services.common.postgres import Connection, Pool
from services.delivery.settings import DeliverySettings

# Lanes that are due, the longest waiting first, up to the room each connection has left. The lock
# row is shared while the decision is made: a withdrawal has it alone, so it comes before or after.
LEASE = """
WITH due AS (
    SELECT l.* FROM delivery.connection c
    LEFT JOIN unnest($1::text[], $2::int[]) AS b(connection_id, busy) USING (connection_id)
    CROSS JOIN LATERAL (
        SELECT connection_id, worker_id, recipient_id FROM delivery_work.lane
        WHERE connection_id = c.connection_id AND pending > 0 AND snapshots = 0
            AND parked_at IS NULL AND next_at <= now()
            AND (leased_until IS NULL OR leased_until < now())
        ORDER BY next_at LIMIT greatest($3 - coalesce(b.busy, 0), 0)
        FOR UPDATE SKIP LOCKED
    ) l
    WHERE c.state = 'ACTIVE' LIMIT $4
), locked AS (
    SELECT k.worker_id, k.recipient_id FROM consent.lock k
    WHERE (k.worker_id, k.recipient_id) IN (SELECT worker_id, recipient_id FROM due)
    FOR SHARE SKIP LOCKED
)
UPDATE delivery_work.lane t SET lease = gen_random_uuid(), leased_until = now() + $5
FROM due JOIN locked USING (worker_id, recipient_id)
JOIN delivery.connection c USING (connection_id)
WHERE t.connection_id = due.connection_id AND t.worker_id = due.worker_id
RETURNING t.*, c.connector, c.url, c.categories, c.purpose
"""
# A statement of its own, after the locks: it sees every revocation committed before them.
ROWS = """
SELECT o.* FROM unnest($1::text[], $2::uuid[]) AS l(connection_id, worker_id)
CROSS JOIN LATERAL (
    SELECT connection_id, worker_id, event_id, event_type, category, value, traceparent, sequence,
        attempts
    FROM delivery_work.outbox
    WHERE connection_id = l.connection_id AND worker_id = l.worker_id AND state = 'pending'
    ORDER BY log_offset LIMIT $3
) o
"""
GRANTS = """
SELECT g.grant_id, g.worker_id, g.recipient_id, g.categories, g.purposes, g.valid_from,
    g.valid_until, g.withdrawn_offset IS NOT NULL OR EXISTS (
        SELECT FROM consent.revocation r WHERE r.grant_id = g.grant_id) AS revoked
FROM delivery.grant_view g
JOIN (SELECT DISTINCT * FROM unnest($1::uuid[], $2::text[]) AS l(worker_id, recipient_id)) l
    USING (worker_id, recipient_id)
"""
NUMBER_ROWS = """
UPDATE delivery_work.outbox o SET sequence = n.sequence
FROM unnest($1::text[], $2::uuid[], $3::bigint[]) AS n(connection_id, event_id, sequence)
WHERE o.connection_id = n.connection_id AND o.event_id = n.event_id
"""
NUMBER_LANES = """
UPDATE delivery_work.lane l SET last_sequence = n.last
FROM unnest($1::text[], $2::uuid[], $3::bigint[]) AS n(connection_id, worker_id, last)
WHERE l.connection_id = n.connection_id AND l.worker_id = n.worker_id
"""

# In one order everywhere, so that two writers never wait for each other.
LOCK_LANES = """
SELECT FROM delivery_work.lane
WHERE (connection_id, worker_id) IN (SELECT * FROM unnest($1::text[], $2::uuid[]))
ORDER BY connection_id, worker_id FOR UPDATE
"""
WRITE_ROWS = """
WITH done AS (
    SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[], $4::int[], $5::text[], $6::int[],
        $7::uuid[]) AS d(connection_id, event_id, state, attempts, reason, http_status, grant_id)
), changed AS (
    UPDATE delivery_work.outbox o SET state = d.state, attempts = d.attempts, reason = d.reason,
        http_status = d.http_status, grant_id = d.grant_id, attempted_at = now(),
        value = CASE WHEN d.state = 'pending' THEN o.value END
    FROM done d
    WHERE o.connection_id = d.connection_id AND o.event_id = d.event_id AND o.state = 'pending'
    RETURNING o.connection_id, o.worker_id, o.state
)
UPDATE delivery_work.lane l SET pending = l.pending - c.settled
FROM (
    SELECT connection_id, worker_id, count(*) AS settled FROM changed
    WHERE state <> 'pending' GROUP BY 1, 2
) c
WHERE l.connection_id = c.connection_id AND l.worker_id = c.worker_id
"""
# Only the holder of the lease may end it. now() where no later time is named.
RELEASE = """
UPDATE delivery_work.lane l SET lease = NULL, leased_until = NULL, failures = r.failures,
    failing_since = r.failing_since, next_at = coalesce(r.next_at, now()),
    parked_at = CASE WHEN r.parked THEN now() END
FROM unnest($1::text[], $2::uuid[], $3::uuid[], $4::int[], $5::timestamptz[], $6::timestamptz[],
    $7::bool[])
    AS r(connection_id, worker_id, lease, failures, failing_since, next_at, parked)
WHERE l.connection_id = r.connection_id AND l.worker_id = r.worker_id AND l.lease = r.lease
"""
SWITCH_OFF = """
UPDATE delivery.connection SET state = 'PAUSED', version = version + 1
WHERE connection_id = ANY ($1) AND state = 'ACTIVE' RETURNING *
"""
ANNOUNCE = """
INSERT INTO delivery_work.announcement (key, value, traceparent)
SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::text[])
"""
WAKE_ANNOUNCER = "SELECT pg_notify('delivery_announce', '')"
SEALED = "SELECT sealed, sealed_token FROM vault.connection_secret WHERE connection_id = $1"


@dataclass(frozen=True, slots=True)
class Row:
    """One message that waits in a lane."""

    event_id: UUID
    event_type: str
    category: str
    value: bytes
    traceparent: str | None
    sequence: int | None
    attempts: int


@dataclass(slots=True)
class Lane:
    """A lane under lease: whose, what, and what was agreed when it was leased."""

    connection_id: str
    worker_id: UUID
    lease: UUID
    recipient: Recipient
    connector: str
    url: str
    last_sequence: int
    failures: int
    failing_since: datetime | None
    rows: list[Row] = field(default_factory=list)
    grants: list[Grant] = field(default_factory=list)
    deadline: float = 0.0  # on the loop's clock: no write begins after it
    revoked: bool = False  # set when the worker withdraws something from this recipient


@dataclass(frozen=True, slots=True)
class Written:
    """What came of one row: its new state, to be written down and announced."""

    connection_id: str
    event_id: UUID
    state: str  # pending, delivered, refused
    attempts: int
    reason: str
    http_status: int | None
    grant_id: UUID | None
    event: Event
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class Release:
    """How a lane is given back."""

    connection_id: str
    worker_id: UUID
    lease: UUID
    failures: int = 0
    failing_since: datetime | None = None
    next_at: datetime | None = None  # at once
    parked: bool = False
    gone: bool = False  # the receiver left: its connection is switched off


class LaneStore:
    def __init__(self, pool: Pool, own: DeliverySettings) -> None:
        self._pool = pool
        self._own = own

    def transaction(self) -> LaneTransaction:
        return LaneTransaction(self._pool, self._own)

    async def sealed_secrets(self, connection_id: str) -> tuple[bytes, bytes | None] | None:
        """Our own secret and the receiver's token, both sealed."""
        row = await self._pool.fetchrow(SEALED, connection_id)
        return None if row is None else (row["sealed"], row["sealed_token"])


class LaneTransaction:
    """One transaction on lanes; leaving it without an error commits."""

    def __init__(self, pool: Pool, own: DeliverySettings) -> None:
        self._pool = pool
        self._own = own

    async def __aenter__(self) -> LaneTransaction:
        self._connection: Connection = await self._pool.acquire()
        self._transaction = self._connection.transaction()
        await self._transaction.start()
        return self

    async def __aexit__(self, kind: object, *_: object) -> None:
        try:
            await (self._transaction.commit() if kind is None else self._transaction.rollback())
        finally:
            await self._pool.release(self._connection)  # type: ignore[arg-type]

    async def lease(self, busy: Mapping[str, int], room: int) -> list[Lane]:
        """Take up to `room` lanes that are due, with their next rows and all their grants."""
        own = self._own
        leased = await self._connection.fetch(
            LEASE,
            list(busy),
            list(busy.values()),
            own.lanes_per_connection,
            room,
            own.lease + own.request_timeout,
        )
        lanes = {(r["connection_id"], r["worker_id"]): _lane(dict(r)) for r in leased}
        if not lanes:
            return []
        connections, workers = zip(*lanes, strict=True)
        rows = await self._connection.fetch(ROWS, connections, workers, own.rows_per_lease)
        for row in rows:
            lanes[row["connection_id"], row["worker_id"]].rows.append(
                Row(**{name: row[name] for name in Row.__slots__})
            )
        await self._add_grants(list(lanes.values()))
        return list(lanes.values())

    async def _add_grants(self, lanes: Sequence[Lane]) -> None:
        rows = await self._connection.fetch(
            GRANTS, [la.worker_id for la in lanes], [la.recipient.recipient_id for la in lanes]
        )
        grants: dict[tuple[UUID, str], list[Grant]] = {}
        for row in rows:
            grants.setdefault((row["worker_id"], row["recipient_id"]), []).append(_grant(dict(row)))
        for lane in lanes:
            lane.grants = grants.get((lane.worker_id, lane.recipient.recipient_id), [])

    async def number(self, lanes: Sequence[Lane]) -> None:
        """Keep the sequence numbers that rows got in this lease."""
        rows = [(lane.connection_id, row) for lane in lanes for row in lane.rows]
        await self._connection.execute(
            NUMBER_ROWS,
            [connection_id for connection_id, _ in rows],
            [row.event_id for _, row in rows],
            [row.sequence for _, row in rows],
        )
        await self._connection.execute(
            NUMBER_LANES,
            [lane.connection_id for lane in lanes],
            [lane.worker_id for lane in lanes],
            [lane.last_sequence for lane in lanes],
        )

    async def write(self, written: Sequence[Written], released: Sequence[Release]) -> None:
        """Write down outcomes with the events that announce them, and give lanes back."""
        await self._connection.execute(
            LOCK_LANES,
            [r.connection_id for r in released],
            [r.worker_id for r in released],
        )
        if written:
            columns = ("connection_id", "event_id", "state", "attempts", "reason", "http_status")
            await self._connection.execute(
                WRITE_ROWS,
                *([getattr(w, name) for w in written] for name in (*columns, "grant_id")),
            )
            await self.announce([(w.event, w.traceparent) for w in written])
        names = ("connection_id", "worker_id", "lease", "failures", "failing_since", "next_at")
        await self._connection.execute(
            RELEASE, *([getattr(r, name) for r in released] for name in (*names, "parked"))
        )

    async def switch_off(self, connection_ids: Sequence[str]) -> list[Mapping[str, Any]]:
        """Pause connections whose receiver has left; answers the ones that were active."""
        return [dict(r) for r in await self._connection.fetch(SWITCH_OFF, connection_ids)]

    async def announce(self, events: Sequence[tuple[Event, str | None]]) -> None:
        await self._connection.execute(
            ANNOUNCE,
            [event.key for event, _ in events],
            [event.value for event, _ in events],
            [traceparent for _, traceparent in events],
        )
        await self._connection.execute(WAKE_ANNOUNCER)


def _lane(row: Mapping[str, Any]) -> Lane:
    recipient = Recipient(
        row["recipient_id"], row["connection_id"], frozenset(row["categories"]), row["purpose"]
    )
    names = ("connection_id", "worker_id", "lease", "connector", "url", "last_sequence")
    values = {name: row[name] for name in (*names, "failures", "failing_since")}
    return Lane(recipient=recipient, **values)


def _grant(row: Mapping[str, Any]) -> Grant:
    values = dict(row)
    for name in ("categories", "purposes"):
        values[name] = frozenset(values[name])
    return Grant(**values)
