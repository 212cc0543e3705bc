"""Takes the parts of an upload: the file, its mapping, the tables beside it."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from starlette.datastructures import FormData, UploadFile

from services.common.errors import FieldError, Problem
from services.ingest.imports.mapping import ImportMapping
from services.ingest.imports.parsing import MAX_MAPPING_BYTES, named_mapping

_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")


@dataclass(frozen=True, slots=True)
class Kept:
    """A file that was put where it waits."""

    name: str
    size_bytes: int
    sha256: str


async def mapping_text(form: FormData) -> bytes:
    """The part `mapping`: a file, the text itself, or the name of one that the hub has."""
    part = form.get("mapping")
    if part is None:
        problem = FieldError("mapping", "is missing", "Send a mapping, or the name of one.")
        raise Problem(422, "invalid-mapping", "An import needs a mapping.", errors=[problem])
    if isinstance(part, UploadFile):
        return _utf8(await part.read(MAX_MAPPING_BYTES + 1))
    name = part.strip()
    named = name and set(name) <= _NAME_CHARACTERS
    return named_mapping(name) if named else _utf8(part.encode(errors="surrogatepass"))


def _utf8(text: bytes) -> bytes:
    """Without its mark. Raises Problem 422: YAML may be UTF-16, but what we keep is not."""
    try:
        return text.decode("utf-8-sig").encode()
    except UnicodeDecodeError:
        problem = FieldError("mapping", "is not UTF-8", "Save it as UTF-8.")
        raise Problem(
            422, "invalid-mapping", "The mapping can't be read.", errors=[problem]
        ) from None


def text_part(form: FormData, name: str) -> str | None:
    """Raises Problem 422 when a file was sent in its place."""
    part = form.get(name)
    if isinstance(part, UploadFile):
        problem = FieldError(name, "is a file", "Send it as text.")
        raise Problem(422, "invalid-file", "A part of this import is a file.", errors=[problem])
    return part.strip() if part else None


def refuse_unknown_parts(form: FormData, allowed: list[str]) -> None:
    if unknown := sorted(form.keys() - set(allowed)):
        fix = f"This call takes {', '.join(allowed)}."
        errors = [FieldError(name[:80], "is not a part of it", fix) for name in unknown]
        raise Problem(
            422, "invalid-file", "The request has parts that nobody reads.", errors=errors
        )


def parts_of(mapping: ImportMapping) -> list[str]:
    return ["file", "mapping", "sha256", *(f"lookup.{name}" for name in mapping.files)]


def upload(form: FormData, name: str) -> UploadFile:
    part = form.get(name)
    if not isinstance(part, UploadFile):
        problem = FieldError(name, "is missing, or is not a file", f"Send the CSV file as {name}.")
        raise Problem(422, "invalid-file", "A file of this import is missing.", errors=[problem])
    return part


async def keep(part: UploadFile, path: Path, most: int, sha256: str | None = None) -> Kept:
    """Copy it to `path`. Raises Problem 413, and 422 when it is not the file that was meant."""
    size, found = await asyncio.to_thread(_copy, part.file, path, most)
    if sha256 is not None and sha256.lower() != found:
        problem = FieldError("sha256", f"of what arrived is {found}", "Send the file again.")
        detail = f"The file did not arrive as it was sent ({size:,} bytes came)."
        raise Problem(422, "damaged-file", detail, errors=[problem])
    name = (part.filename or "").encode(errors="replace").decode().replace("\x00", "")
    return Kept(name[:200], size, found)


async def discard(folder: Path) -> None:
    await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def _copy(source: BinaryIO, path: Path, most: int) -> tuple[int, str]:
    """Only the hub's own user may read what waits here."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    size = source.seek(0, os.SEEK_END)
    if size > most:
        raise Problem(413, "too-large", f"The file is over {most:,} bytes. Send it in parts.")
    source.seek(0)
    digest = hashlib.sha256()
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as target:
        while chunk := source.read(1 << 20):
            digest.update(chunk)
            target.write(chunk)
    return size, digest.hexdigest()
