"""`/v1/imports`: take a CSV file and a mapping; say how far it is and what was refused."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.datastructures import FormData

from services.common.access import Principal, Role, caller
from services.common.authors import may_author
from services.common.errors import Problem, not_found
from services.common.ids import new_id
from services.ingest.imports import uploads
from services.ingest.imports.account import account, listed
from services.ingest.imports.inspection import inspected
from services.ingest.imports.mapping import ImportMapping
from services.ingest.imports.opening import file_of, looked_at, lookup_file_of
from services.ingest.imports.parsing import MAX_MAPPING_BYTES, parse_mapping
from services.ingest.imports.report import refused_lines, report_lines
from services.ingest.imports.report_store import ReportStore
from services.ingest.imports.runner import ImportRunner
from services.ingest.imports.settings import ImportSettings
from services.ingest.imports.store import Import, ImportStore, NewImport

router = APIRouter(prefix="/v1/imports", tags=["imports"])
Caller = Annotated[Principal, Depends(caller)]
_FORM: dict[str, Any] = {"max_files": 12, "max_fields": 12, "max_part_size": MAX_MAPPING_BYTES}
_FILE = {"type": "string", "format": "binary", "description": "CSV with a header row"}
_MAPPING = {"type": "string", "description": "A mapping's name, or YAML or JSON"}
_SHA256 = {"type": "string", "description": "Of the file, in hex: checked when it has arrived"}
_TYPE = {"type": "string", "description": "The event type to propose a mapping for"}


def _body(required: list[str], **parts: dict[str, str]) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": parts,
        "required": required,
        "additionalProperties": {"type": "string", "format": "binary"},
    }
    content = {"multipart/form-data": {"schema": schema}}
    return {"requestBody": {"required": True, "content": content}}


@router.post(
    "",
    status_code=202,
    openapi_extra=_body(["file", "mapping"], file=_FILE, mapping=_MAPPING, sha256=_SHA256),
)
async def start(
    request: Request, principal: Caller, dry_run: Annotated[bool, Query()] = False
) -> JSONResponse:
    """Import a CSV file: parts `file`, `mapping` (a name, YAML or JSON), `lookup.<name>` files."""
    with request.app.state.import_room.taken(1, principal.organization_id):
        job = await _uploaded(request, principal, dry_run)
    runner: ImportRunner = request.app.state.import_runner
    runner.wake()
    place = f"/v1/imports/{job.import_id}"
    body = {"id": str(job.import_id), "state": "queued", "dry_run": dry_run, "self": place}
    body |= {"bytes": job.bytes_total, "sha256": job.sha256}
    return JSONResponse(body, status_code=202, headers={"Location": place})


async def _uploaded(request: Request, principal: Principal, dry_run: bool) -> NewImport:
    """Raises Problem 429 when too many of the organisation's imports wait."""
    organization_id = principal.organization_id
    settings: ImportSettings = request.app.state.import_settings
    store = ImportStore(request.app.state.pool)
    if await store.open_count(organization_id) >= settings.max_open:
        detail = f"{settings.max_open} of your imports wait already. Try again when one is over."
        raise Problem(429, "too-many-imports", detail, headers={"Retry-After": "60"})
    async with request.form(**_FORM) as form:
        text = await uploads.mapping_text(form)
        mapping = await asyncio.to_thread(parse_mapping, text)
        _refuse_foreign_types(principal, mapping)
        return await _keep(request, form, mapping, (principal, text.decode(), dry_run))


@router.post("/inspect", openapi_extra=_body(["file"], file=_FILE, mapping=_MAPPING, type=_TYPE))
async def inspect(request: Request, principal: Caller) -> dict[str, Any]:
    """Look at a file: how it is written, what its columns hold, and a mapping to begin with.

    Nothing is kept. With a `mapping`, which column feeds which field, and what does not fit.
    """
    with request.app.state.import_room.taken(1, principal.organization_id):
        return await _inspected(request, principal)


async def _inspected(request: Request, principal: Principal) -> dict[str, Any]:
    most = request.app.state.import_settings.max_file_bytes
    async with request.form(**_FORM) as form:
        uploads.refuse_unknown_parts(form, ["file", "mapping", "type"])
        mapping = None
        if "mapping" in form:
            text = await uploads.mapping_text(form)
            mapping = await asyncio.to_thread(parse_mapping, text)
        wanted = uploads.text_part(form, "type")
        folder: Path = request.app.state.import_folder / str(new_id())
        try:
            path = folder / "file.csv"
            kept = await uploads.keep(uploads.upload(form, "file"), path, most)
            found = await asyncio.to_thread(inspected, path, mapping, principal.role, wanted)
        finally:
            await uploads.discard(folder)
    return {"file": kept.name, "bytes": kept.size_bytes, "sha256": kept.sha256, **found}


@router.get("")
async def list_imports(
    request: Request,
    principal: Caller,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    before: Annotated[UUID | None, Query(description="Those before this one")] = None,
) -> dict[str, Any]:
    """The organisation's imports, newest first."""
    store = ImportStore(request.app.state.pool)
    found = await store.page(principal.organization_id, before, limit)
    return listed(found, limit, datetime.now(UTC))


@router.get("/{import_id}")
async def show(request: Request, import_id: UUID, principal: Caller) -> dict[str, Any]:
    """How far it is, and what became of the rows and events so far."""
    job = await _own(request, import_id, principal)
    shown = account(job, datetime.now(UTC))
    if not job.is_open:  # it can be long, and it changes until then
        store = ReportStore(request.app.state.pool)
        shown["reasons"] = await store.groups(import_id)
        shown["rejected_kept"] = await store.refused_count(import_id)
    return shown


@router.delete("/{import_id}", status_code=204)
async def remove(request: Request, import_id: UUID, principal: Caller) -> Response:
    """End an import, and delete what the hub keeps of its rows. What is on the log stays there."""
    await _own(request, import_id, principal)
    await ImportStore(request.app.state.pool).remove(import_id)
    runner: ImportRunner = request.app.state.import_runner
    await runner.forget(import_id)
    return Response(status_code=204)


@router.get("/{import_id}/rejected")
async def rejected(request: Request, import_id: UUID, principal: Caller) -> StreamingResponse:
    """The refused rows as CSV, each with its line, columns, reasons and fixes in front.

    Correct it and send it as it is, with the same mapping. Kept for some days.
    """
    job = await _own(request, import_id, principal)
    if job.principal.subject != principal.organization_id:
        raise not_found("import")  # an operator may see what went wrong, not whom it is about
    rows = ReportStore(request.app.state.pool).refused(import_id)
    lines = refused_lines(request.app.state.vault, import_id, job.columns, rows)
    return _csv(lines, f"rejected-{import_id}.csv")


@router.get("/{import_id}/report")
async def report(request: Request, import_id: UUID, principal: Caller) -> StreamingResponse:
    """Each refused row and each field left empty as CSV, with the reason and the fix.

    What stands in a row about a person is not repeated here; the line number leads to it.
    """
    await _own(request, import_id, principal)
    notes = ReportStore(request.app.state.pool).notes(import_id)
    return _csv(report_lines(notes), f"report-{import_id}.csv")


def _csv(lines: Any, name: str) -> StreamingResponse:
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
    return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers=headers)


async def _own(request: Request, import_id: UUID, principal: Principal) -> Import:
    """Raises Problem 404 also for another organisation's import."""
    found = await ImportStore(request.app.state.pool).get(import_id)
    own = found is not None and found.principal.subject == principal.organization_id
    if found is None or not (own or principal.role is Role.OPERATOR):
        raise not_found("import")
    return found


def _refuse_foreign_types(principal: Principal, mapping: ImportMapping) -> None:
    types = sorted({event.type for event in mapping.events})
    if foreign := [name for name in types if not may_author(principal.role, name)]:
        detail = f"The key of {principal.role.value} can't post {', '.join(foreign)}."
        raise Problem(403, "not-yours-to-say", detail)


async def _keep(
    request: Request, form: FormData, mapping: ImportMapping, asked: tuple[Principal, str, bool]
) -> NewImport:
    """Put the files where they wait, and the import on the list. Raises Problem if they misfit."""
    principal, text, dry_run = asked
    folder: Path = request.app.state.import_folder
    most = request.app.state.import_settings.max_file_bytes
    import_id = new_id()
    tables = {name: uploads.upload(form, f"lookup.{name}") for name in mapping.files}
    file, sha256 = uploads.upload(form, "file"), uploads.text_part(form, "sha256")
    uploads.refuse_unknown_parts(form, uploads.parts_of(mapping))
    try:
        path = file_of(folder, import_id)
        kept = await uploads.keep(file, path, most, sha256)
        for name, part in tables.items():
            await uploads.keep(part, lookup_file_of(folder, import_id, name), most)
        named = (mapping.name, kept.name, dry_run, kept.size_bytes, "", kept.sha256)
        job = NewImport(import_id, principal, text, *named)
        job = await asyncio.to_thread(looked_at, folder, job)
        await ImportStore(request.app.state.pool).add(job)
    except BaseException:
        await uploads.discard(folder / str(import_id))
        raise
    return job
