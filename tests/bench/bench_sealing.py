"""What sealing costs: the same event with no, one, two and three sealed fields, over real HTTP.

The third is the sender's own number for the person, so it has that looked up, too. And events with
none while others come with three: sealing must not slow what is not sealed more than the same
number of such events does.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from services.common.setup import initialise
from tests.bench.bench_ingest import BATCH, BATCHES_AT_ONCE, WORKERS, Sender, _sender
from tests.bench.figure import Figure
from tests.bench.servers import hub, servers

DESCRIPTION: str = "What sealing fields costs ingest: none, one, two and three of an event"

ROUNDS = 3
EVENTS = 30_000  # a round
_WORDS = "Sets up the lathe without help"
_CONTESTANTS = ("none", "one", "two", "three")
_BESIDE_SEALED, _BESIDE_NONE = "none_beside_three", "none_beside_none"
_LEAST = 0.8  # of the rate beside unsealed events


@dataclass(frozen=True, slots=True)
class Measured:
    rate: float  # accepted events per second
    per_core: float  # accepted events per second of the service's CPU time


class Attestations:
    """Posts batches of `SkillAttested`, numbered, with some of its sealed fields filled in."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._number = 0

    def _event(self, sealed: int) -> dict[str, Any]:
        self._number += 1
        who = self._number % WORKERS
        filled = {"words": _WORDS, "evidence": _WORDS, "source_record_id": f"r-{who}"}
        return {
            "type": "SkillAttested",
            "source_event_id": f"s-{self._number}",
            "worker_id": self._sender._workers[who],
            "occurred_at": "2026-01-05T09:00:00Z",
            "attestation_id": f"a-{self._number}",
            "skill_id": "onet:2.B.1",
            "level": "CAN_DO",
            "attested_by": "MENTOR",
            **dict(list(filled.items())[:sealed]),
        }

    async def round(self, sealed: int, events: int) -> Measured:
        """Raises AssertionError unless every event is accepted."""
        made = [self._event(sealed) for _ in range(events)]
        bodies = iter(
            [orjson.dumps({"events": made[n : n + BATCH]}) for n in range(0, events, BATCH)]
        )
        used_s, began = self._sender._cpu_s(), time.perf_counter()
        await asyncio.gather(*(self._post(bodies) for _ in range(BATCHES_AT_ONCE)))
        taken_s = time.perf_counter() - began
        return Measured(events / taken_s, events / (self._sender._cpu_s() - used_s))

    async def beside(self, others: int, events: int) -> float:
        """Events per second of events without sealed fields, while as many of others come."""
        other = asyncio.create_task(self.round(others, events))
        mine = await self.round(0, events)
        await other
        return mine.rate

    async def _post(self, bodies: Iterator[bytes]) -> None:
        for body in bodies:
            async with self._sender._http.post("/v1/events", data=body) as answer:
                results = orjson.loads(await answer.read())["results"]
            assert {result["status"] for result in results} == {"accepted"}, results[:3]


async def run(scale: float) -> list[Figure]:
    """Needs nothing running: starts its own servers unless the environment names some.

    Raises AssertionError when an event is refused.
    """
    events = max(BATCH * BATCHES_AT_ONCE, int(EVENTS * scale) // BATCH * BATCH)
    found: dict[str, list[Measured]] = {name: [] for name in _CONTESTANTS}
    beside: dict[str, list[float]] = {_BESIDE_SEALED: [], _BESIDE_NONE: []}
    with servers() as (bootstrap, database_url), tempfile.TemporaryDirectory() as folder:
        async with hub(bootstrap, database_url) as made:
            settings = made.model_copy(update={"vault_dir": Path(folder) / "vault"})
            await initialise(settings)
            async with _sender(settings, Path(folder)) as sender:
                attestations = Attestations(sender)
                for sealed in range(len(_CONTESTANTS)):  # not counted: keys made, code warm
                    await attestations.round(sealed, BATCH * BATCHES_AT_ONCE)
                for _ in range(ROUNDS):
                    for sealed, name in enumerate(_CONTESTANTS):
                        found[name].append(await attestations.round(sealed, events))
                    for others, name in ((0, _BESIDE_NONE), (3, _BESIDE_SEALED)):
                        beside[name].append(await attestations.beside(others, events))
    scale_of = {"events": events, "rounds": ROUNDS, "batch": BATCH}
    return [*_figures(found, scale_of), *_beside(beside, scale_of)]


def _beside(found: dict[str, list[float]], scale: dict[str, Any]) -> list[Figure]:
    plain, sealed = (statistics.median(found[name]) for name in (_BESIDE_NONE, _BESIDE_SEALED))
    return [
        Figure(name=f"sealing.{_BESIDE_NONE}", value=plain, unit="events/s", scale=scale),
        Figure(
            name=f"sealing.{_BESIDE_SEALED}",
            value=sealed,
            unit="events/s",
            against=f"sealing.{_BESIDE_NONE}",
            ratio=sealed / plain,
            aim=f">= {_LEAST:g} x",
            met=sealed >= _LEAST * plain,
            scale=scale,
        ),
    ]


def _figures(found: dict[str, list[Measured]], scale: dict[str, Any]) -> list[Figure]:
    figures = []
    for unit, of in (("events/s", "rate"), ("events/s per core", "per_core")):
        medians = {n: statistics.median(getattr(m, of) for m in ms) for n, ms in found.items()}
        prefix = "sealing" if of == "rate" else "sealing.per_core"
        for name, value in medians.items():
            against = None if name == "none" else f"{prefix}.none"
            ratio = None if against is None else value / medians["none"]
            figures.append(
                Figure(
                    name=f"{prefix}.{name}",
                    value=value,
                    unit=unit,
                    against=against,
                    ratio=ratio,
                    scale=scale,
                )
            )
    return figures
