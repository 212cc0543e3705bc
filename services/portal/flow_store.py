"""SQL of the flow page: how far each reader is, what waits for receivers, what was set aside.

Reads the tables that docs/design.md names: `read`, `delivery`, `delivery_work` and `promises`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from services.common.postgres import Pool

Row = Mapping[str, Any]

_POSITIONS = """
SELECT 'projections' AS reader, topic, partition, next_offset FROM read.stream_position
UNION ALL SELECT 'delivery', topic, partition, next_offset FROM delivery.position
UNION ALL SELECT 'promises', topic, partition, next_offset FROM promises.position
"""
_ADVANCED = "SELECT max(advanced_at) FROM read.stream_position"
_CONNECTIONS = """
SELECT c.connection_id, c.connector, c.state, coalesce(o.name, c.organization_id) AS organization,
    coalesce(lanes.pending, 0) AS pending, coalesce(lanes.parked, 0) AS parked,
    coalesce(lanes.failing, 0) AS failing, lanes.next_at, waiting.since AS waiting_since,
    sent.attempted_at AS sent_at
FROM delivery.connection c
LEFT JOIN read.organization o USING (organization_id)
LEFT JOIN LATERAL (
    SELECT sum(pending)::bigint AS pending, count(*) FILTER (WHERE parked_at IS NOT NULL) AS parked,
        count(*) FILTER (WHERE failures > 0 AND parked_at IS NULL) AS failing,
        min(next_at) FILTER (WHERE failures > 0 AND parked_at IS NULL) AS next_at
    FROM delivery_work.lane WHERE connection_id = c.connection_id) lanes ON true
LEFT JOIN LATERAL (
    SELECT min(matched_at) AS since FROM delivery_work.outbox
    WHERE connection_id = c.connection_id AND state = 'pending') waiting ON true
LEFT JOIN LATERAL (
    SELECT attempted_at FROM delivery_work.outbox
    WHERE connection_id = c.connection_id AND state = 'delivered'
    ORDER BY matched_at DESC LIMIT 1) sent ON true
WHERE c.state <> 'ENDED'
ORDER BY lanes.parked DESC NULLS LAST, lanes.failing DESC NULLS LAST, lanes.pending DESC NULLS LAST,
    c.connection_id
LIMIT $1
"""
_PARKED = """
SELECT reason, count(*) AS times, min(parked_at) AS first_at, max(parked_at) AS last_at
FROM read.parked GROUP BY reason ORDER BY times DESC, reason LIMIT $1
"""
_COUNTS = """
SELECT p.topic, p.partition, p.records, p.taken, p.repeats, p.parked, p.erased, p.dropped, p.strays,
    p.taken_sum, v.differences, v.verified_at
FROM read.stream_position p LEFT JOIN read.verified v USING (topic, partition)
UNION ALL SELECT topic, NULL, 0, 0, 0, 0, 0, 0, 0, 0, differences, verified_at
FROM read.verified v WHERE differences > 0 AND NOT EXISTS (
    SELECT FROM read.stream_position p WHERE p.topic = v.topic AND p.partition = v.partition)
ORDER BY 1, 2
"""


class FlowStore:
    """Reads of one pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def positions(self) -> dict[str, dict[tuple[str, int], int]]:
        """The next offset of each partition, by reader."""
        found: dict[str, dict[tuple[str, int], int]] = {
            reader: {} for reader in ("projections", "delivery", "promises")
        }
        for row in await self._pool.fetch(_POSITIONS):
            found[row["reader"]][row["topic"], row["partition"]] = row["next_offset"]
        return found

    async def advanced_at(self) -> datetime | None:
        """When the read model last took something in."""
        found: datetime | None = await self._pool.fetchval(_ADVANCED)
        return found

    async def connections(self, limit: int) -> Sequence[Row]:
        """Receivers, those in trouble first."""
        return [dict(row) for row in await self._pool.fetch(_CONNECTIONS, limit)]

    async def parked(self, limit: int) -> Sequence[Row]:
        """Records set aside, by reason."""
        return [dict(row) for row in await self._pool.fetch(_PARKED, limit)]

    async def counts(self) -> Sequence[Row]:
        """What each partition's records were counted as, and how they last compared. What differed
        and is of no partition comes as one without a number.
        """
        return [dict(row) for row in await self._pool.fetch(_COUNTS)]
