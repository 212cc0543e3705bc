"""Who reads which event, as `readers.json` has it: made by `make events` from the readers' code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from schemas.catalog import ROOT

FILE = ROOT / "readers.json"


@dataclass(frozen=True, slots=True)
class Readers:
    """What becomes of one event type inside the hub, and on its way out."""

    columns: Mapping[str, tuple[str, ...]]  # field -> columns of the read model, as table.column
    rows: tuple[str, ...]  # columns that count the event, or say that it is there
    services: tuple[str, ...]
    connectors: tuple[str, ...]

    @property
    def tables(self) -> tuple[str, ...]:
        named = [*self.rows, *(name for names in self.columns.values() for name in names)]
        return tuple(sorted({name.partition(".")[0] for name in named}))


@cache
def readers() -> Mapping[str, Readers]:
    """The readers of every event type that has any, by its name."""
    return {
        name: Readers(
            {field: tuple(columns) for field, columns in found["columns"].items()},
            *(tuple(found[part]) for part in ("rows", "services", "connectors")),
        )
        for name, found in json.loads(FILE.read_text()).items()
    }
