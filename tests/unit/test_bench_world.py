"""The world of the benchmarks is what it says: real events, each once, the same every time."""

from __future__ import annotations

from collections import Counter
from itertools import chain

import pytest

from services.common.codec import decode
from services.projections.declaration import STORIES
from services.projections.intake import take_in
from services.projections.projections import RETRACTIONS
from services.projections.retractions import standing_in
from tests.bench import bench_projection_fold, world
from tests.bench.fetches import fetches
from tests.bench.world import Sent, World


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> World:
    """Ninety lives, three stampings of thirty."""
    monkeypatch.setattr(world, "LIVES", 30)
    return World(90)


def every(found: World) -> list[Sent]:
    return list(chain.from_iterable(found.sent(chunk=700)))


def test_every_event_is_whole_and_comes_once(small: World) -> None:
    fetch = fetches(small, 10**6, 10**6)

    (intake,) = (take_in(found, frozenset()) for found in fetch)

    assert not intake.parked
    assert not intake.stopped
    assert sum(events.log.height for events in intake.events) == small.events
    stories = next(events for events in intake.events if events.stream is STORIES)
    assert stories.log.get_column("worker_id").n_unique() == small.workers == 90
    assert len(standing_in(stories, RETRACTIONS).voids) == small.voided


def test_a_world_is_the_same_every_time_and_in_order_of_time(
    small: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = every(small)

    assert [(s.topic, s.key, s.value) for s in told] == [
        (s.topic, s.key, s.value) for s in every(World(90))
    ]
    instants = [decode(s.value).fields["occurred_at"] for s in told if s.topic != "directory"]
    assert instants == sorted(instants)


def test_its_counts_are_of_what_is_not_voided(small: World) -> None:
    decoded = [decode(sent.value) for sent in every(small)]
    void = {d.fields["voided_event_id"] for d in decoded if d.name == "RecordVoided"}

    counted = Counter(d.name for d in decoded if d.fields["event_id"] not in void)

    assert counted == small.counts


async def test_the_fold_is_measured_over_every_event() -> None:
    figures = await bench_projection_fold.run(0.0005)

    assert figures[0].scale["events"] > 500
    assert all(figure.value > 0 for figure in figures)
