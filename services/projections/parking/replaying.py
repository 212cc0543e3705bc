"""Parked records read again, in order, with what is known now; and records that are let go of.

One owner is one transaction. It keeps batches of these tables away while it runs, and merges as a
batch does: repeats fall out, stories from which something leaves are folded again, counters move.
A worker that had read meanwhile finds its basis stale and begins again from the stored positions.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence, Set
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from services.common.errors import TerminalError, UnknownSchema
from services.common.kafka import Position
from services.common.later_schemas import LaterSchemas
from services.common.locks import Lock
from services.common.log import get_logger
from services.common.settings import Settings
from services.projections.batch import Batch, make_batch
from services.projections.counting import DROPPED, PARKED, Changes, nameless, tally
from services.projections.declaration import Projection
from services.projections.intake import WAITS
from services.projections.parking.listing import IN_ORDER, parked_owners
from services.projections.parking.records import (
    Records,
    Waiting,
    before,
    but,
    name_of,
    order_of,
    whose,
)
from services.projections.retractions import Retractions
from services.projections.store import ReadModelStore, open_store

_ALONE = "SELECT pg_advisory_xact_lock($1, hashtext($2))"
# The decision is in no log that could tell it again.
_DURABLE = "SET LOCAL synchronous_commit = on"
_RECORDS = """
SELECT p.topic, p.partition, p.log_offset, p.key, p.value, p.headers FROM {schema}.parked p
WHERE {whose} ORDER BY {order} LIMIT 20000
"""
_RELEASE = """
DELETE FROM {schema}.parked p USING unnest($1::text[], $2::int[], $3::bigint[])
    AS r (topic, partition, log_offset)
WHERE p.topic = r.topic AND p.partition = r.partition AND p.log_offset = r.log_offset
"""
_REASON = """
UPDATE {schema}.parked SET reason = $4 WHERE topic = $1 AND partition = $2 AND log_offset = $3
"""
_OWNER_AT = """
SELECT owner, reason FROM {schema}.parked WHERE topic = $1 AND partition = $2 AND log_offset = $3
"""
_DROP = """
INSERT INTO vault.dropped_record (topic, partition, log_offset, reason, dropped_by)
VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING
"""
_STILL = "SELECT count(*) FROM {schema}.parked p WHERE {whose}"
_TOLD = """
INSERT INTO projections_work.replay
    (owner, position, asked_by, taken, left_out, still, stopped_at, why)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
_TRIED = """
SELECT coalesce(owner, position) AS whose, max(replayed_at) AS at FROM projections_work.replay
WHERE coalesce(owner, position) IS NOT NULL GROUP BY 1
"""
_EVERYBODY: Final = 100_000

log = get_logger("projections")


class NotParked(TerminalError):
    """Nothing is parked there."""


class MayNotDrop(TerminalError):
    """The record can be read, or only waits: letting go of it would lose something."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of one owner's records. `stopped_at`: the first that still cannot be read."""

    owner: str | None
    taken: int
    left_out: int  # repeats, and what has been erased or dropped since
    still: int
    stopped_at: str | None
    why: str | None

    def and_then(self, later: Replayed) -> Replayed:
        """With what became of the owner's further records."""
        taken, left_out = self.taken + later.taken, self.left_out + later.left_out
        return replace(later, taken=taken, left_out=left_out)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class Replaying:
    """Reads parked records again, on a connection of its own."""

    def __init__(
        self, store: ReadModelStore, schema: str, rules: Retractions, later: LaterSchemas
    ) -> None:
        self._store = store
        self._connection = store.connection
        self._schema = schema
        self._rules = rules
        self._later = later

    async def replay(
        self, owner: bytes | None, *, by: str, at: Position | None = None, dry_run: bool = False
    ) -> Replayed:
        """Take an owner's records, up to the first that still cannot be read; all or nothing.

        owner: None for the record `at` a position, whose key names nobody. dry_run: say what would
        become of them, and change nothing. Raises NotParked, ReadModelChanged, PostgresError.
        """
        found = await self._once(owner, at, by, dry_run)
        while found.still and found.stopped_at is None and not dry_run:
            found = found.and_then(await self._once(owner, at, by, dry_run))
        return found

    async def everybody(
        self, *, by: str, most: int = _EVERYBODY, dry_run: bool = False
    ) -> AsyncIterator[Replayed]:
        """Replay those who wait, each in a transaction of its own.

        Those who were not tried for the longest come first, so that who asks again and again comes
        to everybody, however many can never be read.
        """
        owners, _, _ = await parked_owners(self._connection, self._schema, _EVERYBODY)
        tried = {row["whose"]: row["at"] for row in await self._connection.fetch(_TRIED)}
        never = datetime.min.replace(tzinfo=UTC)
        for one in sorted(owners, key=lambda one: tried.get(one.name or one.head, never))[:most]:
            at = Position.parse(one.head) if one.owner is None else None
            with suppress(NotParked):  # somebody else was quicker
                yield await self.replay(one.owner, by=by, at=at, dry_run=dry_run)

    async def _once(
        self, owner: bytes | None, at: Position | None, by: str, dry_run: bool
    ) -> Replayed:
        transaction = self._connection.transaction()
        await transaction.start()
        try:
            await self._alone()
            found = await self._replay(owner, at)
            await self._tell(found, at, by)
        except BaseException:
            await transaction.rollback()
            raise
        if dry_run:
            await transaction.rollback()
            return found
        await transaction.commit()
        log.info("replayed", by=by, **found.as_dict())
        return found

    async def drop(self, position: Position, *, reason: str, by: str) -> Replayed:
        """Let go of a record that can never be read, and go on with what waits behind it.

        Raises NotParked, MayNotDrop.
        """
        async with self._connection.transaction():
            await self._connection.execute(_DURABLE)
            await self._alone()
            row = await self._connection.fetchrow(
                self._sql(_OWNER_AT), position.topic, position.partition, position.offset
            )
            if row is None:
                raise NotParked(f"nothing is parked at {position}")
            if row["reason"] == WAITS:
                raise MayNotDrop(f"{position} only {WAITS}: replay these instead")
            await self._let_go(position, reason, by)
            found = Replayed(name_of(row["owner"]), 0, 0, 0, None, None)
            if row["owner"] is not None and await self._still(row["owner"], None):
                found = await self._replay(row["owner"], None)
            await self._tell(found, position, by)
        log.warning("record dropped", position=str(position), reason=reason, by=by)
        return found

    async def _alone(self) -> None:
        """Keep batches away, and learn what the tables hold since the last one."""
        await self._connection.execute(_ALONE, Lock.WRITE_READ_MODEL.value, self._schema)

    async def _replay(self, owner: bytes | None, at: Position | None) -> Replayed:
        basis = await self._store.basis([])
        waiting = await self._waiting(owner, at)
        if not waiting:
            raise NotParked(f"nothing is parked of {name_of(owner) or at}")
        batch, taken, stopped_at, why = await self._readable(waiting, basis.dropped)
        changes, read = Changes(), sum(map(len, taken.values()))
        if batch is not None:
            for place, records in taken.items():
                changes.release(place, tally(records))
            await self._release(taken)
            await self._store.take(batch, changes)
            await self._store.books.count(changes)
        if stopped_at is not None:
            at_head = stopped_at.topic, stopped_at.partition, stopped_at.offset
            await self._connection.execute(self._sql(_REASON), *at_head, (why or "")[:500])
        kept = max(0, changes.total("taken"))
        still = await self._still(owner, at)
        head = str(stopped_at) if stopped_at else None
        return Replayed(name_of(owner), kept, read - kept, still, head, why)

    async def _waiting(self, owner: bytes | None, at: Position | None) -> Records:
        """The owner's records by partition, in the order in which they are read."""
        where, arguments = whose(owner, at)
        query = self._sql(_RECORDS, whose=where, order=IN_ORDER)
        found: Records = {}
        for topic, partition, offset, key, value, headers in await self._connection.fetch(
            query, *arguments
        ):
            told = [
                (name, None if text is None else text.encode("latin-1"))
                for name, text in json.loads(headers)
            ]
            found.setdefault((topic, partition), []).append(Waiting(key, value, offset, told))
        return found

    async def _still(self, owner: bytes | None, at: Position | None) -> int:
        where, arguments = whose(owner, at)
        count: int = await self._connection.fetchval(self._sql(_STILL, whose=where), *arguments)
        return count

    async def _readable(
        self, waiting: Records, dropped: Set[Position]
    ) -> tuple[Batch | None, Records, Position | None, str | None]:
        """A batch of what can be read, its records; the first record that cannot, and why.

        What waits for nothing (an erasure) is in the batch even behind one that cannot.
        """
        records, blocked, why = waiting, None, None
        while records:
            starts = {place: some[0].offset for place, some in records.items()}
            layouts, rules = self._store.layouts, self._rules
            batch = await asyncio.to_thread(
                make_batch, records, starts, frozenset(), layouts, dropped, rules
            )
            if not (stopped := batch.intake.stopped):
                if batch.intake.parked:
                    first = min(batch.intake.parked, key=lambda one: order_of(one.position))
                    blocked, why = first.position, first.reason
                return batch, but(records, batch.intake.parked), blocked, why
            place = next(place for place in records if place in stopped)
            offset, error = stopped[place]
            try:
                await self._later.find(error)
            except UnknownSchema as unknown:
                blocked, why = Position(*place, offset), str(unknown)
                records = before(records, blocked)
        return None, {}, blocked, why

    async def _release(self, taken: Records) -> None:
        places = [(*place, record.offset) for place, some in taken.items() for record in some]
        columns = [list(column) for column in zip(*places, strict=True)] or [[], [], []]
        await self._connection.execute(self._sql(_RELEASE), *columns)

    async def _let_go(self, position: Position, reason: str, by: str) -> None:
        """Raises MayNotDrop when the record can be read."""
        place = position.topic, position.partition
        (record,) = (await self._waiting(None, position))[place]
        records = {place: [record]}
        batch, _, stopped_at, _ = await self._readable(records, frozenset())
        if batch is not None and stopped_at is None:
            raise MayNotDrop(f"{position} can be read: replay it")
        changes = Changes()
        await self._connection.execute(_DROP, *place, position.offset, reason, by)
        await self._release(records)
        out = [nameless(place, [record], DROPPED)]
        await self._store.books.leave_out(out, changes, instead_of=PARKED)
        await self._store.books.count(changes)

    async def _tell(self, found: Replayed, position: Position | None, by: str) -> None:
        at = str(position) if position else None
        await self._connection.execute(
            *(_TOLD, found.owner, at, by, found.taken, found.left_out, found.still),
            *(found.stopped_at, found.why),
        )

    def _sql(self, statement: str, **names: str) -> str:
        return statement.format(schema=self._schema, **names)


@asynccontextmanager
async def open_replaying(
    settings: Settings,
    schema: str,
    projections: Sequence[type[Projection]],
    rules: Retractions,
) -> AsyncIterator[Replaying]:
    """Raises DependencyDown when PostgreSQL is away."""
    async with open_store(settings, schema, projections, rules) as store:
        yield Replaying(store, schema, rules, LaterSchemas(settings))
