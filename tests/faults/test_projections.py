"""Projection workers in a storm: short by default, as long as asked with `make faults`.

`PROJECTIONS_FAULTS_S` sets the seconds of the short one; `make storms` gives it 180.
"""

from __future__ import annotations

import asyncio
import os
import random
from contextlib import suppress
from dataclasses import replace
from itertools import islice

import pytest

from services.projections.comparing import Comparison, TableCompared
from tests.faults import projections
from tests.faults.cutting import Wire
from tests.faults.lives import stream
from tests.faults.load import Chains
from tests.faults.projections import _differing
from tests.faults.report import ProjectionsReport
from tests.faults.storm import ALWAYS, deal

_SECONDS = float(os.environ.get("PROJECTIONS_FAULTS_S") or 30)
_KINDS = 14


def check(report: ProjectionsReport) -> None:
    """Nothing is broken, and what could have been was there."""
    print(report.model_dump_json(indent=2))
    assert report.broken == {}
    assert set(ALWAYS) <= report.befell.keys()
    came = ("events", "repeats", "erased", "moved", "parted", "late_voids", "early_voids")
    looked_at = ("table_rows", "rows_compared")
    assert [name for name in (*came, *looked_at) if getattr(report, name) == 0] == []


@pytest.mark.timeout(900)
async def test_projections_survive_a_short_storm() -> None:
    report = await projections.run(seed=2, seconds=_SECONDS)
    check(report)
    assert report.records > 100 * _SECONDS


@pytest.mark.faults_long
async def test_projections_survive_three_million_events() -> None:
    report = await projections.run(seed=1, events=3_000_000)
    check(report)
    assert report.records >= 3_000_000
    assert len(report.befell) == _KINDS


def test_a_seed_deals_the_same_faults_and_those_first_that_always_come() -> None:
    def dealt(seed: int) -> list[tuple[str, str, float, float]]:
        faults = islice(deal(random.Random(seed), ["W0", "W1", "W2"]), 60)
        return [(f.kind, f.target, f.pause_s, f.rng.random()) for f in faults]

    assert dealt(5) == dealt(5)
    assert dealt(5) != dealt(6)
    kinds = [kind for kind, *_ in dealt(5)]
    assert set(kinds[: len(ALWAYS)]) == set(ALWAYS)
    assert len(set(kinds)) == _KINDS


def test_what_only_one_set_of_tables_has_or_was_not_compared_differs() -> None:
    alike = TableCompared("wage", 3)
    assert _differing(Comparison((alike,), (), ())) == {}
    found = Comparison((replace(alike, unlike=("x",)),), ("a",), ("b",), unsettled=2)
    assert _differing(found) == {
        "columns of wage": 1,
        "rows under way": 2,
        "no table a": 1,
        "no table b": 1,
    }


def test_a_seed_makes_the_same_lives() -> None:
    assert list(islice(stream(5), 2_000)) == list(islice(stream(5), 2_000))
    assert list(islice(stream(5), 20)) != list(islice(stream(6), 20))


def test_chains_differ_when_a_record_is_missing_doubled_or_out_of_place() -> None:
    def chained(*values: bytes) -> Chains:
        chains = Chains()
        for value in values:
            chains.add("stories", b"w", value)
        return chains

    sent = chained(b"1", b"2", b"3")
    assert sent.differing(chained(b"1", b"2", b"3")) == 0
    for values in ([b"1", b"2"], [b"1", b"2", b"2", b"3"], [b"2", b"1", b"3"]):
        assert sent.differing(chained(*values)) > 0


async def test_a_wire_passes_stalls_and_cuts() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    wire = Wire()
    wire.to_port = server.sockets[0].getsockname()[1]
    await wire.start()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", wire.port)
        writer.write(b"one")
        assert await reader.readexactly(3) == b"one"
        wire.stall()
        writer.write(b"two")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(3), 0.2)
        wire.mend()
        assert await reader.readexactly(3) == b"two"
        wire.cut()
        with pytest.raises(ConnectionResetError):
            await reader.read(3)
        again, _ = await asyncio.open_connection("127.0.0.1", wire.port)
        with suppress(ConnectionResetError):
            assert await again.read(3) == b""
    finally:
        await wire.stop()
        server.close()
