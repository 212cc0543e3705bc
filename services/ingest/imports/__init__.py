"""CSV imports: a file and a mapping become events, in the background, with a report."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from services.common import tasks
from services.common.postgres import Pool, apply_schema
from services.ingest.imports.routes import router
from services.ingest.imports.runner import ImportRunner
from services.ingest.imports.settings import ImportSettings
from services.ingest.imports.taking import EventWriter
from services.ingest.room import Room

__all__ = ["body_bytes", "initialise", "router", "running"]


async def initialise(pool: Pool) -> None:
    """Make the tables. Idempotent."""
    await apply_schema(pool, "services.ingest.imports")


def body_bytes() -> dict[str, int]:
    """The limit of a request, a little over that of a file: see `HttpService.body_bytes`."""
    return {"/v1/imports": ImportSettings().max_file_bytes + 1_000_000}


@asynccontextmanager
async def running(app: FastAPI, writer: EventWriter) -> AsyncIterator[None]:
    """The background task, while the service runs. An import that is cut off goes on next time."""
    settings = ImportSettings()
    app.state.import_settings = settings
    app.state.import_room = Room(settings.max_uploads, max(1, settings.max_uploads // 4))
    app.state.import_folder = settings.folder(app.state.settings)
    runner = ImportRunner(
        app.state.pool, app.state.import_folder, writer, app.state.vault, settings
    )
    app.state.import_runner = runner
    async with tasks.running(runner.run(), "imports"):
        yield
