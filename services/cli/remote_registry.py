"""A schema registry of somebody else's, spoken to through Confluent's API.

Ids are kept in two ways. Confluent's own, Redpanda's and Karapace's take an id with a schema while
the subject is in the mode IMPORT. Apicurio accepts that call and ignores the id, so its contents
are imported under their ids first, through its admin API, and registered afterwards.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import quote, urlsplit, urlunsplit

import httpx

from services.cli.exits import Refused
from services.common.errors import DependencyDown, ThroughlineError
from services.registry.subjects import Registered

_CCOMPAT: Final = "/apis/ccompat/"
_TYPE: Final = "application/vnd.schemaregistry.v1+json"
_TIMEOUT_S: Final = 20.0


class RegistryProblem(ThroughlineError):
    """The registry answered something else than it should; the message has its own words."""


class RemoteRegistry:
    """Confluent's API of one registry. Calls raise DependencyDown, Refused, RegistryProblem."""

    def __init__(self, url: str, token: str | None = None) -> None:
        headers = {"Accept": _TYPE, **({"Authorization": f"Bearer {token}"} if token else {})}
        self.url = url.rstrip("/")
        self._http = httpx.Client(
            headers=headers, timeout=_TIMEOUT_S, transport=httpx.HTTPTransport(retries=2)
        )

    def close(self) -> None:
        self._http.close()

    def schema(self, schema_id: int) -> str | None:
        """The schema that the id stands for there."""
        found = self._ask(f"/schemas/ids/{schema_id}")
        return None if found is None else str(found["schema"])

    def subjects(self) -> frozenset[str]:
        return frozenset(_good(self._call("GET", "/subjects")).json())

    def versions(self, subject: str) -> Sequence[int]:
        return list(self._ask(f"/subjects/{_quoted(subject)}/versions") or ())

    def version(self, subject: str, version: int) -> int | None:
        """The id of a version there."""
        found = self._ask(f"/subjects/{_quoted(subject)}/versions/{version}")
        return None if found is None else int(found["id"])

    def register(self, entry: Registered, **identity: int) -> int:
        """Register a schema and answer its id there; `identity` may be id and version."""
        path = f"/subjects/{_quoted(entry.subject)}/versions"
        body = {"schema": entry.schema, "schemaType": "AVRO", **identity}
        answer = self._call("POST", path, json=body, headers={"Content-Type": _TYPE})
        return int(_good(answer).json()["id"])

    @contextmanager
    def importing(self, subject: str) -> Iterator[None]:
        """The subject in the mode IMPORT; what it was before comes back afterwards."""
        path = f"/mode/{_quoted(subject)}"
        before = self._ask(path)
        # A subject that has versions already is only put into this mode by force.
        force = {"force": "true"} if self.versions(subject) else {}
        _good(self._call("PUT", path, json={"mode": "IMPORT"}, params=force))
        try:
            yield
        finally:
            if before is None:
                after = self._call("DELETE", path)
                if after.status_code in {404, 405}:
                    after = self._call("PUT", path, json={"mode": "READWRITE"})
            else:
                after = self._call("PUT", path, json={"mode": before["mode"]})
            _good(after)

    def apicurio(self) -> Apicurio | None:
        """Its own API, when the registry is Apicurio."""
        parts = urlsplit(self.url)
        if _CCOMPAT not in parts.path:
            return None
        path = parts.path[: parts.path.index(_CCOMPAT)] + "/apis/registry/v3"
        return Apicurio(self._http, urlunsplit((parts.scheme, parts.netloc, path, "", "")))

    def _ask(self, path: str) -> Any:
        answer = self._call("GET", path)
        return None if answer.status_code == 404 else _good(answer).json()

    def _call(self, method: str, path: str, **more: Any) -> httpx.Response:
        return call(self._http, method, f"{self.url}{path}", **more)


class Apicurio:
    """The part of Apicurio's own API that keeps ids. Source: Apicurio Registry 3, Core API v3."""

    def __init__(self, http: httpx.Client, url: str) -> None:
        self._http = http
        self._url = url

    def import_contents(self, entries: Iterable[Registered]) -> None:
        """Put the schemas there under their ids, not yet under any subject. Idempotent."""
        answer = call(
            self._http,
            "POST",
            f"{self._url}/admin/import",
            params={"requireEmptyRegistry": "false"},
            headers={
                "Content-Type": "application/zip",
                "X-Registry-Preserve-GlobalId": "false",
                "X-Registry-Preserve-ContentId": "true",
            },
            content=archive(entries),
        )
        _good(answer)

    def content(self, schema_id: int) -> str | None:
        """What is under the id, registered or not."""
        answer = call(self._http, "GET", f"{self._url}/ids/contentIds/{schema_id}")
        return None if answer.status_code == 404 else _good(answer).text


def archive(entries: Iterable[Registered]) -> bytes:
    """An export of Apicurio 3 that holds contents alone."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        manifest = {"exportVersion": "3.0", "systemVersion": "3.0.0", "systemName": "Throughline"}
        packed.writestr("manifest-throughline.Manifest.json", json.dumps(manifest))
        for entry in entries:
            content = entry.schema.encode()
            digest = hashlib.sha256(content).hexdigest()
            described = {
                "contentId": entry.id,
                "contentHash": digest,
                "artifactType": "AVRO",
                "contentType": "application/json",
            }
            packed.writestr(f"content/{digest}.Content.json", json.dumps(described))
            packed.writestr(f"content/{digest}.Content.data", content)
    return out.getvalue()


def call(http: httpx.Client, method: str, url: str, **more: Any) -> httpx.Response:
    """Raises DependencyDown when nobody answers, or the server itself has failed."""
    try:
        answer = http.request(method, url, **more)
    except httpx.HTTPError as error:
        raise DependencyDown(f"the registry at {_bare(url)} does not answer: {error}") from error
    except httpx.InvalidURL as error:
        raise RegistryProblem(f"{url!r} is no address: {error}") from error
    if answer.status_code >= 500:
        raise DependencyDown(f"{_said(answer)}")
    return answer


def _good(answer: httpx.Response) -> httpx.Response:
    if answer.status_code in {401, 403}:
        raise Refused(f"{_said(answer)}: give --token, or name and password in the address")
    if not answer.is_success:
        raise RegistryProblem(_said(answer))
    return answer


def _said(answer: httpx.Response) -> str:
    words = " ".join(answer.text[:300].split())
    return f"{answer.request.method} {_bare(str(answer.url))} answers {answer.status_code} {words}"


def _bare(url: str) -> str:
    """The address without a password."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _quoted(subject: str) -> str:
    return quote(subject, safe="")
