"""Files that ship with the pages, at addresses that change with their content."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources

from starlette.requests import Request
from starlette.responses import Response

_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Static:
    content: bytes
    zipped: bytes
    media_type: str
    version: str


@cache
def files() -> dict[str, Static]:
    """Every shipped file by name."""
    found = {}
    for file in resources.files("services.portal").joinpath("static").iterdir():
        content = file.read_bytes()
        found[file.name] = Static(
            content,
            gzip.compress(content, mtime=0),
            _TYPES[file.name.rpartition(".")[2]],
            hashlib.sha256(content).hexdigest()[:12],
        )
    return found


def address(name: str) -> str:
    """Where a page finds the file. Raises KeyError when it does not ship."""
    return f"/static/{name}?v={files()[name].version}"


async def static(request: Request) -> Response:
    """Answer one file; browsers keep it, for its address changes with it."""
    file = files().get(request.path_params["name"])
    if file is None:
        return Response("There is no such file.", 404, media_type="text/plain")
    headers = {
        "Cache-Control": _FOR_EVER,
        "X-Content-Type-Options": "nosniff",
        "Vary": "Accept-Encoding",
    }
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        return Response(file.zipped, headers=headers, media_type=file.media_type)
    return Response(file.content, headers=headers, media_type=file.media_type)
