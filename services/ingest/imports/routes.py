"""`/v1/imports`: take a CSV file and a mapping; say how far it is and what was refused."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, BinaryIO
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.datastructures import FormData, UploadFile

from services.common.access import Principal, Role, caller
from services.common.authors import may_author
from services.common.errors import FieldError, Problem, not_found
from services.common.ids import new_id
from services.ingest.imports.mapping import (
    MAX_MAPPING_BYTES,
    ImportMapping,
    named_mapping,
    parse_mapping,
)
from services.ingest.imports.report import report_lines
from services.ingest.imports.runner import (
    ImportRunner,
    file_of,
    lookup_file_of,
    open_import,
)
from services.ingest.imports.settings import ImportSettings
from services.ingest.imports.store import Import, ImportStore, NewImport

router = APIRouter(prefix="/v1/imports", tags=["imports"])
Caller = Annotated[Principal, Depends(caller)]


_PARTS = {
    "file": {"type": "string", "format": "binary", "description": "CSV with a header row"},
    "mapping": {"type": "string", "description": "A mapping's name, or YAML or JSON"},
}
_BODY = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": _PARTS,
                "required": list(_PARTS),
                "additionalProperties": {"type": "string", "format": "binary"},
            }
        }
    },
}


@router.post("", status_code=202, openapi_extra={"requestBody": _BODY})
async def start(
    request: Request, principal: Caller, dry_run: Annotated[bool, Query()] = False
) -> JSONResponse:
    """Import a CSV file: parts `file`, `mapping` (a name, YAML or JSON), `lookup.<name>` files."""
    organization_id = principal.organization_id
    settings: ImportSettings = request.app.state.import_settings
    store = ImportStore(request.app.state.pool)
    if await store.open_count(organization_id) >= settings.max_open:
        detail = f"{settings.max_open} of your imports wait already. Try again when one is over."
        raise Problem(429, "too-many-imports", detail, headers={"Retry-After": "60"})
    async with request.form(max_files=12, max_fields=12, max_part_size=MAX_MAPPING_BYTES) as form:
        text = await _mapping_text(form)
        mapping = await asyncio.to_thread(parse_mapping, text)
        _refuse_foreign_types(principal, mapping)
        job = NewImport(new_id(), principal, text.decode(), mapping.name, "", dry_run, 0, "")
        await _keep(request, form, mapping, job)
    runner: ImportRunner = request.app.state.import_runner
    runner.wake()
    place = f"/v1/imports/{job.import_id}"
    body = {"id": str(job.import_id), "state": "queued", "dry_run": dry_run, "self": place}
    return JSONResponse(body, status_code=202, headers={"Location": place})


@router.get("/{import_id}")
async def show(request: Request, import_id: UUID, principal: Caller) -> dict[str, Any]:
    """How far it is, and what became of the rows and events so far."""
    return _shown(await _own(request, import_id, principal))


@router.get("/{import_id}/rejected")
async def rejected(request: Request, import_id: UUID, principal: Caller) -> StreamingResponse:
    """The report as CSV: each refused row and each field left empty, with the reason and the fix.

    What stands in a row about a person is not repeated here; the row number leads to it.
    """
    await _own(request, import_id, principal)
    notes = ImportStore(request.app.state.pool).notes(import_id)
    name = f'attachment; filename="rejected-{import_id}.csv"'
    return StreamingResponse(
        report_lines(notes),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": name, "X-Content-Type-Options": "nosniff"},
    )


async def _own(request: Request, import_id: UUID, principal: Principal) -> Import:
    """Raises Problem 404 also for another organisation's import."""
    found = await ImportStore(request.app.state.pool).get(import_id)
    own = found is not None and found.principal.subject == principal.organization_id
    if found is None or not (own or principal.role is Role.OPERATOR):
        raise not_found("import")
    return found


def _shown(job: Import) -> dict[str, Any]:
    tally = job.tally
    return {
        "id": str(job.import_id),
        "state": job.state,
        "dry_run": job.dry_run,
        "mapping": job.mapping_name,
        "file": job.file_name,
        "encoding": job.encoding,
        "progress": job.progress,
        "rows": _with_zeros(tally.rows, "read", "accepted", "duplicate", "refused", "empty"),
        "events": _with_zeros(tally.events, "accepted", "duplicate", "repeated", "refused"),
        "accepted_by_type": dict(tally.accepted),
        "refused_by_reason": dict(tally.refused),
        "warnings_by_reason": dict(tally.warnings),
        "repaired_by_rule": dict(tally.repaired),
        "problem": job.problem,
        "created_at": job.created_at.isoformat(),
        "finished_at": job.finished_at.isoformat() if job.finished_at is not None else None,
        "rejected": f"/v1/imports/{job.import_id}/rejected",
    }


def _with_zeros(counts: Mapping[str, int], *names: str) -> dict[str, int]:
    return {**dict.fromkeys(names, 0), **{n: c for n, c in counts.items() if c}}


async def _mapping_text(form: FormData) -> bytes:
    """The part `mapping`: a file, the text itself, or the name of one that the hub has."""
    part = form.get("mapping")
    if part is None:
        problem = FieldError("mapping", "is missing", "Send a mapping, or the name of one.")
        raise Problem(422, "invalid-mapping", "An import needs a mapping.", errors=[problem])
    if isinstance(part, UploadFile):
        return await part.read(MAX_MAPPING_BYTES + 1)
    name = part.strip()
    return named_mapping(name) if name and set(name) <= _NAME_CHARACTERS else part.encode()


_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")


def _refuse_foreign_types(principal: Principal, mapping: ImportMapping) -> None:
    types = sorted({event.type for event in mapping.events})
    if foreign := [name for name in types if not may_author(principal.role, name)]:
        detail = f"The key of {principal.role.value} can't post {', '.join(foreign)}."
        raise Problem(403, "not-yours-to-say", detail)


async def _keep(request: Request, form: FormData, mapping: ImportMapping, job: NewImport) -> None:
    """Put the files where they wait, and the import on the list. Raises Problem if they misfit."""
    folder: Path = request.app.state.import_folder
    file = _upload(form, "file")
    uploads = {file_of(folder, job.import_id): file}
    for name in mapping.files:
        uploads[lookup_file_of(folder, job.import_id, name)] = _upload(form, f"lookup.{name}")
    _refuse_unknown_parts(form, mapping)
    most = request.app.state.import_settings.max_file_bytes
    try:
        for path, upload in uploads.items():
            await asyncio.to_thread(_copy, upload.file, path, most)
        opened = await asyncio.to_thread(open_import, folder, job)
        name = (file.filename or "").replace("\x00", "")[:200]
        job = replace(job, file_name=name, bytes_total=file.size or 0, encoding=opened.encoding)
        await ImportStore(request.app.state.pool).add(job)
    except BaseException:
        await asyncio.to_thread(shutil.rmtree, folder / str(job.import_id), ignore_errors=True)
        raise


def _refuse_unknown_parts(form: FormData, mapping: ImportMapping) -> None:
    allowed = ["file", "mapping", *(f"lookup.{name}" for name in mapping.files)]
    if unknown := sorted(form.keys() - set(allowed)):
        fix = f"This mapping takes {', '.join(allowed)}."
        errors = [FieldError(name[:80], "is not a part of this import", fix) for name in unknown]
        raise Problem(
            422, "invalid-file", "The request has parts that nobody reads.", errors=errors
        )


def _upload(form: FormData, name: str) -> UploadFile:
    part = form.get(name)
    if not isinstance(part, UploadFile):
        problem = FieldError(name, "is missing, or is not a file", f"Send the CSV file as {name}.")
        raise Problem(422, "invalid-file", "A file of this import is missing.", errors=[problem])
    return part


def _copy(source: BinaryIO, path: Path, most: int) -> None:
    """Only the hub's own user may read what waits here."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    size = source.seek(0, os.SEEK_END)
    if size > most:
        raise Problem(413, "too-large", f"The file is over {most:,} bytes. Send it in parts.")
    source.seek(0)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)
