"""What leaves a story: voids, voids of voids, and stories that moved, in any order and split."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import settings as example_settings
from hypothesis import strategies as st

from services.common.emit import HUB
from services.common.settings import Settings
from services.common.staying import STAYING
from services.projections.projections import PROJECTIONS, RETRACTIONS
from services.projections.store import ReadModelStore, open_store
from tests.integration.test_projections_store import (
    DECLARED,
    batch_of,
    empty,
    own_settings,
    records,
    split,
    tables,
)
from tests.projection_kit import NOON, Event, make, reference

__all__ = ["own_settings"]  # a fixture of the other module
_WORKERS = [bytes([n]) * 16 for n in (1, 2)]
_IDS = [bytes([n]) * 16 for n in range(10, 22)]
_SOURCES = ["acme", "river-college", HUB]


@st.composite
def _events(draw: st.DrawFn) -> list[Event]:
    """A few sessions, voids that hit them or each other, and moves; ids differ within a worker."""
    found: list[Event] = []
    for worker in _WORKERS:
        for event_id in draw(st.lists(st.sampled_from(_IDS), unique=True, max_size=8)):
            found.append(_event(draw, worker, event_id))
    return found


def _event(draw: st.DrawFn, worker: bytes, event_id: bytes) -> Event:
    about = {
        "worker_id": worker,
        "event_id": event_id,
        "source": draw(st.sampled_from(_SOURCES)),
        "recorded_at": NOON.replace(minute=draw(st.integers(0, 3))),
    }
    target = draw(st.sampled_from(_IDS))
    kinds = [
        make("TrainingProgressed", **about, enrolment_id="e"),
        make("TrainingProgressed", **about, enrolment_id="f"),
        make("RecordVoided", **about, voided_event_id=target),
        make("RecordCorrected", **about, corrected_event_id=target),
        make("ConsentGranted", **about, grant_id=event_id),
        make(
            "WorkersMerged",
            **about,
            merge_id=event_id,
            from_worker_id=draw(st.sampled_from(_WORKERS)),
            into_worker_id=b"z" * 16,
        ),
    ]
    return draw(st.sampled_from(kinds))


def _kept(data: Sequence[Event]) -> list[Event]:
    """The events that count, said in the plainest way: one worker, one rule after the other."""
    kept = []
    for name, fields in data:
        mine = [e for e in data if e[1]["worker_id"] == fields["worker_id"]]
        moved = any(n == "WorkersMerged" and f["from_worker_id"] == f["worker_id"] for n, f in mine)
        if moved and name not in STAYING:
            continue
        if not _is_void(fields, mine):
            kept.append((name, fields))
    return kept


def _is_void(fields: Any, mine: Sequence[Event], *, later: bool = False) -> bool:
    """Whether a void that is not void itself names it; of voids only later ones do."""
    for name, by in mine:
        target = by.get("voided_event_id") or by.get("corrected_event_id")
        if name not in ("RecordVoided", "RecordCorrected") or target != fields["event_id"]:
            continue
        if by["source"] not in (fields["source"], HUB):
            continue
        order = [(f["recorded_at"], f["event_id"]) for f in (by, fields)]
        if later and order[0] <= order[1]:
            continue
        if not _is_void(by, mine, later=True):
            return True
    return False


def test_what_is_void_or_moved_counts_for_nothing_in_any_order(own_settings: Settings) -> None:
    async def check(
        store: ReadModelStore, data: list[Event], again: list[int], cuts: list[int]
    ) -> None:
        await empty(store)
        await store._connection.execute("TRUNCATE read.set_aside, read.void, read.moved")
        offsets: dict[str, int] = {}
        sent = data + [data[n % len(data)] for n in again if data]
        for part in split(sent, cuts):
            await store.apply(await batch_of(store, records(part, offsets)))
        kept = _kept(data)
        assert await tables(store) == reference(kept, DECLARED)
        for table, wanted in (
            ("story", kept),
            ("set_aside", [e for e in data if e not in kept]),
        ):
            rows = await store._connection.fetch(f"SELECT worker_id, event_id FROM read.{table}")
            assert {(r["worker_id"].bytes, r["event_id"].bytes) for r in rows} == {
                (f["worker_id"], f["event_id"]) for _, f in wanted
            }

    with asyncio.Runner() as runner:
        opened = open_store(own_settings, "read", DECLARED, RETRACTIONS)
        store = runner.run(opened.__aenter__())

        @example_settings(max_examples=30, deadline=None)
        @given(
            data=_events().flatmap(st.permutations),
            again=st.lists(st.integers(0, 20), max_size=3),
            cuts=st.lists(st.integers(0, 20), max_size=4),
        )
        def run(data: list[Event], again: list[int], cuts: list[int]) -> None:
            runner.run(check(store, data, again, cuts))

        run()
        runner.run(opened.__aexit__(None, None, None))


def test_every_type_that_takes_something_away_is_declared() -> None:
    assert RETRACTIONS.types == {"RecordVoided", "RecordCorrected", "WorkersMerged"}
    assert PROJECTIONS
