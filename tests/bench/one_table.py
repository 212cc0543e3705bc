"""The projections worker with one table beside `story`: a row per worker, fed by every event.

`python -m tests.bench.one_table` runs it; its tables are in the schema `read`, as always.
"""

from __future__ import annotations

from typing import Any

from schemas import events
from services.common.running import run_worker
from services.projections.declaration import Count, Earliest, Key, Latest, Projection
from services.projections.settings import OBJECTS_OF_BATCHES, ProjectionsSettings
from services.projections.worker import ProjectionsWorker

_EVERY: list[Any] = [
    kind for kind in vars(events).values() if isinstance(kind, type) and hasattr(kind, "worker_id")
]


class Heard(Projection):
    """One row per person: when the first and the last event was, from whom, and how many."""

    key = Key("worker_id")
    first_at = Earliest(*(kind.occurred_at for kind in _EVERY))
    last_at = Latest(*(kind.occurred_at for kind in _EVERY))
    last_source = Latest(*(kind.source for kind in _EVERY))
    events_told = Count(*_EVERY)


if __name__ == "__main__":
    run_worker(
        "projections",
        lambda settings: ProjectionsWorker(settings, ProjectionsSettings(), (Heard,)),
        objects=OBJECTS_OF_BATCHES,
    )
