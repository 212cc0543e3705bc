"""The bookkeeping of the read model: positions, counters, who is parked, and what is left out.

All of it moves in the transaction that writes the rows.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import TypeAlias

import polars as pl

from services.common.errors import RetryableError
from services.common.kafka import Position
from services.common.locks import Lock
from services.common.postgres import Connection
from services.projections.batch import Batch
from services.projections.copying import encode
from services.projections.counting import Changes, tally
from services.projections.declaration import STORIES
from services.projections.intake import Parked, Partition

# Table, columns, rows as binary COPY has them, schema.
CopyTo: TypeAlias = Callable[[str, Collection[str], bytes, str | None], Awaitable[None]]

# The lock keeps a replay of parked records away. It is had before any row is locked.
_ADVANCE = """
WITH gate AS MATERIALIZED (
    SELECT pg_advisory_xact_lock_shared($7, hashtext('{schema}'))
), span AS (
    SELECT s.* FROM gate, unnest(
        $1::text[], $2::int[], $3::bigint[], $4::bigint[], $5::bigint[], $6::numeric[]
    ) AS s (topic, partition, start, next_offset, records, hash_sum)
), moved AS (
    UPDATE {schema}.stream_position AS p
    SET next_offset = s.next_offset, advanced_at = now(), records = p.records + s.records,
        taken = p.taken + s.records, taken_sum = mod(p.taken_sum + s.hash_sum, 18446744073709551616)
    FROM span AS s
    WHERE p.topic = s.topic AND p.partition = s.partition AND p.next_offset = s.start
        AND p.tableoid = $8
    RETURNING p.topic, p.partition, p.next_offset
), beside AS MATERIALIZED (
    SELECT p.next_offset FROM {schema}.stream_position AS p
    JOIN unnest($10::text[], $11::int[], $12::bigint[]) AS b (topic, partition, next_offset)
        USING (topic, partition, next_offset)
    FOR SHARE OF p
)
SELECT CASE WHEN $9 THEN
    pg_notify('positions', topic || ':' || partition || ':' || next_offset)::text END,
    (SELECT count(*) FROM beside) AS beside
FROM moved
"""

# Arguments as Changes.columns has them.
_CHANGE = """
UPDATE {schema}.stream_position AS p
SET taken_sum = mod(p.taken_sum + c.taken_sum, 18446744073709551616),
    records = p.records + c.records, taken = p.taken + c.taken, parked = p.parked + c.parked,
    repeats = p.repeats + c.repeats, erased = p.erased + c.erased,
    dropped = p.dropped + c.dropped, strays = p.strays + c.strays
FROM unnest(
    $1::text[], $2::int[], $3::numeric[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
    $8::bigint[], $9::bigint[], $10::bigint[]
) AS c (topic, partition, taken_sum, records, taken, parked, repeats, erased, dropped, strays)
WHERE p.topic = c.topic AND p.partition = c.partition
"""

_REMEMBER = """
INSERT INTO {schema}.stream_position (topic, partition, next_offset)
SELECT topic, partition, 0 FROM unnest($1::text[], $2::int[]) AS p (topic, partition)
ON CONFLICT DO NOTHING
"""

_POSITIONS = """
SELECT p.tableoid, topic, partition, next_offset FROM {schema}.stream_position p
JOIN unnest($1::text[], $2::int[]) AS w (topic, partition) USING (topic, partition)
"""

_HELD = "SELECT DISTINCT owner FROM {schema}.parked WHERE owner IS NOT NULL"
_DROPPED = "SELECT topic, partition, log_offset FROM vault.dropped_record"

_PARK = """
INSERT INTO {schema}.parked
    (topic, partition, log_offset, owner, worker_id, reason, key, value, headers)
VALUES ($1, $2, $3, $4, encode($5, 'hex')::uuid, $6, $7, $8, $9)
"""


class StalePosition(RetryableError):
    """What a batch was made from has changed: a position, or who is parked. Nothing was written.

    Another consumer owns the partition now, an operator has replayed what was parked, or rebuilt
    tables stand in the place of these. Read the positions again and go on from there.
    """


@dataclass(frozen=True, slots=True)
class Basis:
    """What batches are made from: the stored positions, the owners that are parked, and the
    records that an operator let go of. `tables` names the very tables: a rebuild brings others.
    """

    positions: Mapping[Partition, int]
    held: Set[bytes]
    dropped: Set[Position] = frozenset()
    tables: int = 0


class Bookkeeping:
    """Positions and counters of one schema, on one connection. Call it inside a transaction."""

    def __init__(
        self, connection: Connection, schema: str, copy: CopyTo, *, tells: bool = True
    ) -> None:
        """tells: whether those who wait for a position of these tables are woken."""
        self._connection = connection
        self._schema = schema
        self._copy = copy
        self._tells = tells
        self._tables = 0
        # The positions of our partitions as this process knows them.
        self._seen: dict[Partition, int] = {}

    async def basis(self, partitions: Collection[Partition]) -> Basis:
        """The stored positions of these partitions (0 where new), and who is parked."""
        columns = [topic for topic, _ in partitions], [number for _, number in partitions]
        await self._connection.execute(self._sql(_REMEMBER), *columns)
        rows = await self._connection.fetch(self._sql(_POSITIONS), *columns)
        held = await self.held()
        dropped = await self._connection.fetch(_DROPPED)
        self._tables = next((row["tableoid"] for row in rows), 0)
        self._seen = {(r["topic"], r["partition"]): r["next_offset"] for r in rows}
        return Basis(
            dict(self._seen),
            held,
            frozenset(Position(*row) for row in dropped),
            self._tables,
        )

    async def advance(self, batch: Batch) -> None:
        """Move the positions from the start of each span to its end, and tell who waits.

        Every record counts as taken until more is known. Raises StalePosition.
        """
        tallies = [batch.intake.tallies[span.topic, span.partition] for span in batch.spans]
        columns = (
            [span.topic for span in batch.spans],
            [span.partition for span in batch.spans],
            [span.start for span in batch.spans],
            [span.end for span in batch.spans],
            [tally.records for tally in tallies],
            [tally.hash_sum for tally in tallies],
        )
        gate = Lock.WRITE_READ_MODEL.value, self._tables, self._tells
        beside = self._beside(batch)
        places = [topic for topic, _ in beside], [number for _, number in beside]
        moved = await self._connection.fetch(
            self._sql(_ADVANCE), *columns, *gate, *places, list(beside.values())
        )
        if len(moved) != len(batch.spans):
            stale = len(batch.spans) - len(moved)
            raise StalePosition(f"{stale} positions have been moved already")
        if moved and moved[0]["beside"] != len(beside):
            raise StalePosition("another process has read of the same people")
        if await self.held() != batch.held:
            raise StalePosition("records were parked or replayed meanwhile")

    def _beside(self, batch: Batch) -> dict[Partition, int]:
        """Partitions of our own with the people of this batch that it holds nothing of.

        A process that lost its partitions may wake up with records of one topic, after somebody
        else has read of an erasure on the other.
        """
        spans = {(span.topic, span.partition) for span in batch.spans}
        numbers = {number for topic, number in spans if topic in STORIES.topics}
        return {
            (topic, number): position
            for (topic, number), position in self._seen.items()
            if topic in STORIES.topics and number in numbers and (topic, number) not in spans
        }

    def committed(self, batch: Batch) -> None:
        """To be called when the transaction of a batch has been committed."""
        self._seen |= {(span.topic, span.partition): span.end for span in batch.spans}

    async def count(self, changes: Changes) -> None:
        if changes:
            await self._connection.execute(self._sql(_CHANGE), *changes.columns())

    async def leave_out(
        self, found: Sequence[pl.DataFrame], changes: Changes, *, instead_of: str = "taken"
    ) -> None:
        """Remember the records that are kept nowhere, and why; they counted as `instead_of`."""
        for rows in found:
            if rows.height:
                await self._copy("left_out", rows.columns, encode(rows), self._schema)
                changes.leave_out(rows, instead_of=instead_of)

    async def held(self) -> frozenset[bytes]:
        rows = await self._connection.fetch(self._sql(_HELD))
        return frozenset(row["owner"] for row in rows)

    async def park(self, parked: Sequence[Parked], changes: Changes) -> None:
        if not parked:
            return
        rows = []
        for p in parked:
            place = p.position.topic, p.position.partition
            headers = [
                (name, None if value is None else value.decode("latin-1"))
                for name, value in p.record.headers
            ]
            rows.append(
                (
                    *(*place, p.position.offset, p.owner, p.worker_id, p.reason[:500]),
                    *(p.record.key, p.record.value, json.dumps(headers)),
                )
            )
            changes.park(place, tally([p.record]))
        await self._connection.executemany(self._sql(_PARK), rows)

    def _sql(self, statement: str) -> str:
        return statement.format(schema=self._schema)
