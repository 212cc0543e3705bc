"""`throughline verify`: does the read model hold what the log says, all of it, and nothing else?

The positions are read once; what comes later is left out on both sides. Everything that the
database says is of that moment, too, so a running system changes nothing of the answer.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg

from services.common.errors import DependencyDown
from services.common.later_schemas import LaterSchemas
from services.common.postgres import AWAY, Connection
from services.common.settings import Settings
from services.projections.counting import COUNTED, COUNTERS, PARKED, Place
from services.projections.declaration import Projection
from services.projections.verify.buckets import Buckets, size_for
from services.projections.verify.closer import MOST_RECORDS, CloserLook, false_claims
from services.projections.verify.differences import Difference, Wrong, in_order
from services.projections.verify.folded import Folding
from services.projections.verify.log_side import LogSide
from services.projections.verify.table_side import TableSide, raw
from services.projections.verify.verdict import Partition, Told, Verdict

# In place of a topic, for what differs and belongs to no partition: rows of tables, above all.
UNPLACED: Final = "tables"
_MOST: Final = 1_000  # differences of one kind that are looked for
_POSITIONS = f"""
SELECT topic, partition, next_offset, taken_sum, {", ".join(COUNTED)}
FROM {{schema}}.stream_position ORDER BY topic, partition
"""  # noqa: S608
_REMEMBER = """
INSERT INTO {schema}.verified AS v (topic, partition, next_offset, differences, verified_at)
SELECT s.*, now() FROM unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[]) AS s
ON CONFLICT (topic, partition) DO UPDATE SET next_offset = excluded.next_offset,
    differences = excluded.differences, verified_at = excluded.verified_at
"""

Stored = Mapping[Place, Mapping[str, Any]]


async def verify(
    settings: Settings,
    schema: str,
    projections: Sequence[type[Projection]] = (),
    told: Told | None = None,
) -> Verdict:
    """Compare the read model with the log, and remember how that ended.

    projections: fold every story again, too, and compare their tables. Raises DependencyDown,
    LogCut when it cannot tell.
    """
    say = told or (lambda _what, _done, _of: None)
    try:
        async with _connected(settings) as connection:
            async with connection.transaction(isolation="repeatable_read"):
                # It waits for the log as long as that takes to read.
                await connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
                verdict = await _Verifying(settings, connection, schema, say).run(projections)
            await _remember(connection, schema, verdict)
    except AWAY as error:
        raise DependencyDown(f"PostgreSQL does not answer: {error!r}") from error
    except asyncpg.PostgresError as error:
        raise DependencyDown(f"PostgreSQL refuses: {error}") from error
    return verdict


@asynccontextmanager
async def _connected(settings: Settings) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(
        settings.database_url.get_secret_value(),
        server_settings={"application_name": "throughline verify", "timezone": "UTC", "jit": "off"},
        timeout=10,
    )
    try:
        await raw(connection)
        yield connection
    finally:
        await connection.close(timeout=5)


class _Verifying:
    """One comparison, in one snapshot of the database."""

    def __init__(self, settings: Settings, connection: Connection, schema: str, told: Told) -> None:
        self._settings = settings
        self._connection = connection
        self._schema = schema
        self._told = told

    async def run(self, projections: Sequence[type[Projection]]) -> Verdict:
        began = time.monotonic()
        stored = await self._stored()
        size = size_for({place: row["next_offset"] for place, row in stored.items()})
        on_log, in_tables = Buckets(size), Buckets(size)
        log = await self._read_log(stored, on_log)
        tables = await self._read_tables(stored, in_tables)
        differing = list(on_log.differing(in_tables))
        found = [*log.findings.found, *tables.findings.found]
        found += await self._look(stored, size, differing)
        found += await false_claims(self._connection, self._schema, _MOST)
        found += _miscounted(stored, tables, {_partition_of(one) for one in found})
        folding = Folding(self._connection, self._schema, projections, self._told)
        if projections:
            await folding.compare()
        found += folding.findings.found
        unreadable = tables.unreadable + folding.unreadable
        return Verdict(
            _partitions(stored, found),
            in_order(found),
            tables.findings.more or folding.findings.more or len(differing) * size > MOST_RECORDS,
            f"{unreadable:,} events cannot be read here" if unreadable else None,
            tables.rows,
            folding.rows if projections else None,
            time.monotonic() - began,
        )

    async def _stored(self) -> Stored:
        rows = await self._connection.fetch(_POSITIONS.format(schema=self._schema))
        return {(row["topic"], row["partition"]): dict(row) for row in rows}

    async def _read_log(self, stored: Stored, buckets: Buckets) -> LogSide:
        spans = {place: (0, row["next_offset"]) for place, row in stored.items()}
        claiming = {place for place, row in stored.items() if row["erased"] or row["strays"]}
        read, of = 0, sum(row["records"] for row in stored.values())

        def told(count: int) -> None:
            nonlocal read
            read += count
            self._told("records read from the log", read, of)

        side = LogSide(self._settings, self._connection, self._schema)
        await side.read(spans, claiming, buckets, told)
        return side

    async def _read_tables(self, stored: Stored, buckets: Buckets) -> TableSide:
        of = sum(row["records"] for row in stored.values())
        side = TableSide(self._connection, self._schema, LaterSchemas(self._settings))
        await side.read(buckets, lambda: self._told("rows read from the tables", side.rows, of))
        return side

    async def _look(
        self, stored: Stored, size: int, differing: Sequence[tuple[Place, int]]
    ) -> list[Difference]:
        if not differing:
            return []
        positions = {place: row["next_offset"] for place, row in stored.items()}
        look = CloserLook(self._settings, self._connection, self._schema, positions, size)
        return await look.look(differing)


def _miscounted(stored: Stored, tables: TableSide, known: set[str]) -> list[Difference]:
    """Counters that the rows do not bear out, in partitions of which nothing else is wrong."""
    found = []
    for (topic, partition), row in stored.items():
        name, place = f"{topic}:{partition}", (topic, partition)
        if name in known:
            continue
        held = {"taken": tables.counts[place, "taken"], PARKED: tables.counts[place, PARKED]}
        held |= {counter: tables.counts[place, why] for why, counter in COUNTERS.items()}
        held["records"] = sum(held.values())
        held["taken_sum"] = tables.sums[place]
        for counter, number in held.items():
            if int(row[counter]) != number:
                detail = f"stream_position.{counter} says {row[counter]}, the tables {number}"
                found.append(Difference(name, Wrong.COUNTER, detail))
    return found


def _partition_of(difference: Difference) -> str:
    return ":".join(difference.at.split(":")[:2])


def _partitions(stored: Stored, found: Sequence[Difference]) -> list[Partition]:
    wrong = Counter(_partition_of(one) for one in set(found))
    return [
        Partition(
            *place,
            next_offset=row["next_offset"],
            counts={name: row[name] for name in COUNTED},
            differences=wrong[f"{place[0]}:{place[1]}"],
        )
        for place, row in stored.items()
    ]


async def _remember(connection: Connection, schema: str, verdict: Verdict) -> None:
    if verdict.outcome == "unknown":
        return
    rows = [
        (one.topic, one.partition, one.next_offset, one.differences) for one in verdict.partitions
    ]
    known = {f"{topic}:{partition}" for topic, partition, *_ in rows}
    unplaced = sum(_partition_of(one) not in known for one in verdict.differences)
    if unplaced or verdict.table_rows is not None:  # what was not looked at stays as it was
        rows.append((UNPLACED, 0, 0, unplaced))
    await connection.execute(_REMEMBER.format(schema=schema), *map(list, zip(*rows, strict=True)))
