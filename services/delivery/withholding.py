"""What turns out not to be a person's, or to be wrong, is not sent any more: inside the transaction
that matches it, whose positions are locked.
"""

from __future__ import annotations

from collections.abc import Sequence

from services.common.postgres import Connection
from services.delivery.handlers import VoidSeen

# A snapshot is made of the read model, which may still hold what has left the story here.
POSTPONE = """
UPDATE delivery_work.snapshot s SET void_at = v.log_offset
FROM (SELECT worker_id, max(log_offset) AS log_offset
      FROM unnest($1::uuid[], $2::bigint[]) AS v(worker_id, log_offset) GROUP BY 1) v
WHERE s.worker_id = v.worker_id AND greatest(s.up_to, s.void_at) < v.log_offset
"""
# What waits and has turned out not to be this person's is not sent. The lanes first, in the order
# in which everyone locks them.
LANES_OF = """
SELECT FROM delivery_work.lane WHERE worker_id = ANY ($1)
ORDER BY connection_id, worker_id FOR UPDATE
"""
REMEMBER = """
INSERT INTO delivery.void (worker_id, event_id, void_id)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) ON CONFLICT DO NOTHING
"""
# A void that is void itself; the hub says so after it.
FORGET = """
DELETE FROM delivery.void v USING unnest($1::uuid[], $2::uuid[]) AS f(worker_id, void_id)
WHERE v.worker_id = f.worker_id AND v.void_id = f.void_id
"""
WITHHOLD = """
WITH gone AS (
    UPDATE delivery_work.outbox o SET state = 'refused', reason = 'voided', value = NULL
    FROM unnest($1::uuid[], $2::uuid[]) AS v(worker_id, event_id)
    JOIN delivery_work.lane l USING (worker_id)
    WHERE o.connection_id = l.connection_id AND o.event_id = v.event_id
        AND o.worker_id = v.worker_id AND o.state = 'pending'
    RETURNING o.connection_id, o.worker_id
)
UPDATE delivery_work.lane l SET pending = l.pending - g.n
FROM (SELECT connection_id, worker_id, count(*) AS n FROM gone GROUP BY 1, 2) g
WHERE l.connection_id = g.connection_id AND l.worker_id = g.worker_id
"""


async def postpone(connection: Connection, voids: Sequence[VoidSeen]) -> None:
    """Let stories so far that are still to be made wait until the read model knows of these.

    Before lanes are locked: whoever makes a story so far locks its order first.
    """
    if voids:
        workers, offsets = [v.worker_id for v in voids], [v.offset for v in voids]
        await connection.execute(POSTPONE, workers, offsets)


async def remember(connection: Connection, voids: Sequence[VoidSeen]) -> None:
    """Match these no more, also when their source sends them again. Before the batch is matched."""
    if voids:
        workers, events = [v.worker_id for v in voids], [v.event_id for v in voids]
        await connection.execute(REMEMBER, workers, events, [v.void_id for v in voids])
        await connection.execute(FORGET, workers, events)


async def withhold(connection: Connection, voids: Sequence[VoidSeen]) -> None:
    """Take events out of lanes that have turned out not to be these workers'."""
    if voids:
        workers, events = [v.worker_id for v in voids], [v.event_id for v in voids]
        await connection.execute(LANES_OF, workers)
        await connection.execute(WITHHOLD, workers, events)
