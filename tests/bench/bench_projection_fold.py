"""Decoding, checking and folding alone, without Kafka and PostgreSQL, and what each stage costs."""

from __future__ import annotations

import statistics
import time
from typing import NamedTuple

from services.common.running import collect_rarely
from services.projections.copying import encode
from services.projections.events import ROW
from services.projections.fold import fold
from services.projections.intake import Intake, take_in
from services.projections.layout import layout_of
from services.projections.projections import PROJECTIONS
from services.projections.settings import OBJECTS_OF_BATCHES, ProjectionsSettings
from tests.bench.fetches import Fetch, fetches, heights
from tests.bench.figure import Figure
from tests.bench.world import WORKERS, World

DESCRIPTION: str = "Events decoded and folded, without PostgreSQL, and the CPU time of each stage"

EVENTS = 200_000
ROUNDS = 5
AIM = 180_000
_LAYOUTS = [layout_of(projection) for projection in PROJECTIONS]


class Spent(NamedTuple):
    """Seconds of one round: by the clock for decoding and folding, and of CPU by stage."""

    decode_and_fold: float
    decode: float
    fold: float
    encode: float


async def run(scale: float) -> list[Figure]:
    """Raises AssertionError when not every event came through."""
    world = World(max(1, round(WORKERS * scale)))
    found = fetches(world, ProjectionsSettings().batch_events, round(EVENTS * min(1, scale * 10)))
    events = sum(heights(found))
    collect_rarely(OBJECTS_OF_BATCHES)  # as a worker does
    rounds = [_round(found, events) for _ in range(ROUNDS)]
    middle = Spent(*(statistics.median(values) for values in zip(*rounds, strict=True)))
    scale_of = {"events": events, "workers": world.workers, "rounds": ROUNDS}
    rate = events / middle.decode_and_fold
    told = Figure(
        name="projection.decode_and_fold",
        value=rate,
        unit="events/s",
        aim=f">= {AIM:,}",
        met=rate >= AIM,
        scale=scale_of,
    )
    stages = {"decode": middle.decode, "fold": middle.fold, "encode": middle.encode}
    return [
        told,
        *(
            Figure(
                name=f"projection.{stage}_cpu",
                value=1e6 * spent / events,
                unit="us of CPU per event",
                scale=scale_of,
            )
            for stage, spent in stages.items()
        ),
    ]


def _round(found: list[Fetch], events: int) -> Spent:
    wall = time.perf_counter
    cpu = time.process_time
    spent = {"decode": 0.0, "fold": 0.0, "encode": 0.0}
    clock, seen = 0.0, 0
    for fetch in found:
        began, at = wall(), cpu()
        intake = take_in(fetch, frozenset())
        decoded = cpu()
        frames = [
            fold(layout, e.by_type)
            for e in intake.events
            for layout in _LAYOUTS
            if layout.projection.stream is e.stream
        ]
        folded = cpu()
        clock += wall() - began
        logs = [encode(e.log.drop(ROW)) for e in intake.events]
        logs += [encode(frame) for frame in frames if frame is not None]
        for stage, took in zip(
            spent, (decoded - at, folded - decoded, cpu() - folded), strict=True
        ):
            spent[stage] += took
        seen += _events(intake)
    if seen != events:
        raise AssertionError(f"{seen} of {events} events came through")
    return Spent(clock, spent["decode"], spent["fold"], spent["encode"])


def _events(intake: Intake) -> int:
    if intake.parked or intake.stopped:
        raise AssertionError(f"parked: {intake.parked[:1]}, stopped: {intake.stopped}")
    return sum(events.log.height for events in intake.events)
