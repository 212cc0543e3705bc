"""Who is parked, since when and why, and what operators have let go of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.common.kafka import Position
from services.common.postgres import Connection, Pool
from services.projections.intake import WAITS

# The order in which an owner's records are read again: the story before its deliveries.
IN_ORDER = "(p.topic = 'deliveries'), p.topic, p.partition, p.log_offset"
# Nobody waits behind a record whose key names nobody, so each of these stands for itself.
_OWNERS = """
SELECT p.owner, p.worker_id, count(*) AS waiting, min(p.parked_at) AS since,
    (array_agg(p.topic || ':' || p.partition || ':' || p.log_offset
        ORDER BY p.reason = $2, {order}))[1] AS head,
    (array_agg(p.reason ORDER BY p.reason = $2, {order}))[1] AS reason
FROM {schema}.parked p
GROUP BY p.owner, p.worker_id,
    CASE WHEN p.owner IS NULL THEN p.topic || ':' || p.partition || ':' || p.log_offset END
ORDER BY since, head LIMIT $1
"""
_COUNT = """
SELECT count(DISTINCT owner) + count(*) FILTER (WHERE owner IS NULL) AS owners, count(*) AS records
FROM {schema}.parked
"""
_DROPPED = """
SELECT topic, partition, log_offset, reason, dropped_by, dropped_at FROM vault.dropped_record
ORDER BY dropped_at DESC, topic, partition, log_offset LIMIT $1
"""


@dataclass(frozen=True, slots=True)
class ParkedOwner:
    """A worker (or organisation) whose records wait. `head` is the one that cannot be read."""

    owner: bytes | None
    worker_id: UUID | None
    waiting: int
    since: datetime
    head: str
    reason: str

    @property
    def name(self) -> str | None:
        """The worker's or organisation's id; None when the record's key names nobody."""
        if self.worker_id is not None:
            return str(self.worker_id)
        return self.owner.decode("utf-8", "replace") if self.owner is not None else None

    def as_dict(self) -> dict[str, Any]:
        return {
            "owner": self.name,
            "worker_id": str(self.worker_id) if self.worker_id else None,
            "position": self.head,
            "reason": self.reason,
            "waiting": self.waiting,
            "since": self.since.isoformat(),
        }


@dataclass(frozen=True, slots=True)
class Dropped:
    """A record that an operator let go of."""

    position: str
    reason: str
    dropped_by: str
    dropped_at: datetime

    def as_dict(self) -> dict[str, Any]:
        return {
            "position": self.position,
            "reason": self.reason,
            "dropped_by": self.dropped_by,
            "dropped_at": self.dropped_at.isoformat(),
        }


async def parked_owners(
    pool: Pool | Connection, schema: str, limit: int
) -> tuple[Sequence[ParkedOwner], int, int]:
    """Who waits, the longest first; how many there are; and how many records wait in all."""
    found = await pool.fetch(_OWNERS.format(schema=schema, order=IN_ORDER), limit, WAITS)
    owners, records = await pool.fetchrow(_COUNT.format(schema=schema)) or (0, 0)
    return [ParkedOwner(**row) for row in found], owners, records


async def dropped_records(pool: Pool | Connection, limit: int) -> Sequence[Dropped]:
    """What operators have let go of, the newest first."""
    return [
        Dropped(str(Position(*row[:3])), row["reason"], row["dropped_by"], row["dropped_at"])
        for row in await pool.fetch(_DROPPED, limit)
    ]
