"""SQL of identity: whose record it is, moves, and the stories they are made of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from services.common.codec import FRAME_SIZE, Decoded, decode
from services.common.kafka import Position
from services.common.locks import Lock
from services.common.postgres import Connection, Pool
from services.consent.identity.handlers import Move

_CANONICAL = "SELECT coalesce(merged_into, worker_id) FROM vault.worker WHERE worker_id = $1"
_BUSY = """
SELECT EXISTS (SELECT FROM consent.identity_move
    WHERE ended_at IS NULL AND kind <> 'claim'
        AND (from_worker_id = ANY ($1) OR into_worker_id = ANY ($1)))
"""
# Later than every move before, whatever the clock says: of two voids the later one counts.
_BEGIN = """
INSERT INTO consent.identity_move
    (move_id, kind, from_worker_id, into_worker_id, why, source, record_index, link_id, asked_at)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, greatest(date_trunc('milliseconds', clock_timestamp()),
    (SELECT max(asked_at) FROM consent.identity_move) + interval '1 millisecond')
"""
_MERGE_RECORDS = """
UPDATE vault.source_record SET worker_id = $2, link_id = gen_random_uuid(), linked_at = now(),
    first_worker_id = coalesce(first_worker_id, worker_id)
WHERE worker_id = $1
"""
_MERGE_WORKER = """
UPDATE vault.worker SET merged_into = $2 WHERE worker_id = $1 OR merged_into = $1
"""
_MERGE_KEYS = """
UPDATE vault.access_key SET subject = $2::text WHERE role = 'worker' AND subject = $1::text
"""
_MERGE_CLAIMS = "UPDATE vault.claim SET worker_id = $2 WHERE worker_id = $1"
_LINK = """
SELECT source, record_index, worker_id FROM vault.source_record WHERE link_id = $1 FOR UPDATE
"""
_NEW_WORKER = "INSERT INTO vault.worker (worker_id, created_at) VALUES ($1, clock_timestamp())"
_SPLIT_RECORD = """
WITH parted AS (
    UPDATE vault.source_record SET worker_id = $2, link_id = gen_random_uuid(), linked_at = now(),
        first_worker_id = coalesce(first_worker_id, worker_id)
    WHERE link_id = $1 RETURNING first_worker_id)
UPDATE vault.worker w SET merged_into = $2
FROM parted WHERE w.worker_id = parted.first_worker_id AND w.merged_into = $3
"""
_REGISTERED = """
UPDATE vault.worker SET registered_at = clock_timestamp()
WHERE worker_id = $1 AND registered_at IS NULL
"""
_RECORDS = """
SELECT source, record_index, link_id, linked_at FROM vault.source_record
WHERE worker_id = $1 ORDER BY linked_at, link_id
"""
_OWNERS = """
SELECT source, record_index, worker_id FROM vault.source_record
WHERE source = ANY ($1) AND record_index = ANY ($2)
"""
_OPEN = "SELECT * FROM consent.identity_move WHERE ended_at IS NULL ORDER BY asked_at LIMIT 100"
_MOVE = "SELECT * FROM consent.identity_move WHERE move_id = $1"
_SPLITS = """
SELECT move_id FROM consent.identity_move WHERE from_worker_id = $1 AND kind = 'split'
"""
_PASSED = """
SELECT count(*) FROM read.stream_position p
JOIN unnest($1::text[], $2::int[], $3::bigint[]) AS w (topic, partition, least)
    ON p.topic = w.topic AND p.partition = w.partition AND p.next_offset >= w.least
"""
_COLUMNS = "worker_id, event_id, topic, partition, log_offset, schema_id, payload"
_ALL = f"""
SELECT {_COLUMNS} FROM read.story WHERE worker_id = $1
UNION ALL SELECT {_COLUMNS} FROM read.set_aside WHERE worker_id = $1
ORDER BY topic, partition, log_offset
"""  # noqa: S608
_KNOWN = """
SELECT event_id FROM read.story WHERE worker_id = $1 AND event_id = ANY ($2)
UNION ALL SELECT event_id FROM read.set_aside WHERE worker_id = $1 AND event_id = ANY ($2)
"""
_VOIDS = "SELECT event_id, void_event_id FROM read.void WHERE worker_id = $1"
_STRAGGLERS = f"""
SELECT {_COLUMNS} FROM read.set_aside s
WHERE why = 'moved' AND topic = $1 AND partition = $2 AND log_offset >= $3 AND log_offset < $4
ORDER BY log_offset LIMIT $5
"""  # noqa: S608
# After a split, what ingest still wrote under the old id, told by the record's source.
_AFTER_SPLITS = f"""
SELECT m.move_id, {", ".join(f"s.{c.strip()}" for c in _COLUMNS.split(","))}
FROM consent.identity_move m
JOIN read.story s ON s.worker_id = m.from_worker_id AND s.source = m.source
WHERE m.kind = 'split' AND (m.ended_at IS NULL OR m.ended_at > now() - $5::interval)
    AND s.topic = $1 AND s.partition = $2 AND s.log_offset >= $3 AND s.log_offset < $4
ORDER BY s.log_offset LIMIT $6
"""  # noqa: S608
_POSITIONS = """
SELECT p.topic, p.partition, p.next_offset AS read_to, coalesce(s.next_offset, 0) AS done_to
FROM read.stream_position p LEFT JOIN consent.straggler_position s USING (topic, partition)
WHERE p.topic IN ('stories', 'deliveries') AND p.next_offset > coalesce(s.next_offset, 0)
"""
_DONE_TO = """
INSERT INTO consent.straggler_position AS s VALUES ($1, $2, $3)
ON CONFLICT (topic, partition) DO UPDATE SET next_offset = greatest(s.next_offset, $3)
"""


@dataclass(frozen=True, slots=True)
class Stored:
    """An event as the read model holds it, with where it stood on the log."""

    event: Decoded
    position: Position


@dataclass(frozen=True, slots=True)
class Order:
    """A move to begin."""

    move_id: UUID
    kind: str
    from_worker_id: UUID
    into_worker_id: UUID
    why: str
    source: str | None = None
    record_index: bytes | None = None
    link_id: UUID | None = None


class IdentityStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @asynccontextmanager
    async def beginning(self) -> AsyncIterator[Beginning]:
        """A transaction in which moves begin, one at a time."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", Lock.BEGIN_MOVE)
            yield Beginning(connection)

    @asynccontextmanager
    async def alone(self, number: int) -> AsyncIterator[bool]:
        """Whether nobody else does this now; the lock goes with the connection."""
        async with self._pool.acquire() as connection:
            mine = await connection.fetchval("SELECT pg_try_advisory_lock($1)", number)
            try:
                yield bool(mine)
            finally:
                if mine:
                    await connection.execute("SELECT pg_advisory_unlock($1)", number)

    async def canonical(self, worker_id: UUID) -> UUID:
        """The id that a worker's story is under now."""
        found = await self._pool.fetchval(_CANONICAL, worker_id)
        return found or worker_id

    async def open_moves(self) -> list[Move]:
        return [Move(**row) for row in await self._pool.fetch(_OPEN)]

    async def move(self, move_id: UUID) -> Move | None:
        row = await self._pool.fetchrow(_MOVE, move_id)
        return None if row is None else Move(**row)

    async def note(self, move_id: UUID, **columns: object) -> None:
        """Write down how far a move has come. Names are ours, never from outside."""
        changes = ", ".join(f"{name} = ${n}" for n, name in enumerate(columns, 2))
        statement = f"UPDATE consent.identity_move SET {changes} WHERE move_id = $1"  # noqa: S608
        await self._pool.execute(statement, move_id, *columns.values())

    async def end(self, move_id: UUID) -> None:
        statement = "UPDATE consent.identity_move SET ended_at = now() WHERE move_id = $1"
        await self._pool.execute(statement, move_id)

    async def passed(self, positions: Collection[tuple[str, int, int]]) -> bool:
        """Whether the read model holds all before these offsets (topic, partition, offset)."""
        wanted = [p for p in positions if p[2] > 0]
        if not wanted:
            return True
        columns = [list(column) for column in zip(*wanted, strict=True)]
        return bool(await self._pool.fetchval(_PASSED, *columns) == len(wanted))

    async def everything(self, worker_id: UUID) -> list[Stored]:
        """Every event ever written under this id, in log order."""
        return [_stored(row) for row in await self._pool.fetch(_ALL, worker_id)]

    async def known(self, worker_id: UUID, events: Sequence[UUID]) -> frozenset[UUID]:
        """Those of the events that the read model has under this id."""
        rows = await self._pool.fetch(_KNOWN, worker_id, events)
        return frozenset(row["event_id"] for row in rows)

    async def voids(self, worker_id: UUID) -> Mapping[UUID, set[UUID]]:
        """The events that are void under this id, and what says so."""
        found: dict[UUID, set[UUID]] = defaultdict(set)
        for row in await self._pool.fetch(_VOIDS, worker_id):
            found[row["event_id"]].add(row["void_event_id"])
        return found

    async def splits_from(self, worker_id: UUID) -> list[UUID]:
        return [row["move_id"] for row in await self._pool.fetch(_SPLITS, worker_id)]

    async def records(self, worker_id: UUID) -> list[dict[str, Any]]:
        """source, record_index, link_id and linked_at of a worker's records."""
        return [dict(row) for row in await self._pool.fetch(_RECORDS, worker_id)]

    async def owners(
        self, records: Collection[tuple[str, bytes]]
    ) -> Mapping[tuple[str, bytes], UUID]:
        """Whose these records (source, blind index) are now."""
        sources, indexes = {s for s, _ in records}, {i for _, i in records}
        rows = await self._pool.fetch(_OWNERS, list(sources), list(indexes))
        return {(row["source"], row["record_index"]): row["worker_id"] for row in rows}

    async def registered(self, worker_id: UUID) -> None:
        await self._pool.execute(_REGISTERED, worker_id)

    async def unread(self) -> list[tuple[str, int, int, int]]:
        """Topic, partition, and the offsets between which stragglers were not looked for."""
        return [tuple(row) for row in await self._pool.fetch(_TO_LOOK)]

    async def stragglers(
        self, topic: str, partition: int, start: int, end: int, limit: int
    ) -> list[Stored]:
        rows = await self._pool.fetch(_STRAGGLERS, topic, partition, start, end, limit)
        return [_stored(row) for row in rows]

    async def after_splits(
        self, place: tuple[str, int, int, int], window: object, limit: int
    ) -> list[tuple[UUID, Stored]]:
        rows = await self._pool.fetch(_AFTER_SPLITS, *place, window, limit)
        return [(row["move_id"], _stored(row)) for row in rows]

    async def done_to(self, topic: str, partition: int, offset: int) -> None:
        await self._pool.execute(_DONE_TO, topic, partition, offset)


_TO_LOOK = f"SELECT topic, partition, done_to, read_to FROM ({_POSITIONS}) p"  # noqa: S608


class Beginning:
    """What happens at once when a move begins: from its commit on, ingest has the new owner."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    async def canonical(self, worker_id: UUID) -> UUID:
        found: UUID | None = await self.connection.fetchval(_CANONICAL, worker_id)
        return found or worker_id

    async def is_busy(self, *workers: UUID) -> bool:
        """Whether one of them takes part in a move that has not ended."""
        return bool(await self.connection.fetchval(_BUSY, list(workers)))

    async def begin(self, order: Order) -> None:
        values = [getattr(order, name) for name in Order.__dataclass_fields__]
        await self.connection.execute(_BEGIN, *values)

    async def merge(self, old: UUID, new: UUID) -> None:
        """The old id, its records and whoever signs in under it belong to the new one."""
        for statement in (_MERGE_RECORDS, _MERGE_WORKER, _MERGE_CLAIMS):
            await self.connection.execute(statement, old, new)
        await self.connection.execute(_MERGE_KEYS, str(old), str(new))

    async def link(self, link_id: UUID) -> tuple[str, bytes, UUID] | None:
        """Source, blind index and worker of a linked record."""
        row = await self.connection.fetchrow(_LINK, link_id)
        return None if row is None else tuple(row)

    async def part(self, link_id: UUID, old: UUID) -> UUID:
        """Give a record to a worker of its own, and answer that one's new id."""
        new = uuid4()
        await self.connection.execute(_NEW_WORKER, new)
        await self.connection.execute(_SPLIT_RECORD, link_id, new, old)
        return new


def _stored(row: Any) -> Stored:
    head = b"\0" + row["schema_id"].to_bytes(FRAME_SIZE - 1, "big")
    position = Position(row["topic"], row["partition"], row["log_offset"])
    return Stored(decode(head + row["payload"]), position)
