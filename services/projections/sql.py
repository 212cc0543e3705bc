"""The SQL that follows from a declaration: tables, staging tables, and the merge of a batch.

Every name in it comes from the declaration or from a checked setting, never from an event.
"""

# ruff: noqa: S608

from __future__ import annotations

import hashlib
import inspect
import re
from collections import Counter
from collections.abc import Collection, Mapping

from services.projections.declaration import DeclarationError, Projection, Stream
from services.projections.engine_tables import BOOKKEEPING, LOGS
from services.projections.layout import Column, Layout, layout_of
from services.projections.retractions import rules_of
from services.projections.views import View, views_of

# Room on each page for the next version of a row, so that an update touches no index.
FILL_FACTOR = 80


def schema_ddl(schema: str, projections: Collection[type[Projection]]) -> str:
    """All tables of the read model, and the views over them, in one idempotent script.

    Raises DeclarationError when two of them have the same name.
    """
    parts = [f"CREATE SCHEMA IF NOT EXISTS {schema};"]
    parts += [part.format(schema=schema) for part in (LOGS, BOOKKEEPING)]
    parts += [table_ddl(schema, layout_of(projection)) for projection in projections]
    parts += [view_ddl(schema, view) for view in views_of(projections)]
    script = "\n".join(parts)
    names = Counter(re.findall(rf"CREATE (?:TABLE IF NOT EXISTS|VIEW) {schema}\.([a-z_]+)", script))
    if twice := [name for name, times in names.items() if times > 1]:
        raise DeclarationError(f"{', '.join(twice)}: more than one table or view has this name")
    return script


MADE_FROM = "SELECT fingerprint FROM {schema}.declaration"
REMEMBER_DECLARATION = "INSERT INTO {schema}.declaration VALUES ($1) ON CONFLICT DO NOTHING"
DROP = "DROP SCHEMA IF EXISTS {schema} CASCADE"


def fingerprint(projections: Collection[type[Projection]]) -> str:
    """Changes when the tables and views of another declaration would hold something else.

    What takes events out of a story counts as well.
    """
    parts = []
    for layout in map(layout_of, projections):
        parts.append(f"{layout.table} {dict(layout.projection.key.fields)}")
        for column in layout.columns:
            declared = column.merge
            fields = ", ".join(map(str, declared.fields))
            kind = type(declared).__name__
            parts.append(f"{column.name} {column.type.sql} {kind} {fields} {declared.where}")
    parts += [" ".join(view.query("read").split()) for view in views_of(projections)]
    parts += map(str, rules_of(projections))
    # The engine's own tables, without what is said about them.
    parts.append(re.sub(r"COMMENT ON .*?;\n|--[^\n]*\n", "", LOGS + BOOKKEEPING, flags=re.DOTALL))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def view_ddl(schema: str, view: type[View]) -> str:
    """A view, made when it is not there. It looks with the rights of who asks, not of its owner."""
    name = f"{schema}.{view.table}"
    return (
        f"DO $view$ BEGIN IF to_regclass('{name}') IS NULL THEN\n"
        f"CREATE VIEW {name} WITH (security_invoker = true) AS\n{view.query(schema)};\n"
        f"COMMENT ON VIEW {name} IS '{_title(view)}';\n"
        "END IF; END $view$;"
    )


def _title(declared: type) -> str:
    return inspect.cleandoc(declared.__doc__ or "").replace("'", "''")


def table_ddl(schema: str, layout: Layout) -> str:
    """The table of one projection with its indexes."""
    columns = [f"{name} {kind.sql} NOT NULL" for name, kind in layout.keys.items()]
    columns += [_column_ddl(column) for column in layout.columns]
    columns += [f"{order} bytea" for order in sorted(layout.orders)]
    body = ",\n    ".join([*columns, f"PRIMARY KEY ({', '.join(layout.keys)})"])
    indexes = [
        f"CREATE INDEX IF NOT EXISTS {layout.table}_{'_'.join(index)}"
        f" ON {schema}.{layout.table} ({', '.join(index)});"
        for index in layout.projection.indexes
    ]
    return "\n".join(
        [
            f"CREATE TABLE IF NOT EXISTS {schema}.{layout.table} (",
            f"    {body}",
            f") WITH (fillfactor = {FILL_FACTOR});",
            f"COMMENT ON TABLE {schema}.{layout.table} IS '{_title(layout.projection)}';",
            *indexes,
        ]
    )


def _column_ddl(column: Column) -> str:
    default = f" NOT NULL DEFAULT {column.default}" if column.default is not None else ""
    return f"{column.name} {column.type.sql}{default}"


def staging_ddl(layout: Layout) -> str:
    """The session's own table that a batch is copied to before it is merged."""
    columns = ", ".join(f"{name} {kind.sql}" for name, kind in layout.types.items())
    return f"CREATE TEMP TABLE IF NOT EXISTS stage_{layout.table} ({columns});"


def merging_ddl(layout: Layout, schema: str) -> str:
    """The session's own function that merges the staged rows: its plans are made once.

    Many rows are read as they are and their table is emptied; few are taken out one by one, for
    emptying a table costs as much as merging a few.
    """
    stage = f"stage_{layout.table}"
    return f"""
CREATE OR REPLACE FUNCTION {_merging(layout)}(many boolean) RETURNS void LANGUAGE plpgsql AS $merge$
BEGIN
    IF many THEN
        {merge(layout, schema, stage)};
        TRUNCATE {stage};
    ELSE
        WITH staged AS (DELETE FROM {stage} RETURNING *)
        {merge(layout, schema, "staged")};
    END IF;
END $merge$;
"""


def call_merges(many: Mapping[Layout, bool]) -> str:
    """Merge what is staged for these tables, of each many rows or few."""
    return "SELECT " + ", ".join(f"{_merging(layout)}({told})" for layout, told in many.items())


def _merging(layout: Layout) -> str:
    return f"pg_temp.merge_{layout.table}"


def merge(layout: Layout, schema: str, staged: str) -> str:
    """Bring rows into the table: new ones are inserted, known ones combined.

    `MERGE`, and not `INSERT … ON CONFLICT`, which locks each known row before it changes it, and
    confirms each new one: a second record in the write-ahead log for either. Nobody else writes
    the rows of these owners meanwhile: their positions are locked.
    """
    names = ", ".join(layout.types)
    same_row = " AND ".join(f"t.{name} = s.{name}" for name in layout.keys)
    changes = [f"{column.name} = {_combined(column)}" for column in layout.columns]
    changes += [
        f"{order} = {_COMBINE[column.rule]}(t.{order}, s.{order})"
        for order, column in sorted(layout.orders.items())
    ]
    return (
        f"MERGE INTO {schema}.{layout.table} AS t USING {staged} AS s ON {same_row}\n"
        "WHEN MATCHED THEN UPDATE SET\n    " + ",\n    ".join(changes) + "\n"
        f"WHEN NOT MATCHED THEN INSERT ({names})\n"
        f"VALUES ({', '.join(f's.{name}' for name in layout.types)})"
    )


# PostgreSQL's GREATEST and LEAST leave nulls out.
_COMBINE = {"latest": "GREATEST", "earliest": "LEAST", "greatest": "GREATEST", "least": "LEAST"}
_BEATS = {"latest": ">", "earliest": "<"}


def _combined(column: Column) -> str:
    """The value that a stored (t) and a staged (s) value make together."""
    stored, staged = f"t.{column.name}", f"s.{column.name}"
    if column.order:
        known, new = f"t.{column.order}", f"s.{column.order}"
        newer = f"{known} IS NULL OR {new} {_BEATS[column.rule]} {known}"
        return f"CASE WHEN {newer} THEN {staged} ELSE {stored} END"
    if column.rule == "sum":
        return f"{stored} + {staged}"
    if column.rule == "exists":
        return f"{stored} OR {staged}"
    if column.rule == "union":
        both = f"unnest({stored} || {staged}) AS u (code)"
        union = f'ARRAY(SELECT DISTINCT code COLLATE "C" FROM {both} ORDER BY 1)'
        return f"CASE WHEN {staged} <@ {stored} THEN {stored} ELSE {union} END"
    return f"{_COMBINE[column.rule]}({stored}, {staged})"


def log_staging_ddl(stream: Stream, schema: str) -> str:
    """The session's own table that a batch with repeats is copied to before it is sifted."""
    return f"CREATE TEMP TABLE IF NOT EXISTS stage_{stream.log} (LIKE {schema}.{stream.log});"


def sift(stream: Stream, schema: str) -> str:
    """Move the staged events that the log does not hold yet into it, and return their positions."""
    return (
        f"WITH staged AS (DELETE FROM stage_{stream.log} RETURNING *)\n"
        f"INSERT INTO {schema}.{stream.log} SELECT * FROM staged\n"
        "ON CONFLICT DO NOTHING RETURNING topic, partition, log_offset"
    )


def empty_staging(table: str) -> str:
    """Give back the space of rows that have been merged."""
    return f"TRUNCATE stage_{table}"
