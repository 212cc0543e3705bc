"""Wiring of the feeds."""

from __future__ import annotations

from services.common.http import HttpService
from services.common.postgres import Pool, apply_schema


def service() -> HttpService:
    from services.feeds.routes import router

    return HttpService("feeds", router)


async def initialise(pool: Pool) -> None:
    """Make the tables. Idempotent."""
    await apply_schema(pool, "services.feeds")
