"""How the reader puts together what aiokafka hands out in parts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, cast

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import NoOffsetForPartitionError, OffsetOutOfRangeError

from services.common.errors import PositionOutsideLog
from services.common.settings import Settings
from services.projections.columns import LeanRecord
from services.projections.reader import LogReader

PLACES = [TopicPartition(Settings().topic("stories"), number) for number in range(2)]


Answer: TypeAlias = dict[TopicPartition, list[LeanRecord]]


class Fetched:
    """The part of a consumer that hands out what was fetched: answers, or errors, in turn."""

    def __init__(self, *answers: Answer | Exception | Callable[[], Awaitable[Answer]]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[int, int]] = []

    def assignment(self) -> set[TopicPartition]:
        return set(PLACES)

    def seek(self, place: TopicPartition, position: int) -> None: ...

    def resume(self, place: TopicPartition) -> None: ...

    async def getmany(self, *, timeout_ms: int, max_records: int) -> dict[Any, list[LeanRecord]]:
        self.asked.append((timeout_ms, max_records))
        answer = self.answers.pop(0) if self.answers else {}
        if isinstance(answer, Exception):
            raise answer
        return await answer() if callable(answer) else answer


def reader_of(consumer: Fetched, batch_events: int = 600) -> LogReader:
    made = LogReader(cast(AIOKafkaConsumer, consumer), Settings(), batch_events)
    made.seek({("stories", 0): 0, ("stories", 1): 0})
    return made


def some(first: int, last: int) -> list[LeanRecord]:
    return [LeanRecord(b"k" * 16, b"v", offset, []) for offset in range(first, last)]


async def test_parts_of_a_partition_stay_in_order() -> None:
    consumer = Fetched(
        {PLACES[0]: some(0, 250)}, {PLACES[0]: some(250, 300), PLACES[1]: some(0, 9)}
    )
    records, starts = await reader_of(consumer).fetch()

    assert records == {("stories", 0): some(0, 300), ("stories", 1): some(0, 9)}
    assert starts == {("stories", 0): 0, ("stories", 1): 0}
    assert consumer.asked == [(500, 250), (0, 250), (0, 250)], "only the first part is waited for"


async def test_a_batch_is_never_larger_than_it_may_be() -> None:
    consumer = Fetched(*({PLACES[0]: some(first, first + 250)} for first in (0, 250, 500)))
    await reader_of(consumer, batch_events=600).fetch()

    assert [most for _, most in consumer.asked] == [250, 250, 100]


async def test_others_run_between_the_parts() -> None:
    ran: list[int] = []
    consumer = Fetched({PLACES[0]: some(0, 250)}, {PLACES[0]: some(250, 500)})

    async def other() -> None:
        ran.append(len(consumer.asked))

    fetch = asyncio.create_task(reader_of(consumer).fetch())
    await asyncio.gather(fetch, asyncio.create_task(other()))
    assert ran == [1]


@pytest.mark.parametrize(
    "error", [NoOffsetForPartitionError("a partition is new"), OffsetOutOfRangeError("gone")]
)
async def test_what_was_handed_out_before_an_error_goes_on(error: Exception) -> None:
    """Else a partition that can't be read would stop all others."""
    consumer = Fetched({PLACES[0]: some(0, 250)}, error, {PLACES[0]: some(250, 260)})
    reader = reader_of(consumer)

    first, _ = await reader.fetch()
    reader.went_on([(("stories", 0), 250)])
    second, _ = await reader.fetch()
    assert (first, second) == (
        {("stories", 0): some(0, 250)},
        {("stories", 0): some(250, 260)},
    )


async def test_a_position_outside_the_log_is_told() -> None:
    with pytest.raises(PositionOutsideLog):
        await reader_of(Fetched(OffsetOutOfRangeError("gone"))).fetch()


async def test_what_was_handed_out_before_partitions_went_is_left() -> None:
    async def revoked() -> Answer:
        await reader.on_partitions_revoked(PLACES)
        return {PLACES[1]: some(0, 9)}

    consumer = Fetched({PLACES[0]: some(0, 250)}, revoked)
    reader = reader_of(consumer)
    assert await reader.fetch() == ({}, {})
    assert reader.moved
