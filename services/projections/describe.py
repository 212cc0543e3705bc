"""Writes `docs/read-model.md` from the declarations: `python -m services.projections.describe`.

With `--check` it writes nothing and exits with 1 when the page is stale.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from schemas.catalog import event_types
from services.projections.declaration import Count, Exists, Merge, Projection
from services.projections.layout import layout_of
from services.projections.projections import PROJECTIONS

PAGE = Path(__file__).parents[2] / "docs" / "read-model.md"

_INTRO = """# The read model

Generated from `services/projections/projections.py` by `python -m services.projections.describe`.

All tables are in the PostgreSQL schema `read`, written by `projections` alone. Each can be dropped
and rebuilt from the log, and comes out the same: the merges are commutative and associative, and an
event counts once however often it arrives. A null never replaces a value, except under `Current`.
Names ending in `_at` are instants in UTC. Columns marked *sealed* hold bytes that only the worker's
keys open. Columns named `…_order` belong to the engine: they say which event a value came from.

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

## Positions

`stream_position (topic, partition, next_offset, advanced_at)`: the tables hold every record before
`next_offset`. It moves in the transaction that writes the rows, and each move is told on the
channel `positions` as `topic:partition:next_offset`. Topics are named without their prefix.

`parked (topic, partition, log_offset, worker_id, reason, key, value, headers, parked_at)`: records
that could not be read, and later records of the same worker, which wait behind them in order.

## What leaves a story

`set_aside` has the rows of `story` that do not count, with `why`: `void` (the source, or the hub,
took the event back) or `moved` (the story goes on under another id). `void (worker_id, event_id,
source, void_event_id)` names the events that do not count, which may come later; `moved
(worker_id)` the ids that are no longer used. A worker from whose story something leaves is folded
again, in the transaction of the event that caused it; `RETRACTIONS` says which events do that.
"""


def page() -> str:
    return "\n".join([_INTRO, *(_section(projection) for projection in PROJECTIONS)])


def _section(projection: type[Projection]) -> str:
    layout = layout_of(projection)
    lines = [f"## `{layout.table}`", "", (projection.__doc__ or "").strip(), ""]
    lines += ["| column | type | is | of |", "|---|---|---|---|"]
    lines += [
        f"| `{name}` | {kind.sql} | key | {_key(projection, name)} |"
        for name, kind in layout.keys.items()
    ]
    lines += [
        f"| `{column.name}` | {column.type.sql}{_sealed(column.merge)} "
        f"| {type(column.merge).__name__} | {', '.join(_sources(column.merge))} |"
        for column in layout.columns
    ]
    return "\n".join([*lines, ""])


def _key(projection: type[Projection], name: str) -> str:
    field = projection.key_field(name, projection.events[0])
    return event_types()[field.event].fields[field.name].doc


def _sealed(merge: Merge) -> str:
    return ", *sealed*" if any(field.sealed for field in merge.fields) else ""


def _sources(merge: Merge) -> Iterator[str]:
    for field in merge.fields:
        name = field.event if isinstance(merge, Count | Exists) else str(field)
        if merge.where is not None and merge.where.field.event == field.event:
            yield f"`{name}` where `{merge.where.field.name}` is `{merge.where.value}`"
        else:
            yield f"`{name}`"


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
