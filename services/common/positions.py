"""Waiting until the read model has passed a position, so that a reader sees its own write."""

from __future__ import annotations

import asyncio
import time

from services.common.errors import FieldError, Problem
from services.common.kafka import Position
from services.common.postgres import Pool

PASSED = """
SELECT EXISTS (SELECT FROM read.stream_position
    WHERE topic = $1 AND partition = $2 AND next_offset > $3)
"""


def parse_after(text: str | None) -> Position | None:
    """Read the parameter `after`. Raises Problem 422."""
    if text is None:
        return None
    try:
        return Position.parse(text)
    except ValueError:
        fix = "Send a position as a write answered it, such as stories:3:1207."
        raise Problem(
            422,
            "invalid",
            "after: it is not a position.",
            errors=[FieldError("after", "not a position", fix)],
        ) from None


async def wait_until_read(pool: Pool, after: Position | None, *, within_s: float = 5.0) -> None:
    """Return when the read model reflects the position.

    Raises Problem 503 when it does not do so in time.
    """
    if after is None:
        return
    deadline, pause = time.monotonic() + within_s, 0.005
    while not await pool.fetchval(PASSED, after.topic, after.partition, after.offset):
        if time.monotonic() > deadline:
            raise Problem(
                503,
                "read-model-behind",
                f"The read model has not passed {after} yet.",
                headers={"Retry-After": "1"},
            )
        await asyncio.sleep(pause)
        pause = min(pause * 2, 0.1)
