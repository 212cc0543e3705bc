"""SQL of the page on which the read model is made again.

It reads `projections_work`, and orders steps there; a projections process takes them up.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from services.common.postgres import Pool

Row = Mapping[str, Any]

_ROW = "SELECT * FROM projections_work.rebuild"
_STEPS = """
SELECT *, now() AS now FROM projections_work.rebuild_step ORDER BY step_id DESC LIMIT $1
"""
# One at a time: who asks while a step waits, gets that one.
_ORDER = """
INSERT INTO projections_work.rebuild_step (step, rate, anyway, asked_by)
SELECT $1, $2, $3, $4
WHERE NOT EXISTS (SELECT FROM projections_work.rebuild_step WHERE begun_at IS NULL)
"""
_SIZE = """
SELECT (SELECT coalesce(sum(next_offset), 0)::bigint FROM read.stream_position) AS records,
    coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint AS size_bytes
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'read' AND c.relkind = 'r'
"""


class RebuildStore:
    """Reads and orders of one pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def row(self) -> Row | None:
        """The rebuild that there is."""
        found = await self._pool.fetchrow(_ROW)
        if found is None:
            return None
        comparison = found["comparison"]
        return dict(found) | {"comparison": json.loads(comparison) if comparison else None}

    async def steps(self, limit: int) -> Sequence[Row]:
        """The newest steps, with the moment at which this was asked."""
        return [dict(row) for row in await self._pool.fetch(_STEPS, limit)]

    async def size(self) -> Row:
        """What the tables in use hold, in records of the log and in bytes."""
        found = await self._pool.fetchrow(_SIZE)
        assert found is not None
        return dict(found)

    async def order(self, step: str, by: str, *, rate: int | None, anyway: bool) -> None:
        await self._pool.execute(_ORDER, step, rate, anyway, by)


def age_s(at: datetime | None, now: datetime) -> float | None:
    """How long ago, in seconds; None for never."""
    return None if at is None else max(0.0, (now - at).total_seconds())
