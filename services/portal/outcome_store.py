"""SQL of the outcomes page: releases as `feeds` published them, read-only.

They are shown as they stand: what may be shown was decided when they were made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from services.common.postgres import Pool

Row = Mapping[str, Any]

_RELEASES = """
SELECT number, window_id, minimum, as_of, released_at FROM feeds.release
WHERE feed_id = $1 ORDER BY window_id DESC, number DESC
"""
_CELLS = """
SELECT c.programme_id, c.programme_title, c.provider_id, o.name AS provider, c.status, c.percent
FROM feeds.cell c LEFT JOIN read.organization o ON o.organization_id = c.provider_id
WHERE c.feed_id = $1 AND c.number = $2 ORDER BY c.position
"""


class OutcomeStore:
    """Reads of one pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def releases(self, feed_id: str) -> Sequence[Row]:
        """number, window_id, minimum, as_of, released_at; the newest window first."""
        return [dict(row) for row in await self._pool.fetch(_RELEASES, feed_id)]

    async def cells(self, feed_id: str, number: int) -> Sequence[Row]:
        """One row for each programme of a release."""
        return [dict(row) for row in await self._pool.fetch(_CELLS, feed_id, number)]
