"""The projected tables: every story folded again by the engine, and compared with what they hold.

It goes by stretches of owners, so memory stays small; a stretch holds whole stories.
"""

# ruff: noqa: S608

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Final

import asyncpg

from services.common.codec import decode_columns, writer_of
from services.common.errors import DoesNotDecode, UnknownSchema
from services.common.postgres import Connection
from services.projections.batch import fold_events
from services.projections.comparing import Difference as RowDifference
from services.projections.comparing import buckets, different
from services.projections.comparing_tables import SharedTable
from services.projections.declaration import STORIES, STREAMS, Projection, Stream
from services.projections.events import Events, events_of
from services.projections.layout import Layout, layout_of
from services.projections.retractions import Retractions, rules_of, workers_to_settle
from services.projections.verify.differences import Difference, Findings, Wrong
from services.projections.verify.retracted import remembered, said_by, unlike
from services.projections.verify.table_side import COMMON, frame_of
from services.projections.verify.verdict import Told

STRETCH: Final = 20_000  # events, and the rest of the last owner's
_WORDS: Final = {
    "missing": "{table} holds a row that its events do not make",
    "extra": "{table} lacks a row that its events make",
    "different": "{table}: {columns} is not what its events make",
}


class Folding:
    """Compares tables with what the log tables make, in the caller's transaction."""

    def __init__(
        self,
        connection: Connection,
        schema: str,
        projections: Sequence[type[Projection]],
        told: Told,
    ) -> None:
        self._connection = connection
        self._schema = schema
        self._layouts = {
            stream: [layout_of(p) for p in projections if p.stream is stream] for stream in STREAMS
        }
        # The rules that are declared beside these tables; a set of tables without any has none.
        self._rules = next(iter(rules_of(projections)), None)
        self._told = told
        self.findings = Findings()
        self.rows = 0  # of the projected tables
        self.unreadable = 0  # events that do not decode, so that their owners were left out

    async def compare(self) -> None:
        """Fold everything, and compare every row of every table."""
        events = 0
        for stream, layouts in self._layouts.items():
            for layout in layouts:
                await self._connection.execute(
                    f"CREATE TEMP TABLE {layout.table}"
                    f" (LIKE {self._schema}.{layout.table} INCLUDING DEFAULTS) ON COMMIT DROP"
                )
            whole = SharedTable(stream.log, (stream.owner,), ())
            stretches = buckets(self._connection, self._schema, whole, STRETCH)
            async for condition, bounds in stretches:
                events += await self._stretch(stream, layouts, condition, bounds)
                self._told("events folded again", events, None)

    async def _stretch(
        self, stream: Stream, layouts: Sequence[Layout], condition: str, bounds: Sequence[object]
    ) -> int:
        rows = await self._rows(stream, stream.log, condition, bounds)
        try:
            events = _events(stream, rows) if rows else None
            folded = fold_events(events, layouts).tables if events is not None else ()
        except (DoesNotDecode, UnknownSchema):
            self.unreadable += len(rows)
            return len(rows)
        if stream is STORIES and self._rules is not None:
            await self._compare_remembered(self._rules, rows, events, condition, bounds)
        for layout, encoded in folded:
            await self._connection.copy_to_table(
                layout.table,
                source=io.BytesIO(encoded),
                columns=list(layout.types),
                format="binary",
            )
        for layout in layouts:
            await self._compare(layout, condition, bounds)
        emptied = ", ".join(f"pg_temp.{layout.table}" for layout in layouts)
        await self._connection.execute(f"TRUNCATE {emptied}")
        return len(rows)

    async def _rows(
        self, stream: Stream, table: str, condition: str, bounds: Sequence[object]
    ) -> Sequence[asyncpg.Record]:
        columns = ", ".join((stream.owner, *COMMON))
        query = f"SELECT {columns} FROM {self._schema}.{table}{condition}"
        rows: Sequence[asyncpg.Record] = await self._connection.fetch(query, *bounds)
        return rows

    async def _compare_remembered(
        self,
        rules: Retractions,
        rows: Sequence[asyncpg.Record],
        events: Events | None,
        condition: str,
        bounds: Sequence[object],
    ) -> None:
        """Compare what is remembered of what left these workers' stories.

        events: what `rows` hold. Only of workers of whom something left are they read once more.
        """
        aside = await self._rows(STORIES, "set_aside", condition, bounds)
        try:
            left = _events(STORIES, aside) if aside else None
            told = [workers_to_settle(one, rules) for one in (events, left) if one is not None]
            workers = set().union(*told)
            theirs = [row for row in (*rows, *aside) if row[STORIES.owner] in workers]
            said = said_by(_events(STORIES, theirs) if theirs else None, rules)
        except (DoesNotDecode, UnknownSchema):
            self.unreadable += len(aside)
            return
        here = await remembered(self._connection, self._schema, condition, bounds)
        for one in unlike(here, said):
            self.findings.add(one)

    async def _compare(self, layout: Layout, condition: str, bounds: Sequence[object]) -> None:
        keys = tuple(layout.keys)
        table = SharedTable(layout.table, keys, tuple(n for n in layout.types if n not in keys))
        count = f"SELECT count(*) FROM {self._schema}.{layout.table}{condition}"
        self.rows += await self._connection.fetchval(count, *bounds)
        found = await different(self._connection, self._schema, "pg_temp", table, condition, bounds)
        for one in found:
            self.findings.add(_difference(one))


def _difference(found: RowDifference) -> Difference:
    key = ", ".join(f"{name} {value}" for name, value in found.key.items())
    detail = _WORDS[found.how].format(table=found.table, columns=", ".join(found.columns))
    return Difference(f"{found.table} of {key}", Wrong.TABLE, detail)


def _events(stream: Stream, rows: Sequence[asyncpg.Record]) -> Events:
    """Rows of a log table as events. Raises DoesNotDecode, UnknownSchema."""
    decoded = []
    for part in frame_of(stream, rows).partition_by("schema_id", "topic"):
        schema_id = part.item(0, "schema_id")
        fields = decode_columns(schema_id, part.get_column("payload").to_list())
        beside = ("payload", "log_offset", "partition", "schema_id", "topic")
        decoded.append(
            (writer_of(schema_id), fields.with_columns(part.get_column(name) for name in beside))
        )
    return events_of(stream, decoded)
