"""That a source waits for what is away, told where `throughline doctor` finds it."""

from __future__ import annotations

import contextlib
from datetime import timedelta

from services.common.postgres import AWAY, Pool

# Whoever waits says so again at each try: what is a minute overdue is true no more.
_OVERDUE = "interval '1 minute'"
_WAITS = f"""
INSERT INTO ingest_work.source_wait AS w (source, since, why, next_try_at)
VALUES ($1, now(), $2, now() + $3)
ON CONFLICT (source) DO UPDATE SET why = excluded.why, next_try_at = excluded.next_try_at,
    since = CASE WHEN w.next_try_at + {_OVERDUE} < now() THEN excluded.since ELSE w.since END
"""  # noqa: S608 - it is ours
WAITING = f"""
SELECT min(since) AS since, (array_agg(why ORDER BY since))[1] AS why
FROM ingest_work.source_wait WHERE next_try_at + {_OVERDUE} > now()
"""  # noqa: S608 - it is ours
_GOES_ON = "DELETE FROM ingest_work.source_wait WHERE source = $1"


class Waits:
    """Of one source in this process."""

    def __init__(self, pool: Pool, source: str) -> None:
        self._pool = pool
        self._source = source
        self._told = False

    async def waits(self, why: str, tries_in: timedelta) -> None:
        """Say for what. While PostgreSQL is away nobody is told here; the log has it."""
        self._told = True
        with contextlib.suppress(*AWAY):
            await self._pool.execute(_WAITS, self._source, why[:1000], tries_in)

    async def goes_on(self) -> None:
        """Take it back, if it was said. Raises what PostgreSQL raises."""
        if self._told:
            await self._pool.execute(_GOES_ON, self._source)
            self._told = False
