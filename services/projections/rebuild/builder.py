"""Fills the tables that stand beside those in use, until they are switched or dropped."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import asyncpg

from services.common.log import get_logger
from services.common.postgres import Pool, open_pool
from services.common.settings import Settings
from services.projections.declaration import Projection
from services.projections.projections import PROJECTIONS
from services.projections.rebuild import work
from services.projections.rebuild.pace import Finished, RebuildPace
from services.projections.rebuild.work import Schemas
from services.projections.settings import ProjectionsSettings
from services.projections.sql import fingerprint
from services.projections.store import ReadModelChanged
from services.projections.worker import Beside, ProjectionsWorker

GROUP = "projections-rebuild"
log = get_logger("rebuild")


class Builder:
    """Any number may run: they share the partitions in a consumer group of their own.

    What was written stands with its positions, so one that was killed goes on where it was.
    """

    def __init__(
        self,
        settings: Settings,
        own: ProjectionsSettings,
        projections: Sequence[type[Projection]] = PROJECTIONS,
    ) -> None:
        self._settings = settings
        self._own = own
        self._projections = projections
        self._schemas = Schemas(own.read_schema)
        self._worker: ProjectionsWorker | None = None
        self._stopped = False

    def stop(self) -> None:
        self._stopped = True
        if self._worker is not None:
            self._worker.stop()

    async def run(self) -> None:
        """Work while tables of this declaration stand beside, or until `stop`."""
        async with open_pool(self._settings, most=2) as pool:
            mine = fingerprint(self._projections)
            while not self._stopped and (beside := await fed(pool, self._schemas, mine)):
                await self._fill(pool, beside)

    async def _fill(self, pool: Pool, beside: str) -> None:
        pace = RebuildPace(pool, self._schemas, beside, self._own)
        own = self._own.model_copy(update={"read_schema": beside})
        self._worker = ProjectionsWorker(
            self._settings, own, self._projections, beside=Beside(GROUP, pace)
        )
        if self._stopped:
            return
        try:
            await self._worker.run()
        except (Finished, ReadModelChanged) as error:
            log.info("filled no further", schema=beside, why=str(error))
        except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError) as error:
            # Switched or dropped a moment ago; what stands beside now is another question.
            log.info("the tables are elsewhere now", schema=beside, why=str(error))
            await asyncio.sleep(0.1)


async def fed(pool: Pool, schemas: Schemas, fingerprint: str) -> str | None:
    """The schema that who has this declaration is to fill; None when there is none."""
    looked_at = None
    while (row := await work.row(pool)) and (beside := row.beside(schemas)) != looked_at:
        if (made_from := await work.made_from(pool, beside)) is not None:
            return beside if made_from == fingerprint else None
        looked_at = beside  # not there: switched while we looked, or no tables at all
    return None
