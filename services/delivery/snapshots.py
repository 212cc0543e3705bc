"""The story so far, for a new grant or a new connection, once the read model has it all."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta

import asyncpg

from services.common.log import get_logger
from services.common.postgres import Pool
from services.delivery.match_store import WAKE, MatchStore

log = get_logger("snapshots")

READY = """
SELECT s.connection_id, s.grant_id, s.worker_id FROM delivery_work.snapshot s
WHERE greatest(s.up_to, s.void_at) < 0 OR EXISTS (SELECT FROM read.stream_position p
    WHERE p.topic = 'stories' AND p.partition = s.partition
        AND p.next_offset > greatest(s.up_to, s.void_at))
ORDER BY s.connection_id, s.worker_id LIMIT 200 FOR UPDATE OF s SKIP LOCKED
"""
# What was refused before and is covered now comes again, as if it had never been in the lane.
FILL = """
WITH added AS (
    INSERT INTO delivery_work.outbox AS o (connection_id, event_id, worker_id, recipient_id,
        log_offset, event_type, category, value)
    SELECT DISTINCT ON (s.connection_id, y.event_id) s.connection_id, y.event_id, y.worker_id,
        g.recipient_id, y.log_offset, y.event_type, y.category,
        '\\x00'::bytea || int4send(y.schema_id) || y.payload
    FROM unnest($1::text[], $2::uuid[]) AS k(connection_id, grant_id)
    JOIN delivery_work.snapshot s USING (connection_id, grant_id)
    JOIN delivery.grant_view g USING (grant_id)
    JOIN delivery.connection c ON c.connection_id = s.connection_id
    JOIN read.story y ON y.worker_id = s.worker_id AND y.topic = 'stories'
        AND y.partition = s.partition AND y.log_offset <= s.up_to
        AND y.category = ANY (g.categories) AND y.category = ANY (c.categories)
    ORDER BY s.connection_id, y.event_id, y.log_offset
    ON CONFLICT (connection_id, event_id) DO UPDATE SET state = 'pending', value = excluded.value,
        sequence = NULL, reason = NULL WHERE o.state = 'refused'
    RETURNING connection_id, worker_id
), filled AS (
    DELETE FROM delivery_work.snapshot s USING unnest($1::text[], $2::uuid[])
        AS k(connection_id, grant_id)
    WHERE s.connection_id = k.connection_id AND s.grant_id = k.grant_id
    RETURNING s.connection_id, s.worker_id
), lanes AS (
    SELECT connection_id, worker_id, sum(rows) AS rows, sum(snapshots) AS snapshots
    FROM (
        SELECT connection_id, worker_id, 1 AS rows, 0 AS snapshots FROM added
        UNION ALL SELECT connection_id, worker_id, 0, 1 FROM filled
    ) x GROUP BY 1, 2
)
UPDATE delivery_work.lane l
SET pending = l.pending + lanes.rows, snapshots = l.snapshots - lanes.snapshots
FROM lanes WHERE l.connection_id = lanes.connection_id AND l.worker_id = lanes.worker_id
"""
LOCK_LANES = """
SELECT FROM delivery_work.lane
WHERE (connection_id, worker_id) IN (SELECT * FROM unnest($1::text[], $2::uuid[]))
ORDER BY connection_id, worker_id FOR UPDATE
"""


class Snapshots:
    def __init__(self, pool: Pool, store: MatchStore, idle_look: timedelta) -> None:
        self._pool = pool
        self._store = store
        self._idle_look_s = idle_look.total_seconds()
        self._due = asyncio.Event()
        self._waiting = True

    def ordered(self, _payload: str = "") -> None:
        """A snapshot was ordered."""
        self._waiting = True
        self._due.set()

    def read_model_moved(self, _payload: str = "") -> None:
        if self._waiting:
            self._due.set()

    async def run(self) -> None:
        """Fill snapshots for ever, and start grants whose first day has come."""
        while True:
            self._due.clear()
            await self._store.start_grants()
            if await self.fill_some():
                continue
            self._waiting = bool(
                await self._pool.fetchval("SELECT EXISTS (SELECT FROM delivery_work.snapshot)")
            )
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._idle_look_s):
                    await self._due.wait()

    async def fill_some(self) -> int:
        """Fill the snapshots that the read model has passed; 0 when there are none."""
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                rows = await connection.fetch(READY)
                if not rows:
                    return 0
                connections = [row["connection_id"] for row in rows]
                await connection.execute(LOCK_LANES, connections, [r["worker_id"] for r in rows])
                await connection.execute(FILL, connections, [row["grant_id"] for row in rows])
                await connection.execute(WAKE)
        except asyncpg.DeadlockDetectedError:  # with a match of a repeated event: once more
            log.info("snapshot again")
            return 1
        return len(rows)
