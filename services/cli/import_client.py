"""Speaks to a hub's `/v1/imports`: sends files, follows imports, fetches refused rows."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from services.cli.exits import NotFound, Refused
from services.common.errors import DependencyDown

OVER = ("done", "failed", "cancelled")
_TRIES = 3  # of an upload, when the connection breaks
_PATIENCE_S = 120.0  # with a hub that stops answering while an import runs
_POLL_S = 0.5
_TIMEOUT = httpx.Timeout(30, read=300, write=300)


class ImportClient:
    """One hub, with a key."""

    def __init__(self, url: str, key: str, *, transport: httpx.BaseTransport | None = None) -> None:
        headers = {"Authorization": f"Bearer {key}"}
        self._url = url
        self._http = httpx.Client(
            base_url=url, headers=headers, timeout=_TIMEOUT, transport=transport
        )

    def __enter__(self) -> ImportClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def send(
        self, file: Path, mapping: str, tables: Mapping[str, Path], *, dry_run: bool
    ) -> dict[str, Any]:
        """Upload. A connection that breaks is tried again: what arrived in part is not kept.

        Raises NotFound for a missing file, Refused with what the hub says, DependencyDown.
        """
        given = Path(mapping)
        text = given.read_text(encoding="utf-8") if given.is_file() else mapping
        data = {"mapping": text, "sha256": sha256_of(file)}
        paths = {"file": file, **{f"lookup.{name}": path for name, path in tables.items()}}
        params = {"dry_run": str(dry_run).lower()}
        for tries in range(1, _TRIES + 1):
            with ExitStack() as stack:
                files = {
                    name: (path.name, stack.enter_context(path.open("rb")), "text/csv")
                    for name, path in paths.items()
                }
                try:
                    answer = self._call(
                        "POST", "/v1/imports", params=params, files=files, data=data
                    )
                    return dict(answer.json())
                except DependencyDown:
                    if tries == _TRIES:
                        raise
            time.sleep(tries)
        raise AssertionError("not reached")

    def follow(self, place: str, show: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        """Ask until it is over, showing each answer. Raises DependencyDown when nobody answers."""
        answered_at = time.monotonic()
        while True:
            try:
                account = dict(self._call("GET", place).json())
                answered_at = time.monotonic()
                show(account)
                if account["state"] in OVER:
                    return account
            except DependencyDown:
                if time.monotonic() - answered_at > _PATIENCE_S:
                    raise
            time.sleep(_POLL_S)

    def save_rejected(self, account: Mapping[str, Any], target: Path) -> None:
        """Only its owner may read the file: it holds what stands about people."""
        part = target.with_name(f"{target.name}.part")
        with self._http.stream("GET", account["rejected"]) as answer:
            if answer.is_error:
                answer.read()
            good(answer)
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as f:
                for chunk in answer.iter_bytes():
                    f.write(chunk)
        part.replace(target)

    def cancel(self, import_id: str) -> None:
        self._call("DELETE", f"/v1/imports/{import_id}")

    def page(self, limit: int) -> list[dict[str, Any]]:
        return list(self._call("GET", "/v1/imports", params={"limit": limit}).json()["imports"])

    def _call(self, method: str, path: str, **more: Any) -> httpx.Response:
        try:
            return good(self._http.request(method, path, **more))
        except httpx.TransportError as error:
            raise DependencyDown(f"the hub at {self._url} does not answer") from error


def good(answer: httpx.Response) -> httpx.Response:
    """Raises NotFound, DependencyDown or Refused, with what the hub says of it."""
    if answer.is_success:
        return answer
    try:
        body = answer.json()
    except ValueError:
        body = {}
    said = [str(body.get("detail") or f"HTTP {answer.status_code}")]
    for error in body.get("errors", []):
        said.append(" ".join(str(error.get(n, "")) for n in ("field", "problem", "fix")).strip())
    text = "\n  ".join(said)
    if answer.status_code == 404:
        raise NotFound(text)
    raise DependencyDown(text) if answer.status_code in (429, 502, 503, 504) else Refused(text)


def sha256_of(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
