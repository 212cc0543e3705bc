"""Events of a batch in columns: picking some of them, and what they are worked with."""

from __future__ import annotations

import os
import subprocess
import sys

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from services.projections.declaration import STORIES
from services.projections.events import ROW, Events
from services.projections.intake import take_in
from tests.projection_kit import make, records

TYPES = ("EmploymentStarted", "ConsentGranted", "TrainingCompleted")


def told(which: list[int]) -> Events:
    events = [
        make(TYPES[kind], worker_id=bytes([n]) * 16, event_id=n.to_bytes(16, "big"))
        for n, kind in enumerate(which, start=1)
    ]
    [found] = take_in(records(events), frozenset()).events
    return found


@given(st.data(), st.lists(st.integers(0, 2), min_size=1, max_size=30))
def test_only_has_the_wanted_rows_and_no_others(data: st.DataObject, which: list[int]) -> None:
    every = told(which)
    wanted = data.draw(st.sets(st.integers(0, len(which) - 1)))
    rows = pl.Series(sorted(wanted), dtype=every.log.schema[ROW])
    some = every.only(rows)
    assert some.stream is STORIES
    assert some.log.equals(every.log.filter(pl.col(ROW).is_in(wanted)))
    expected = {n: f.filter(pl.col(ROW).is_in(wanted)) for n, f in every.by_type.items()}
    assert set(some.by_type) == {name for name, frame in expected.items() if frame.height}
    assert all(frame.equals(expected[name]) for name, frame in some.by_type.items())


def test_a_worker_has_one_thread_of_polars_unless_told_otherwise() -> None:
    asked = "import services.projections.__main__, polars; print(polars.thread_pool_size())"
    bare = {k: v for k, v in os.environ.items() if k != "POLARS_MAX_THREADS"}
    for more, found in (({}, "1"), ({"POLARS_MAX_THREADS": "2"}, "2")):
        done = subprocess.run(
            [sys.executable, "-c", asked],
            env=bare | more,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.stdout.strip() == found, done.stderr
