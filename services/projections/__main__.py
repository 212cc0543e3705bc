"""Runs the projections worker: `python -m services.projections`."""

from __future__ import annotations

from services.common.postgres import Pool, apply_sql
from services.projections.projections import PROJECTIONS
from services.projections.settings import ProjectionsSettings
from services.projections.sql import schema_ddl


async def initialise(pool: Pool) -> None:
    """Create the tables of the read model where they are missing."""
    await apply_sql(pool, schema_ddl(ProjectionsSettings().read_schema, PROJECTIONS))
