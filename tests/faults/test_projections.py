"""Projection workers in a storm: short by default, as long as asked with `make faults`.

`PROJECTIONS_FAULTS_S` sets the seconds of the short one; 180 where `CI` is set.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from itertools import islice

import pytest

from tests.faults import projections
from tests.faults.cutting import Wire
from tests.faults.lives import stream
from tests.faults.load import Chains

_SECONDS = float(os.environ.get("PROJECTIONS_FAULTS_S") or (180 if os.environ.get("CI") else 45))


@pytest.mark.timeout(900)
async def test_projections_survive_a_short_storm() -> None:
    report = await projections.run(seed=2, seconds=_SECONDS)
    print(report.model_dump_json(indent=2))
    assert report.broken == {}
    assert report.records > 100 * _SECONDS
    assert len(report.befell) >= 8


@pytest.mark.faults_long
async def test_projections_survive_three_million_events() -> None:
    report = await projections.run(seed=1, events=3_000_000)
    print(report.model_dump_json(indent=2))
    assert report.broken == {}


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
