"""The declared views over one worker's rows: those of the tables, or those of another moment.

A view's own SQL runs over WITH queries that have the names of its tables, so there is one
definition of each view, nothing is created, and no more than one worker's rows are looked at.
"""

# ruff: noqa: S608

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import polars as pl

from services.common.postgres import Connection
from services.projections.as_of import layouts, tables
from services.projections.declaration import STORIES
from services.projections.events import Events
from services.projections.projections import VIEWS
from services.projections.types import BYTES, INSTANT, TEXT, ColumnType
from services.projections.types import UUID as ID
from services.projections.views import View

# What a view may look at of the log.
_STORY = {
    **dict.fromkeys(("worker_id", "event_id"), ID),
    **dict.fromkeys(("occurred_at", "recorded_at"), INSTANT),
    **dict.fromkeys(("event_type", "category", "source", "topic"), TEXT),
}

_VIEWS = {view.table: view for view in VIEWS}


class WorkerViews:
    """Asks views about one worker, on one connection. Sealed columns are left out."""

    def __init__(self, connection: Connection, at: datetime, schema: str = "read") -> None:
        """at: the moment for which a view says what is so."""
        self._connection = connection
        self._schema = schema
        self._at = at

    async def now(self, worker_id: UUID, view: type[View]) -> list[dict[str, Any]]:
        """The rows of a view over the tables."""

        def of_worker(table: str) -> str:
            return f"SELECT * FROM {self._schema}.{table} WHERE worker_id = $1::uuid"

        return await self._rows(view, of_worker, worker_id)

    async def over(self, events: Events | None, view: type[View]) -> list[dict[str, Any]]:
        """The rows of a view over the tables that these events of one worker make."""

        def folded(table: str) -> str:
            rows = f"$1::json -> '{table}'"
            return f"SELECT * FROM json_populate_recordset(NULL::{self._schema}.{table}, {rows})"

        return await self._rows(view, folded, await asyncio.to_thread(_as_json, events))

    async def _rows(
        self, view: type[View], source: Callable[[str], str], given: object
    ) -> list[dict[str, Any]]:
        rows = await self._connection.fetch(_statement(view, source), given, self._at)
        sealed = _sealed(view)
        return [{k: v for k, v in row.items() if k not in sealed} for row in rows]


def view_named(table: str) -> type[View]:
    """A view of the read model by its name. Raises KeyError."""
    return _VIEWS[table]


def feeding(view: type[View]) -> frozenset[str]:
    """The event types that a view's rows come from; not those that only mark them as disputed."""
    marks = set(_read_by(view_named("open_dispute"))) if view.table != "open_dispute" else set()
    tables_read = (one for one in _read_by(view) if one not in marks and not issubclass(one, View))
    return frozenset(event for one in tables_read for event in one.events)


def _statement(view: type[View], source: Callable[[str], str]) -> str:
    """Arguments: what `source` reads from, and the moment."""
    # Named, for a view that looks at no clock would leave the argument without a type.
    parts = {"asked": "SELECT $2::timestamptz"}
    parts[STORIES.log] = f"SELECT {', '.join(_STORY)} FROM ({source(STORIES.log)}) y"
    for one in _read_by(view):
        is_view = issubclass(one, View)
        parts[one.table] = one.query(None, "$2::timestamptz") if is_view else source(one.table)
    named = ",\n".join(f"{name} AS ({sql})" for name, sql in parts.items())
    return f"WITH {named}\nSELECT * FROM {view.table}"


def _read_by(view: type[View]) -> Iterator[Any]:
    """The tables and views that a view reads, those first that others read, and itself."""
    for one in view.of:
        if issubclass(one, View):
            yield from _read_by(one)
        else:
            yield one
    yield view


def _sealed(view: type[View]) -> set[str]:
    named = {one.table for one in _read_by(view)}
    mine = [layout for layout in layouts() if layout.table in named]
    return {column.name for one in mine for column in one.columns if column.type is BYTES}


def _as_json(events: Events | None) -> str:
    """The rows of every table, and of the log, as `json_populate_recordset` takes them."""
    found = tables(events)
    by_table = {
        layout.table: list(_records(found[layout.table], layout.types))
        for layout in layouts()
        if layout.table in found
    }
    if events is not None:
        by_table[STORIES.log] = list(_records(events.log, _STORY))
    return json.dumps(by_table)


def _records(frame: pl.DataFrame, types: Mapping[str, ColumnType]) -> Iterator[dict[str, Any]]:
    for row in frame.select(list(types)).iter_rows(named=True):
        yield {name: _plain(value, types[name]) for name, value in row.items()}


def _plain(value: Any, kind: ColumnType) -> Any:
    """As PostgreSQL reads the text of a value."""
    if isinstance(value, bytes):
        return str(UUID(bytes=value)) if kind is ID else f"\\x{value.hex()}"
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    return value
