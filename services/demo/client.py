"""Calls to a hub's HTTP API that wait out what passes: 503, 429, a hub that is away."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from typing import Any, Final

import httpx
import orjson

from services.common.errors import DependencyDown, TerminalError
from services.common.log import get_logger

log = get_logger("demo")
_COME_AGAIN: Final = frozenset({429, 502, 503, 504})
_AT_ONCE: Final = 12
_LONGEST_WAIT_S: Final = 15.0


class Refused(TerminalError):
    """The hub refuses a call; the same call will be refused again."""

    def __init__(self, what: str, status: int, detail: str) -> None:
        super().__init__(f"{what} was refused with HTTP {status}: {detail}")
        self.status = status


class HubClient:
    """One hub. A few calls at once, each tried until `patience_s` have passed."""

    def __init__(self, http: httpx.AsyncClient, *, patience_s: float = 120.0) -> None:
        self._http = http
        self._patience_s = patience_s
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._ends: dict[str, int] = {}

    async def call(
        self,
        method: str,
        path: str,
        token: str | None = None,
        *,
        body: object = None,
        files: Mapping[str, tuple[str | None, bytes]] | None = None,
    ) -> Any:
        """The answer's JSON. Raises Refused, and DependencyDown when patience ends."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = orjson.dumps(body)
        async with self._slots:
            answer = await self._tried(method, path, headers, content, files)
        if answer.is_success:
            return answer.json()
        raise Refused(f"{method} {path}", answer.status_code, _detail(answer))

    async def _tried(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        content: bytes | None,
        files: Mapping[str, tuple[str | None, bytes]] | None,
    ) -> httpx.Response:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._patience_s
        wait_s, why = 0.25, ""
        while loop.time() < deadline:
            try:
                answer = await self._http.request(
                    method, path, headers=headers, content=content, files=files
                )
            except httpx.TransportError as error:
                why = repr(error)
            else:
                if answer.status_code not in _COME_AGAIN:
                    return answer
                why = f"HTTP {answer.status_code}"
                asked = answer.headers.get("retry-after", "")
                wait_s = max(wait_s, float(asked)) if asked.isdigit() else wait_s
            log.info("waiting for the hub", path=path, why=why, wait_s=wait_s)
            await asyncio.sleep(min(wait_s, _LONGEST_WAIT_S))
            wait_s = min(wait_s * 2, _LONGEST_WAIT_S)
        raise DependencyDown(f"the hub does not take {method} {path}: {why}")

    async def post_events(self, token: str, events: Sequence[Mapping[str, Any]]) -> Counter[str]:
        """Send events of one author in order; how many were accepted, duplicate or conflict.

        Raises Refused when one is invalid or not the author's to send.
        """
        answer = await self.call("POST", "/v1/events", token, body={"events": events})
        counts = Counter[str](answer["counts"])
        if bad := counts.keys() - {"accepted", "duplicate", "conflict"}:
            refused = zip(events, answer["results"], strict=True)
            first = next((e, r) for e, r in refused if r["status"] in bad)
            raise Refused(f"event {first[0]['type']}", 207, str(first[1].get("errors")))
        for result in answer["results"]:
            if position := result.get("position"):
                place, _, offset = position.rpartition(":")
                self._ends[place] = max(int(offset), self._ends.get(place, 0))
        return counts

    async def wait_until_read(self, token: str) -> None:
        """Return when the hub's readers have all that was sent by `post_events`.

        Raises DependencyDown when patience ends.
        """
        for place, offset in self._ends.items():
            await self.call("GET", f"/v1/grants?limit=1&after={place}:{offset}", token)


async def together(calls: Iterable[Coroutine[Any, Any, None]]) -> None:
    """All of them at once; the first failure ends the rest and is raised as it is."""
    tasks = [asyncio.create_task(call) for call in calls]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


def _detail(answer: httpx.Response) -> str:
    try:
        body = answer.json()
        return f"{body.get('detail')} {body.get('errors', '')}".strip()
    except ValueError:
        return answer.text[:200]
