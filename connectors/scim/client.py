"""Requests to a SCIM service provider, and what its answers mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import quote

import orjson
from aiohttp import ClientResponse, ClientSession

from connectors.answers import down, reaching
from connectors.base import DestinationGone, UpdateRejected

MEDIA_TYPE = "application/scim+json"
_ANSWER_BYTES = 1_000_000
_PAGE, _MOST_PAGES = 200, 250  # while looking through a list that can't be filtered
# Refusals of a moment, or of everybody: a token that ran out is renewed, and then all may go on.
_LATER = frozenset({401, 403, 408, 425, 429})
# A user as the service provider has it: tolerant of all that the standard does not say.
User = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the service provider says it can do. Source: RFC 7643, 5."""

    patch: bool
    filter: bool
    etag: bool


# Of one that says nothing: what RFC 7644 has first, and no conditions.
_UNSAID = Capabilities(patch=True, filter=True, etag=False)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: Any  # parsed JSON, or None


class ScimClient:
    """Users of one service provider."""

    def __init__(
        self, url: str, token: str, http: ClientSession, clock: Callable[[], datetime]
    ) -> None:
        self._url = url.rstrip("/")
        self._http = http
        self._clock = clock
        self._headers = {
            "Authorization": f"Bearer {token}",
            "Accept": MEDIA_TYPE,
            "Accept-Encoding": "identity",
        }
        self._known: Capabilities | None = None

    async def capabilities(self) -> Capabilities:
        """Asked once."""
        if self._known is None:
            answer = await self._ask("GET", "/ServiceProviderConfig", ok=(404, 501))
            self._known = _capabilities(answer.body) if answer.status == 200 else _UNSAID
        return self._known

    async def find(self, subject: str) -> User | None:
        """The user whose externalId, or else userName, is `subject`."""
        if not (await self.capabilities()).filter:
            return await self._look_through(subject)
        for name in ("externalId", "userName"):
            # 400 invalidFilter and 501: this attribute can't be looked for.
            asked = quote(f'{name} eq "{subject}"', safe="")
            answer = await self._ask("GET", f"/Users?filter={asked}", ok=(400, 404, 501))
            if found := _of_subject(answer.body, subject):
                return found
        return None

    async def create(self, body: Mapping[str, Any]) -> int:
        """Answers the status: 201, or 409 when a user of that name is there already."""
        return (await self._ask("POST", "/Users", body, ok=(409,))).status

    async def patch(self, user: User, body: Mapping[str, Any]) -> int | None:
        """Answers the status; None when the user has changed or gone meanwhile, or can't be
        patched here after all: look again.
        """
        status = await self._modify("PATCH", user, body, ok=(405, 501))
        if status in (405, 501):
            self._known = replace(await self.capabilities(), patch=False)
            return None
        return status

    async def put(self, user: User, body: Mapping[str, Any]) -> int | None:
        """Replace a user, whole. Answers as `patch` does."""
        return await self._modify("PUT", user, body)

    async def _modify(
        self, method: str, user: User, body: Mapping[str, Any], ok: tuple[int, ...] = ()
    ) -> int | None:
        meta = user.get("meta")
        version = meta.get("version") if isinstance(meta, dict) else None
        guarded = isinstance(version, str) and (await self.capabilities()).etag
        headers = {"If-Match": str(version)} if guarded else {}
        path = f"/Users/{quote(user['id'], safe='')}"
        answer = await self._ask(method, path, body, ok=(404, 412, *ok), headers=headers)
        return None if answer.status in (404, 412) else answer.status

    async def _look_through(self, subject: str) -> User | None:
        """Page by page. Raises UpdateRejected when there are too many users for that."""
        start = 1
        for _ in range(_MOST_PAGES):
            answer = await self._ask("GET", f"/Users?startIndex={start}&count={_PAGE}")
            if found := _of_subject(answer.body, subject):
                return found
            got = len(_resources(answer.body))
            start += got
            if not got or start > _total(answer.body):
                return None
        raise UpdateRejected("too_many_users")

    async def _ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        ok: tuple[int, ...] = (),
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request. Raises what `Connector.deliver` does, except for 2xx and `ok`."""
        sent = {**self._headers, **(headers or {})}
        data = None
        if body is not None:
            data, sent["Content-Type"] = orjson.dumps(body), MEDIA_TYPE
        with reaching():
            async with self._http.request(
                method, self._url + path, data=data, headers=sent, allow_redirects=False
            ) as response:
                raw = await _read(response)
        status = response.status
        if 200 <= status < 300 or status in ok:
            return Answer(status, response.headers, _parsed(raw, status))
        if status == 410:
            raise DestinationGone("gone", http_status=status)
        if 400 <= status < 500 and status not in _LATER:
            raise UpdateRejected(f"http_{status}", http_status=status)
        raise down(status, response.headers, self._clock())


async def _read(response: ClientResponse) -> bytes:
    parts: list[bytes] = []
    left = _ANSWER_BYTES
    async for chunk in response.content.iter_any():
        left -= len(chunk)
        if left < 0:
            response.close()
            raise UpdateRejected("answer_too_long", http_status=response.status)
        parts.append(chunk)
    return b"".join(parts)


def _parsed(raw: bytes, status: int) -> Any:
    """Raises UpdateRejected for a success that is not JSON: something else answers there."""
    if not raw:
        return None
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        if status >= 300:
            return None
        raise UpdateRejected("not_scim", http_status=status) from None


def _capabilities(body: Any) -> Capabilities:
    """What is not said is not there; tolerant of all else that stands in the document."""

    def supported(name: str) -> bool:
        part = body.get(name) if isinstance(body, dict) else None
        return isinstance(part, dict) and part.get("supported") is True

    return Capabilities(supported("patch"), supported("filter"), supported("etag"))


def _resources(body: Any) -> list[Any]:
    found = body.get("Resources") if isinstance(body, dict) else None
    return found if isinstance(found, list) else []


def _total(body: Any) -> int:
    total = body.get("totalResults") if isinstance(body, dict) else None
    return total if isinstance(total, int) else 0


def _of_subject(body: Any, subject: str) -> User | None:
    """The user of that name in a list: a receiver that ignores the filter can't mislead us."""
    for name in ("externalId", "userName"):
        for user in _resources(body):
            if isinstance(user, dict) and user.get(name) == subject:
                if not isinstance(user.get("id"), str) or not user["id"]:
                    raise UpdateRejected("not_scim")
                return user
    return None
