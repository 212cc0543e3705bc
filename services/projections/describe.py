"""Writes `docs/read-model.md` from the declarations: `python -m services.projections.describe`.

With `--check` it writes nothing and exits with 1 when the page is stale.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from inspect import cleandoc
from pathlib import Path

from schemas.catalog import event_types
from services.projections.declaration import Count, Current, Exists, Merge, Projection
from services.projections.engine_tables import BOOKKEEPING, LOGS
from services.projections.layout import layout_of
from services.projections.projections import NO_TABLE, PROJECTIONS, VIEWS
from services.projections.views import View

_COLUMN = re.compile(
    r"(?:[(,]|^)\s*([a-z_]+) (?:uuid|text|bytea|jsonb|timestamptz|[a-z]*int|num)", re.M
)
PAGE = Path(__file__).parents[2] / "docs" / "read-model.md"

_INTRO = """# The read model

Generated from `services/projections/projections.py` by `python -m services.projections.describe`.

All tables are in the PostgreSQL schema `read`, written by `projections` alone. Each can be dropped
and rebuilt from the log, and comes out the same: the merges are commutative and associative, and an
event counts once however often it arrives. The latest event is the one that occurred last, then was
recorded last, then has the greater id; of organisations, the one with the highest version. An empty
value never replaces another, except where it says so. Names ending in `_at` are instants in UTC.
Columns marked *sealed* hold bytes that only the worker's keys open. Each column named `…_order`
belongs to the engine: it says which event a value came from.

## The log tables

`story` has a row per event about a person (topics `stories` and `deliveries`), `directory_event` a
row per event about an organisation. A repeated event is dropped here.

| column | type | holds |
|---|---|---|
| `worker_id`, or `organization_id` | uuid, or text | whom it is about; key with `event_id` |
| `event_id` | uuid | names the event |
| `occurred_at`, `recorded_at` | timestamptz | when it happened, and when the hub wrote it down |
| `topic`, `partition`, `log_offset` | text, integer, bigint | its position on the log |
| `event_type`, `category` | text | what happened, and the part of the record it belongs to |
| `source` | text | the organisation that says so |
| `schema_id`, `payload` | integer, bytea | the Avro datum and the schema that wrote it |

## The other tables of the engine

`stream_position` moves in the transaction that writes the rows, and each move is told on the
channel `positions` as `topic:partition:next_offset`. A worker from whose story something leaves is
folded again, in the transaction of the event that caused it; `RETRACTIONS` says which events do
that.

| table | columns | holds |
|---|---|---|
"""

_NO_TABLE = """## Events that feed no table

They are in `story` like all others.
"""

_VIEWS = """# Views

What is true now, and sums over rows that can be taken back one by one. A view takes no time when an
event comes, and reads one worker by index. `now()` becomes another moment where one is asked about.
`event_of(x.column)` is the id of the event that the value comes from, `events_of(x)` those of all
values of a row; both read the `…_order` columns. Views look with the rights of who asks.
"""

_RULES = {
    "Latest": "the latest of",
    "Current": "the latest of",
    "Earliest": "the earliest of",
    "Greatest": "the greatest of",
    "Least": "the least of",
    "Sum": "the sum of",
    "Union": "each value, once, of",
    "Count": "the number of",
    "Exists": "whether there was",
}
# What the fields of the envelope tell of an event, before the event's own words.
_ENVELOPE = {"occurred_at": "When", "source": "Who said it", "event_id": "Which event"}


def page() -> str:
    tables = [_section(projection) for projection in PROJECTIONS]
    views = [_view_section(view) for view in VIEWS]
    unread = [f"- `{name}`: {why}" for name, why in NO_TABLE.items()]
    engine = _INTRO + "\n".join(_engine_tables())
    return "\n".join([engine, "", _NO_TABLE, *unread, "", *tables, _VIEWS, *views])


def _engine_tables() -> Iterator[str]:
    """Rows for the tables that are not described above, from the SQL that makes them."""
    for part in (LOGS + BOOKKEEPING).split("CREATE TABLE IF NOT EXISTS ")[1:]:
        name = part.split(maxsplit=1)[0].removeprefix("{schema}.")
        definition, comment = part.split("COMMENT ON TABLE", maxsplit=1)
        if name in ("story", "directory_event"):
            continue
        columns = [f"`{column}`" for column in _COLUMN.findall(definition)]
        columns = ["those of `story`", *columns] if "LIKE" in definition else columns
        words = " ".join(comment.split("'")[1].split())
        yield f"| `{name}` | {', '.join(columns)} | {words} |"


def _section(projection: type[Projection]) -> str:
    layout = layout_of(projection)
    lines = [f"## `{layout.table}`", "", cleandoc(projection.__doc__ or ""), ""]
    lines += ["| column | type | holds | is |", "|---|---|---|---|"]
    lines += [
        f"| `{name}` | {kind.sql} | {_key(projection, name)} | key |"
        for name, kind in layout.keys.items()
    ]
    lines += [
        f"| `{column.name}` | {column.type.sql}{_sealed(column.merge)} "
        f"| {_meaning(column.merge)} | {_rule(column.merge)} |"
        for column in layout.columns
    ]
    if projection.indexes:
        names = ", ".join(f"`{', '.join(index)}`" for index in projection.indexes)
        lines += ["", f"Indexes beside the key: {names}."]
    return "\n".join([*lines, ""])


def _view_section(view: type[View]) -> str:
    lines = [f"## `{view.table}`", "", cleandoc(view.__doc__ or ""), ""]
    lines += ["```sql", view.sql.strip(), "```", ""]
    return "\n".join(lines)


def _key(projection: type[Projection], name: str) -> str:
    field = projection.key_field(name, projection.events[0])
    return event_types()[field.event].fields[field.name].doc


def _sealed(merge: Merge) -> str:
    return ", *sealed*" if any(field.sealed for field in merge.fields) else ""


def _meaning(merge: Merge) -> str:
    """The words of the schema for what a column holds."""
    field = merge.fields[0]
    event = event_types()[field.event]
    if isinstance(merge, Count | Exists):
        return event.doc
    if field.name in _ENVELOPE:
        return f"{_ENVELOPE[field.name]}: {event.doc}"
    return event.fields[field.name].doc


def _rule(merge: Merge) -> str:
    rule = f"{_RULES[type(merge).__name__]} {', '.join(_sources(merge))}"
    may_be_empty = isinstance(merge, Current) and any(field.nullable for field in merge.fields)
    return f"{rule}, also when it is empty" if may_be_empty else rule


def _sources(merge: Merge) -> Iterator[str]:
    for field in merge.fields:
        name = field.event if isinstance(merge, Count | Exists) else str(field)
        yield " ".join([f"`{name}`", *_conditions(merge, field.event)])


def _conditions(merge: Merge, event: str) -> Iterator[str]:
    for number, where in enumerate(merge.conditions(event)):
        values = " or ".join(f"`{value}`" for value in where.values)
        yield f"{'and' if number else 'where'} `{where.field.name}` is {values}"


def main() -> int:
    fresh = page()
    if "--check" in sys.argv:
        if PAGE.exists() and PAGE.read_text() == fresh:
            return 0
        sys.stderr.write(f"{PAGE.name} is stale: python -m services.projections.describe\n")
        return 1
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(fresh)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
