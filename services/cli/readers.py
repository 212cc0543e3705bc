"""Writes `schemas/readers.json`: which tables, services and connectors read which event.

`python -m services.cli.readers`, a part of `make events`; with `--check` it writes nothing and
exits with 1 when the file is stale. It stands here because this package alone may import them all.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from typing import Any

import connectors
from schemas.catalog import EventType, event_types
from schemas.readers import FILE
from services.common.consent import NEVER_SHARED
from services.feeds.days import SERVICES
from services.projections.declaration import Count, Exists, Projection
from services.projections.projections import PROJECTIONS
from services.promises.facts import READ


def page() -> str:
    """The file as it must be."""
    columns: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    rows: dict[str, set[str]] = defaultdict(set)
    for projection in PROJECTIONS:
        _add_keys(projection, columns)
        for name, merge in projection.columns.items():
            place = f"{projection.table}.{name}"
            for field in merge.fields:
                if isinstance(merge, Count | Exists):
                    rows[field.event].add(place)
                else:
                    columns[field.event][field.name].add(place)
    made = {
        name: {
            "columns": {field: sorted(places) for field, places in sorted(columns[name].items())},
            "rows": sorted(rows[name]),
            "services": _services(one),
            "connectors": _connectors(one),
        }
        for name, one in event_types().items()
    }
    return json.dumps(made, indent=1) + "\n"


def _add_keys(projection: type[Projection], columns: Any) -> None:
    for event in projection.events:
        for name in projection.key.fields:
            field = projection.key_field(name, event)
            columns[field.event][field.name].add(f"{projection.table}.{name}")


def _services(one: EventType) -> list[str]:
    """Projections keep every event, and feeds take days of service from what they keep; delivery
    matches every one about a person with grants.
    """
    found = {"projections": True}
    found["feeds"] = one.name in SERVICES
    found["promises"] = one.name in READ
    found["delivery"] = one.topic == "stories" or one.name == "ConnectionConfigured"
    return sorted(name for name, reads in found.items() if reads)


def _connectors(one: EventType) -> list[str]:
    """The connectors that act on it where the worker shares it."""
    if one.topic != "stories" or one.category in NEVER_SHARED:
        return []
    found = []
    for name in connectors.names():
        connector = connectors.load(name)
        if connector is not None and (connector.reads is None or one.name in connector.reads):
            found.append(name)
    return found


def main() -> int:
    fresh = page()
    if "--check" in sys.argv:
        if FILE.exists() and FILE.read_text() == fresh:
            return 0
        sys.stderr.write(f"{FILE.name} is stale: run `make events`\n")
        return 1
    FILE.write_text(fresh)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
