"""Fault runs: a short one always, the long one with `make faults`."""

from __future__ import annotations

import pytest

from tests.faults import thread


async def test_the_thread_survives_a_short_storm() -> None:
    report = await thread.run(seed=11, seconds=20)
    print(report.model_dump_json(indent=2))
    assert report.broken == {}
    assert sum(report.kills.values()) >= 3
    assert report.events >= 1_000


@pytest.mark.faults_long
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_the_thread_survives_three_minutes(seed: int) -> None:
    report = await thread.run(seed=seed)
    print(report.model_dump_json(indent=2))
    assert report.broken == {}
