"""SQL of working state: which event ids are reserved, and where their events are on the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter
from uuid import UUID

import asyncpg

from services.common.kafka import Position
from services.common.postgres import Pool

# An id is ours when it was free, or held and never published by us or by one whose hold is over.
# DO UPDATE waits for whoever is inserting the same id and answers its row, in one statement. Rows
# that are simply ours, nearly all, are not sent back.
RESERVE = """
WITH given AS (SELECT * FROM unnest($1::uuid[], $2::bytea[]) AS given(event_id, content)),
now AS (
INSERT INTO ingest_work.reservation AS r (event_id, content, held_by, held_until)
SELECT event_id, content, $3, $4::timestamptz + $5::interval FROM given
ON CONFLICT (event_id) DO UPDATE SET
    held_by = CASE WHEN r.log_offset IS NULL AND r.held_until <= $4
        THEN excluded.held_by ELSE r.held_by END,
    held_until = CASE WHEN r.log_offset IS NULL AND (r.held_until <= $4 OR r.held_by = $3)
        THEN excluded.held_until ELSE r.held_until END
RETURNING event_id, content, held_by, topic, partition, log_offset)
SELECT now.* FROM now JOIN given USING (event_id)
WHERE now.log_offset IS NOT NULL OR now.held_by <> $3 OR now.content <> given.content
"""
# Always found through the key, however stale the planner's idea of the table; and a row that was
# lost comes back.
PUBLISHED = """
INSERT INTO ingest_work.reservation AS r
    (event_id, content, held_by, held_until, topic, partition, log_offset)
SELECT event_id, content, $6, '-infinity', topic, partition, log_offset
FROM unnest($1::uuid[], $2::bytea[], $3::text[], $4::int[], $5::bigint[])
    AS done(event_id, content, topic, partition, log_offset)
ON CONFLICT (event_id) DO UPDATE SET
    topic = excluded.topic, partition = excluded.partition, log_offset = excluded.log_offset
"""


_NUMBER = attrgetter("int")


@dataclass(frozen=True, slots=True)
class Reserved:
    """What stands under an event id now."""

    content: bytes
    held_by: UUID
    position: Position | None  # None until it is on the log


class ReservationStore:
    """Reservations of event ids."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def reserve(
        self, wanted: Mapping[UUID, bytes], holder: UUID, at: datetime, hold: timedelta
    ) -> Mapping[UUID, Reserved]:
        """Reserve every id that is free. Says what stands under each id that is not simply ours:
        on the log already, held by another, or ours with another content.
        """
        # In one order everywhere, so that two writers can't deadlock; numbers compare fast.
        ids = sorted(wanted, key=_NUMBER)
        contents = [wanted[event_id] for event_id in ids]
        rows = await self._pool.fetch(RESERVE, ids, contents, holder, at, hold)
        return {
            row["event_id"]: Reserved(row["content"], row["held_by"], _position(row))
            for row in rows
        }

    async def publish(self, done: Sequence[tuple[UUID, bytes, Position]], holder: UUID) -> None:
        """Remember where the events are on the log."""
        ordered = sorted(done, key=lambda entry: entry[0].int)
        positions = [position for _, _, position in ordered]
        await self._pool.execute(
            PUBLISHED,
            [event_id for event_id, _, _ in ordered],
            [content for _, content, _ in ordered],
            [position.topic for position in positions],
            [position.partition for position in positions],
            [position.offset for position in positions],
            holder,
        )


def _position(row: asyncpg.Record) -> Position | None:
    if row["log_offset"] is None:
        return None
    return Position(row["topic"], row["partition"], row["log_offset"])
