"""Statements of learning systems (xAPI 1.0.3 and 2.0) become events."""

from __future__ import annotations

from services.common.postgres import Pool, apply_schema
from services.ingest.xapi.routes import MAX_BODY_BYTES, router

__all__ = ["body_bytes", "initialise", "router"]


async def initialise(pool: Pool) -> None:
    """Make the tables. Idempotent."""
    await apply_schema(pool, "services.ingest.xapi")


def body_bytes() -> dict[str, int]:
    """The limit of a request: see `HttpService.body_bytes`."""
    return {"/xapi/": MAX_BODY_BYTES}
