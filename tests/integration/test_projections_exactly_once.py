"""Exactly once: the same batch twice, and processes that wake up without their partitions."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from services.common.settings import Settings
from services.projections.projections import RETRACTIONS
from services.projections.store import StalePosition, open_store
from tests.integration.test_projections_store import DECLARED
from tests.projection_kit import Event
from tests.projection_world import (
    ANA,
    BEN,
    LIVE,
    Process,
    World,
    contents,
    erasure,
    number,
    of_ana,
    prepared,
    session,
    two_read_models,
    world,
)

__all__ = ["two_read_models", "world"]  # fixtures of the other module

LIFE = [
    session(ANA, 1),
    session(BEN, 1),
    of_ana("RecordVoided", 2, voided_event_id=number(1)),
    session(ANA, 3, supersedes=number(1)),
    session(ANA, 4),
]


async def test_the_same_batch_twice_changes_nothing(world: World) -> None:
    world.publish(*LIFE)
    batch = await prepared(world.process)
    await world.store.apply(batch)
    once = await contents(world.store, LIVE)
    with pytest.raises(StalePosition):
        await world.store.apply(batch)
    assert await contents(world.store, LIVE) == once


@pytest.mark.parametrize("taken", [[LIFE[0]], LIFE, [*LIFE, erasure(ANA, 9)]])
async def test_a_zombie_that_wakes_with_what_it_had_prepared_changes_nothing(
    world: World, two_read_models: Settings, taken: Sequence[Event]
) -> None:
    async with open_store(two_read_models, LIVE, DECLARED, RETRACTIONS) as other:
        world.publish(*LIFE)
        zombie = Process(other, world.log)
        stale = await prepared(zombie)
        world.log[("stories", 0)].clear()
        await world.read(*taken)
        before = await contents(world.store, LIVE)
        with pytest.raises(StalePosition):
            await other.apply(stale)
        assert await contents(world.store, LIVE) == before


async def test_a_zombie_with_records_of_the_other_topic_changes_nothing(
    world: World, two_read_models: Settings
) -> None:
    """Nobody has read on there; but it does not know who has been erased since."""
    async with open_store(two_read_models, LIVE, DECLARED, RETRACTIONS) as other:
        world.publish(of_ana("DisclosureAttempted", 1, message_id="m"))
        stale = await prepared(Process(other, world.log))
        waiting, world.log[("deliveries", 0)] = world.log[("deliveries", 0)], []
        await world.read(erasure(ANA, 2))
        with pytest.raises(StalePosition):
            await other.apply(stale)
        world.log[("deliveries", 0)] = waiting
        await world.read()
        assert await world.told() == [2]


async def test_a_batch_in_which_nothing_leaves_asks_for_nothing(world: World) -> None:
    await world.read(*LIFE)
    asked: list[str] = []
    world.publish(*(session(BEN, n) for n in range(10, 20)))
    batch = await prepared(world.process)
    world.store._connection.add_query_logger(lambda query: asked.append(query.query))
    await world.store.apply(batch)
    slow = ("void", "moved", "erased", "set_aside")
    assert asked
    assert not [q for q in asked if any(f"{LIVE}.{name}" in q for name in slow)]
    assert await world.sessions(BEN) == 11
