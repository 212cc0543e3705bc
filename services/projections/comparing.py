"""Compares two sets of tables: every table that both have, row by row, set by set.

The tables may move meanwhile, each at its own position. What differs at a first look is looked at
again once both have passed what either had then; what differs only because one is ahead is gone
by that time. A difference that stays is one.
"""

# ruff: noqa: S608

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Final, Literal, TypeAlias

import asyncpg

from services.common.errors import RetryableError
from services.common.postgres import Connection, Pool
from services.projections.comparing_tables import SharedTable, shared_tables

BUCKET_ROWS: Final = 50_000
MOST_DIFFERENCES: Final = 1_000  # of one table; then it is not read to its end
_LOOKS: Final = 6
_CATCH_UP_S: Final = 30.0

How: TypeAlias = Literal["missing", "extra", "different"]
Positions: TypeAlias = Mapping[tuple[str, int], int]

_POSITIONS = "SELECT topic, partition, next_offset FROM {schema}.stream_position"
# Of these owners, those of whom one set of tables holds something that the other has not passed.
_UNDER_WAY = """
WITH least AS (
    SELECT topic, partition, least(coalesce(l.next_offset, 0), coalesce(r.next_offset, 0)) AS at
    FROM {left}.stream_position l FULL JOIN {right}.stream_position r USING (topic, partition)
)
SELECT DISTINCT s.{owner}::text FROM (
    {logs}
) s JOIN least USING (topic, partition) WHERE s.log_offset >= least.at
"""
_LOG = "SELECT {owner}, topic, partition, log_offset FROM {log} WHERE {owner} = ANY ($1)"
_LOGS_OF: Final = {"worker_id": ("story", "set_aside"), "organization_id": ("directory_event",)}


class NotAlike(RetryableError):
    """One set of tables does not get to where the other was: nothing can be said."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A row that only one side has (`missing` on the right, `extra` there), or that differs."""

    table: str
    key: Mapping[str, str]
    how: How
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TableCompared:
    """One table. `differences` are the first ones; `more` when it was not read to its end."""

    table: str
    rows: int  # on the left
    differences: tuple[Difference, ...] = ()
    more: bool = False
    unlike: tuple[str, ...] = ()  # columns that only one side has, or with another type


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both sides. `unsettled` counts rows that changed at every look, and could not be compared."""

    tables: tuple[TableCompared, ...]
    only_left: tuple[str, ...]
    only_right: tuple[str, ...]
    unsettled: int = 0
    took_s: float = 0.0

    @property
    def equal(self) -> bool:
        return not any(one.differences for one in self.tables)

    @property
    def rows(self) -> int:
        return sum(one.rows for one in self.tables)

    def as_dict(self, most: int = 20) -> dict[str, object]:
        """For JSON: of each table at most `most` differences, and how many there are."""
        tables = [
            asdict(replace(one, differences=one.differences[:most]))
            | {"different": len(one.differences)}
            for one in self.tables
        ]
        return asdict(self) | {"tables": tables, "equal": self.equal, "rows": self.rows}


async def compare(
    pool: Pool,
    left: str,
    right: str,
    *,
    bucket_rows: int = BUCKET_ROWS,
    told: Callable[[str], Awaitable[None]] | None = None,
) -> Comparison:
    """Compare the tables of two schemas that are written from the same log.

    told: called with the name of each table that is begun. Raises NotAlike, PostgresError.
    """
    began = time.monotonic()
    tables, only_left, only_right = await shared_tables(pool, left, right)
    compared = []
    for table in tables:
        if told is not None:
            await told(table.name)
        compared.append(await _whole(pool, left, right, table, bucket_rows))
    by_name = {table.name: table for table in tables}
    settled, unsettled = await _settle(pool, left, right, by_name, compared)
    return Comparison(
        tuple(settled), only_left, only_right, unsettled, round(time.monotonic() - began, 2)
    )


async def _whole(pool: Pool, left: str, right: str, table: SharedTable, size: int) -> TableCompared:
    """A first look at all of a table, in buckets of owners."""
    if not table.keys:
        return TableCompared(table.name, 0, unlike=table.unlike)
    rows, found = 0, list[Difference]()
    async for condition, bounds in buckets(pool, left, table, size):
        count = f"SELECT count(*) FROM {left}.{table.name}{condition}"
        rows += await pool.fetchval(count, *bounds)
        found += await different(pool, left, right, table, condition, bounds)
        if len(found) > MOST_DIFFERENCES:
            return TableCompared(table.name, rows, tuple(found), True, table.unlike)
    return TableCompared(table.name, rows, tuple(found), False, table.unlike)


async def buckets(
    pool: Pool | Connection, schema: str, table: SharedTable, size: int
) -> AsyncIterator[tuple[str, Sequence[object]]]:
    """Conditions on the owner that together cover every row once, each about `size` rows."""
    owner, after = table.owner, None
    while True:
        start = f" WHERE {owner} > $1" if after is not None else ""
        bounds: list[object] = [after] if after is not None else []
        upto = await pool.fetchval(
            f"SELECT {owner} FROM {schema}.{table.name}{start}"
            f" ORDER BY {owner} OFFSET {size} LIMIT 1",
            *bounds,
        )
        if upto is None:
            yield start, bounds
            return
        end = f"{owner} <= ${len(bounds) + 1}"
        yield f"{start} AND {end}" if start else f" WHERE {end}", [*bounds, upto]
        after = upto


async def different(
    pool: Pool | Connection,
    left: str,
    right: str,
    table: SharedTable,
    condition: str,
    bounds: Sequence[object],
) -> list[Difference]:
    """The rows under the condition that are not the same on both sides, at one moment."""
    keys = ", ".join(table.keys)
    columns = ", ".join((*table.keys, *table.values))
    sides = [
        f"SELECT true AS is_here, {columns} FROM {s}.{table.name}{condition}" for s in (left, right)
    ]
    pairs = [f"{side}.{column}" for column in ("is_here", *table.values) for side in "lr"]
    changed = "".join(
        f", CASE WHEN l.{column} IS DISTINCT FROM r.{column} THEN '{column}' END"
        for column in table.values
    )
    query = (
        f"SELECT ARRAY[{', '.join(f'{key}::text' for key in table.keys)}] AS key,"
        f" l.is_here AS on_left, r.is_here AS on_right,"
        f" array_remove(ARRAY[NULL::text{changed}], NULL) AS columns\n"
        f"FROM ({sides[0]}) l FULL JOIN ({sides[1]}) r USING ({keys})\n"
        f"WHERE ROW({', '.join(pairs[::2])}) IS DISTINCT FROM ROW({', '.join(pairs[1::2])})\n"
        f"ORDER BY 1 LIMIT {MOST_DIFFERENCES + 1}"
    )
    return [_difference(table, row) for row in await pool.fetch(query, *bounds, timeout=3600)]


def _difference(table: SharedTable, row: asyncpg.Record) -> Difference:
    how: How = "different"
    if not (row["on_left"] and row["on_right"]):
        how = "missing" if row["on_left"] else "extra"
    columns = tuple(row["columns"]) if how == "different" else ()
    return Difference(table.name, dict(zip(table.keys, row["key"], strict=True)), how, columns)


async def _settle(
    pool: Pool,
    left: str,
    right: str,
    tables: Mapping[str, SharedTable],
    compared: Sequence[TableCompared],
) -> tuple[list[TableCompared], int]:
    """Look again at what differed, until it stays; also how many rows never came to rest."""
    found, seen, busy = list(compared), 0, set[tuple[str, str]]()
    while any(one.differences for one in found) and seen < _LOOKS:
        seen += 1
        await _both_pass(pool, left, right)
        for at, one in enumerate(found):
            if one.differences:
                again = await _again(pool, left, right, tables[one.table], one.differences)
                found[at] = replace(one, differences=tuple(again), more=one.more and bool(again))
        busy = await _under_way(pool, left, right, tables, found)
        if not busy and seen > 1:
            break
    rest = [
        replace(one, differences=tuple(d for d in one.differences if _owner_of(d) not in busy))
        for one in found
    ]
    return rest, sum(len(one.differences) for one in found) - sum(len(r.differences) for r in rest)


def _owner_of(difference: Difference) -> tuple[str, str]:
    return next(iter(difference.key.items()))


async def _again(
    pool: Pool, left: str, right: str, table: SharedTable, found: Sequence[Difference]
) -> list[Difference]:
    owners = sorted({_owner_of(one)[1] for one in found})
    condition = f" WHERE {table.owner} = ANY ($1)"
    return await different(pool, left, right, table, condition, [owners])


async def _under_way(
    pool: Pool,
    left: str,
    right: str,
    tables: Mapping[str, SharedTable],
    compared: Sequence[TableCompared],
) -> set[tuple[str, str]]:
    """Owners among the differences with events that one side has passed and the other not."""
    named: dict[str, set[str]] = {}
    for owner, name in (_owner_of(d) for one in compared for d in one.differences):
        named.setdefault(owner, set()).add(name)
    found: set[tuple[str, str]] = set()
    for owner, names in named.items():
        logs = [f"{side}.{log}" for side in (left, right) for log in _LOGS_OF.get(owner, ())]
        if not logs:
            continue
        union = "\n    UNION ALL ".join(_LOG.format(owner=owner, log=log) for log in logs)
        query = _UNDER_WAY.format(left=left, right=right, owner=owner, logs=union)
        found |= {(owner, row[0]) for row in await pool.fetch(query, sorted(names))}
    return found


async def _both_pass(pool: Pool, left: str, right: str) -> None:
    """Wait until each side has passed where both are now. Raises NotAlike when one does not."""
    sides = [await _positions(pool, schema) for schema in (left, right)]
    goal = {
        place: max(s.get(place, 0) for s in sides) for place in sides[0].keys() | sides[1].keys()
    }
    deadline = time.monotonic() + _CATCH_UP_S
    for schema in (left, right):
        while left_over := _short_of(goal, await _positions(pool, schema)):
            if time.monotonic() > deadline:
                raise NotAlike(f"{schema} is {left_over:,} records short of where the other was")
            await asyncio.sleep(0.05)


def _short_of(goal: Positions, at: Positions) -> int:
    return sum(max(0, end - at.get(place, 0)) for place, end in goal.items())


async def _positions(pool: Pool, schema: str) -> Positions:
    rows = await pool.fetch(_POSITIONS.format(schema=schema))
    return {(row["topic"], row["partition"]): row["next_offset"] for row in rows}
