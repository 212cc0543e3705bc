"""Waiting until the read model has passed a position, so that a reader sees its own write."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from uuid import UUID

from services.common.errors import FieldError, Problem
from services.common.kafka import Position, partition_for
from services.common.postgres import Connection, Pool

REACHED = """
SELECT next_offset, extract(epoch FROM now() - advanced_at)::float8 AS idle_s
FROM read.stream_position WHERE topic = $1 AND partition = $2
"""
HELD = "SELECT partition, next_offset FROM read.stream_position WHERE topic = $1"
Place = tuple[str, int]  # topic without prefix, partition
DIRECTORY: Place = ("directory", 0)
_MOST_PARTITION, _MOST_OFFSET = 2**31 - 1, 2**63 - 2


def parse_after(text: str | None) -> Position | None:
    """Read the parameter `after`. Raises Problem 422."""
    if text is None:
        return None
    try:
        found = Position.parse(text)
        if found.partition > _MOST_PARTITION or found.offset > _MOST_OFFSET:
            raise ValueError("no partition or offset is so great")
    except ValueError:
        fix = "Send a position as a write answered it, such as stories:3:1207."
        raise Problem(
            422,
            "invalid",
            "after: it is not a position.",
            errors=[FieldError("after", "not a position", fix)],
        ) from None
    return found


async def wait_until_read(pool: Pool, after: Position | None, *, within_s: float = 5.0) -> None:
    """Return when the read model reflects the position.

    Raises Problem 503 with the lag when it does not do so in time.
    """
    if after is None:
        return
    deadline, pause = time.monotonic() + within_s, 0.005
    while True:
        reached = await pool.fetchrow(REACHED, after.topic, after.partition)
        if reached is not None and reached["next_offset"] > after.offset:
            return
        if time.monotonic() > deadline:
            raise behind("read model", after, *(reached or (0, None)))
        await asyncio.sleep(pause)
        pause = min(pause * 2, 0.1)


def reflected_of(worker_id: UUID, held: Mapping[int, int]) -> Position | None:
    """The last position of a worker's partition of `stories` that a reader holds, also when nothing
    there is about this worker. held: its next offsets, of all partitions.
    """
    if not held:
        return None
    partition = partition_for(worker_id.bytes, len(held))
    return last_before(("stories", partition), held.get(partition, 0))


def last_before(place: Place, next_offset: int) -> Position | None:
    return Position(*place, next_offset - 1) if next_offset > 0 else None


async def reflected(using: Pool | Connection, of: UUID | Place) -> Position | None:
    """The last position that the read model holds: of a worker's partition, or of this one.

    Ask before reading: what is read after that holds at least as much.
    """
    if isinstance(of, UUID):
        rows = await using.fetch(HELD, "stories")
        return reflected_of(of, {row["partition"]: row["next_offset"] for row in rows})
    row = await using.fetchrow(REACHED, *of)
    return last_before(of, row["next_offset"] if row else 0)


async def read_after(pool: Pool, after: str | None, *, of: UUID | Place | None) -> str | None:
    """Wait for the position in the parameter `after`; answer the `position` that a read reflects.

    of: whom or what the read is about. None is a list of many people, who stand on many partitions:
    it reflects a position on that of `after`, and without `after` no one position.
    Raises Problem 422, 503.
    """
    asked = parse_after(after)
    await wait_until_read(pool, asked)
    about = of or ((asked.topic, asked.partition) if asked else None)
    found = await reflected(pool, about) if about else None
    return str(found) if found else None


def behind(who: str, after: Position, next_offset: int, idle_s: float | None = None) -> Problem:
    """503 that says which partition, how many records, and for how long nothing moved there.

    who: such as `read model`, whose `next_offset` is not behind `after` yet.
    """
    missing = after.offset + 1 - next_offset
    since = "" if idle_s is None else f", and moved on last {idle_s:.1f} s ago"
    return Problem(
        503,
        f"{who.replace(' ', '-')}-behind",
        f"The {who} has not passed {after} yet: on {after.topic}:{after.partition} it holds "
        f"what is before {next_offset}, is {missing} records behind{since}.",
        headers={"Retry-After": str(min(30, 1 + missing // 50_000))},
        extensions={
            "lag": {
                "topic": after.topic,
                "partition": after.partition,
                "next_offset": next_offset,
                "records_behind": missing,
                "seconds_since_last": idle_s,
            }
        },
    )
