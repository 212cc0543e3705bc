"""The SQL of the slow path: what left a story, and the rows of workers that are folded again."""

# ruff: noqa: S608

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import polars as pl

from services.common.postgres import Connection
from services.projections.copying import encode
from services.projections.retractions import ERASED, Erasure, Standing, StoredVoid, ids

# What is known of workers, beside what the log tables hold of them.
_KNOWN: Final = ("moved", "void", "erased")

_STORED = {
    "moved": "SELECT worker_id FROM {schema}.moved WHERE worker_id = ANY ($1)",
    "void": """
SELECT worker_id, event_id, source, void_event_id, why FROM {schema}.void
WHERE worker_id = ANY ($1)
""",
    "erased": """
SELECT worker_id, event_id, recorded_at, categories FROM {schema}.erased
WHERE worker_id = ANY ($1)
""",
}
_GONE = "SELECT worker_id FROM {schema}.erased WHERE worker_id = ANY ($1) AND categories = '{{}}'"
_REMEMBER = {
    "moved": "INSERT INTO {schema}.moved SELECT unnest($1::uuid[])",
    "void": """
INSERT INTO {schema}.void (worker_id, event_id, source, void_event_id, why)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[], $5::text[])
""",
    "erased": """
INSERT INTO {schema}.erased (worker_id, event_id, recorded_at, categories)
SELECT w, e, at, string_to_array(categories, ',')
FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::text[]) AS f (w, e, at, categories)
""",
}
_REMOVE = """
DELETE FROM {schema}.{table} AS t USING unnest($1::uuid[], $2::uuid[]) AS g (worker_id, event_id)
WHERE t.worker_id = g.worker_id AND t.event_id = g.event_id
"""
_SET_ASIDE = """
INSERT INTO {schema}.set_aside SELECT * FROM set_aside_now ON CONFLICT DO NOTHING
RETURNING topic, partition, log_offset
"""


STORY: Final = "story"  # where an event is kept that counts
Row = tuple[bytes, bytes, str, int, int, int, bytes]  # as SettledTables.COLUMNS
Key = tuple[bytes, bytes]  # worker and event


class SettledTables:
    """Reads and writes `moved`, `void`, `erased` and `set_aside`: one statement for each, for any
    number of workers.
    """

    COLUMNS = ("worker_id", "event_id", "topic", "partition", "log_offset", "schema_id", "payload")

    def __init__(
        self,
        connection: Connection,
        schema: str,
        tables: Sequence[str],
        copy: Callable[[str, Collection[str], bytes, str | None], Awaitable[None]],
    ) -> None:
        self._connection = connection
        self._schema = schema
        self._copy = copy
        self._take = _taking(schema, tables)

    def staging_ddl(self) -> str:
        # Emptied after use, and not at every commit, which took longer than all else of a commit.
        return f"CREATE TEMP TABLE IF NOT EXISTS set_aside_now (LIKE {self._schema}.set_aside);"

    async def marked(self) -> set[bytes]:
        """Everybody of whom something is known."""
        found = " UNION ".join(f"SELECT worker_id FROM {self._schema}.{t}" for t in _KNOWN)
        return {row["worker_id"].bytes for row in await self._connection.fetch(found)}

    async def stored(self, workers: Collection[bytes]) -> Standing:
        """What is known of these workers from before."""
        if not workers:
            return Standing()
        rows = {name: await self._fetch(sql, ids(workers)) for name, sql in _STORED.items()}
        return Standing(
            frozenset(worker for (worker,) in rows["moved"]),
            [StoredVoid(*row) for row in rows["void"]],
            [Erasure(w, e, at, frozenset(told)) for w, e, at, told in rows["erased"]],
        )

    async def gone(self, workers: Collection[bytes]) -> list[UUID]:
        """Those of these workers of whom everything is erased."""
        return [UUID(bytes=worker) for (worker,) in await self._fetch(_GONE, ids(workers))]

    async def take(self, workers: Sequence[UUID]) -> tuple[Sequence[Row], Mapping[Key, str]]:
        """Forget what is known and folded of these workers.

        Returns their events, and of each where it is kept: `STORY`, or why it is set aside.
        """
        found: Sequence[Any] = await self._connection.fetch(self._take, workers)
        return found, {(row[0], row[1]): row[7] for row in found}

    async def remember(self, standing: Standing) -> None:
        """Write down what is known now of workers that were taken out."""
        rows: dict[str, list[tuple[Any, ...]]] = {
            "moved": [(_id(worker),) for worker in sorted(standing.moved)],
            "void": [
                (_id(v.worker_id), _id(v.event_id), v.source, _id(v.void_event_id), v.why)
                for v in standing.voids
            ],
            "erased": [
                (_id(e.worker_id), _id(e.event_id), e.recorded_at, ",".join(sorted(e.categories)))
                for e in standing.erasures
            ],
        }
        for name, found in rows.items():
            if found:
                columns = map(list, zip(*found, strict=True))
                await self._connection.execute(self._sql(_REMEMBER[name]), *columns)

    async def put(self, log: pl.DataFrame, kept: Mapping[Key, str]) -> None:
        """Put the events of workers that were taken where they belong now.

        log: rows of the log with `why` they do not count, null when they do. kept: as `take` says.
        Only what changes its place is written.
        """
        names = zip(log.get_column("worker_id"), log.get_column("event_id"), strict=True)
        was = pl.Series("was", [kept.get(name) for name in names], pl.String)
        now = pl.col("why").fill_null(STORY)
        changed = log.with_columns(was).filter(pl.col("was").ne_missing(now))
        was_there = changed.filter(pl.col("was").is_not_null())
        for table, is_in in (
            ("story", pl.col("was") == STORY),
            ("set_aside", pl.col("was") != STORY),
        ):
            await self._remove(table, was_there.filter(is_in))
        told = changed.filter(pl.col("why").is_null()).drop("was", "why")
        aside = changed.filter(pl.col("why") != ERASED).drop("was")
        for table, rows in (("story", told), ("set_aside", aside)):
            if rows.height:
                await self._copy(table, rows.columns, encode(rows), self._schema)

    async def _remove(self, table: str, rows: pl.DataFrame) -> None:
        if rows.height:
            names = ids(rows.get_column("worker_id")), ids(rows.get_column("event_id"))
            await self._connection.execute(_REMOVE.format(schema=self._schema, table=table), *names)

    async def set_aside(self, rows: pl.DataFrame) -> set[tuple[str, int, int]]:
        """Set events aside. Returns the places on the log of those that were not there yet."""
        if rows.is_empty():
            return set()
        await self._copy("set_aside_now", rows.columns, encode(rows), None)
        added = await self._connection.fetch(self._sql(_SET_ASIDE))
        await self._connection.execute("TRUNCATE set_aside_now")
        return {(topic, partition, offset) for topic, partition, offset in added}

    async def _fetch(self, statement: str, workers: Sequence[UUID]) -> list[tuple[Any, ...]]:
        """Rows with ids as bytes."""
        found = await self._connection.fetch(self._sql(statement), workers)
        return [tuple(v.bytes if isinstance(v, UUID) else v for v in row) for row in found]

    def _sql(self, statement: str) -> str:
        return statement.format(schema=self._schema)


def _taking(schema: str, tables: Iterable[str]) -> str:
    """One statement that takes workers out of every table but the logs and returns their events."""
    emptied = ", ".join(
        f"in_{table} AS (DELETE FROM {schema}.{table} WHERE worker_id = ANY ($1))"
        for table in (*_KNOWN, *tables)
    )
    columns = "uuid_send(worker_id), uuid_send(event_id), " + ", ".join(SettledTables.COLUMNS[2:])
    return f"""
WITH {emptied}
SELECT {columns}, '{STORY}' FROM {schema}.story WHERE worker_id = ANY ($1)
UNION ALL SELECT {columns}, why FROM {schema}.set_aside WHERE worker_id = ANY ($1)
"""


def _id(value: bytes) -> UUID:
    return UUID(bytes=value)
