"""An employer's system keeps its people over SCIM 2.0, and their story follows."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from fastapi import FastAPI

from services.common import tasks
from services.common.postgres import Pool, apply_schema
from services.ingest.scim.outbox import Outbox
from services.ingest.scim.routes import MAX_BODY_BYTES, router
from services.ingest.scim.storage import Parts
from services.ingest.writer import Writer

__all__ = ["body_bytes", "initialise", "router", "running"]


async def initialise(pool: Pool) -> None:
    """Make the tables. Idempotent."""
    await apply_schema(pool, "services.ingest.scim")


def body_bytes() -> dict[str, int]:
    """Above our own limit, so that what is over it is refused in SCIM's form."""
    return {"/scim/": 2 * MAX_BODY_BYTES}


@contextlib.asynccontextmanager
async def running(app: FastAPI, writer: Writer) -> AsyncIterator[None]:
    """What the routes need, and the task that tells what was left behind."""
    state = app.state
    outbox = Outbox(state.pool, state.keyring, writer)
    state.scim = Parts(state.pool, state.vault, state.keyring, outbox)
    async with tasks.running(outbox.run(), "scim outbox"):
        yield
