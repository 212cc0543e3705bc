"""Sends events to a hub: `Client`, and `AsyncClient` for asyncio."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from connectors.sdk.answers import Result, Results
from connectors.sdk.encoding import Encoded, Event, Limits, batches, encoded
from connectors.sdk.errors import SendError
from connectors.sdk.protocol import Call, Key, Protocol, Reply, Talk, with_progress
from connectors.sdk.retrying import RetryPolicy
from schemas.edge import EdgeEvent

_PATH = "/v1/events"
_IDEMPOTENCY_KEY = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,200}")
# A hub closes what is idle for 5 s; be first, or a call may meet the close.
_POOL = httpx.Limits(max_connections=10, keepalive_expiry=3)


def key_from_file(path: str | Path) -> Callable[[], str]:
    """A key that is read before each call, so that a new one needs no restart."""

    def key() -> str:
        return Path(path).read_text().strip()

    return key


class _Shared:
    def __init__(
        self, url: str, key: Key, retry: RetryPolicy | None, limits: Limits | None
    ) -> None:
        if httpx.URL(url).scheme not in ("http", "https"):
            raise ValueError(f"{url!r} is not a hub's URL: write it as https://hub.example")
        self._url = url.rstrip("/") + _PATH
        self._protocol = Protocol(key, retry or RetryPolicy())
        self._limits = limits or Limits()

    def _batches(self, events: Iterable[Event]) -> Iterator[list[Encoded]]:
        return batches(map(encoded, events), self._limits)

    def _single_call(self, events: Sequence[Encoded], key: str) -> list[Encoded]:
        """Raises ValueError when they do not fit one call, or the key is none."""
        if not _IDEMPOTENCY_KEY.fullmatch(key):
            raise ValueError("an Idempotency-Key has 1 to 200 printable characters, no quotes")
        cut = list(batches(events, self._limits))
        if len(cut) != 1:
            raise ValueError(f"an Idempotency-Key is for one call; these make {len(cut)}")
        return cut[0]


def _listed(events: Event | Iterable[Event]) -> list[Encoded]:
    """Raises InvalidEvent before anything is sent."""
    one = isinstance(events, (EdgeEvent, Mapping))
    several: Any = [events] if one else events
    return [encoded(event) for event in several]


class Client(_Shared):
    """Use it as a context manager, or close it.

    url: the hub's, such as https://hub.example. key: a token, or a function that answers it.
    timeout_s: of each call. http: a client of your own, with proxies or certificates; not closed.
    """

    def __init__(
        self,
        url: str,
        key: Key,
        *,
        timeout_s: float = 20.0,
        retry: RetryPolicy | None = None,
        limits: Limits | None = None,
        http: httpx.Client | None = None,
    ) -> None:
        super().__init__(url, key, retry, limits)
        self._http = http or httpx.Client(timeout=timeout_s, limits=_POOL)
        self._owned = http is None

    def send(
        self, events: Event | Iterable[Event], *, idempotency_key: str | None = None
    ) -> Results:
        """Send one event or many, in order, and wait until the hub has each on its log or refuses.

        An event without `event_id` or `source_event_id` is given an id, the same for every retry.
        idempotency_key: for what fits one call; the same call again then gets the same answer.
        Raises InvalidEvent before anything is sent, and SendError, whose `unsent` can be sent
        again.
        """
        items = _listed(events)
        if idempotency_key is not None:
            return Results(self._run(self._single_call(items, idempotency_key), idempotency_key))
        done: list[Result] = []
        for batch in batches(items, self._limits):
            try:
                done += self._run(batch)
            except SendError as error:
                with_progress(error, done, items[len(done) :])
                raise
        return Results(done)

    def stream(self, events: Iterable[Event]) -> Iterator[Result]:
        """Send as many events as there are, with one batch in memory; a result for each, in order.

        Raises as `send` does; `unsent` is then the batch that did not go through.
        """
        for batch in self._batches(events):
            try:
                yield from self._run(batch)
            except SendError as error:
                with_progress(error, (), batch)
                raise

    def check(self) -> None:
        """Raises SendError unless the hub is there and takes the key."""
        self._drive(self._protocol.check())

    def _run(self, batch: Sequence[Encoded], idempotency_key: str | None = None) -> list[Result]:
        return self._drive(self._protocol.deliver(batch, idempotency_key))

    def _drive(self, talk: Talk) -> list[Result]:
        reply: Reply = None
        while True:
            try:
                step = talk.send(reply)
            except StopIteration as end:
                found: list[Result] = end.value
                return found
            if isinstance(step, Call):
                reply = self._post(step)
            else:
                time.sleep(step.seconds)
                reply = None

    def _post(self, call: Call) -> Reply:
        try:
            return self._http.post(self._url, content=call.body, headers=call.headers)
        except httpx.TransportError as error:
            return error

    def close(self) -> None:
        if self._owned:
            self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class AsyncClient(_Shared):
    """The same for asyncio; arguments as for `Client`."""

    def __init__(
        self,
        url: str,
        key: Key,
        *,
        timeout_s: float = 20.0,
        retry: RetryPolicy | None = None,
        limits: Limits | None = None,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        super().__init__(url, key, retry, limits)
        self._http = http or httpx.AsyncClient(timeout=timeout_s, limits=_POOL)
        self._owned = http is None

    async def send(
        self, events: Event | Iterable[Event], *, idempotency_key: str | None = None
    ) -> Results:
        """As `Client.send`."""
        items = _listed(events)
        if idempotency_key is not None:
            return Results(
                await self._run(self._single_call(items, idempotency_key), idempotency_key)
            )
        done: list[Result] = []
        for batch in batches(items, self._limits):
            try:
                done += await self._run(batch)
            except SendError as error:
                with_progress(error, done, items[len(done) :])
                raise
        return Results(done)

    async def stream(self, events: Iterable[Event]) -> AsyncIterator[Result]:
        """As `Client.stream`."""
        for batch in self._batches(events):
            try:
                results = await self._run(batch)
            except SendError as error:
                with_progress(error, (), batch)
                raise
            for result in results:
                yield result

    async def send_encoded(self, batch: Sequence[Encoded]) -> Results:
        """Send what is encoded already, in one call unless the hub asks for smaller ones."""
        return Results(await self._run(batch))

    async def check(self) -> None:
        """As `Client.check`."""
        await self._drive(self._protocol.check())

    async def _run(
        self, batch: Sequence[Encoded], idempotency_key: str | None = None
    ) -> list[Result]:
        return await self._drive(self._protocol.deliver(batch, idempotency_key))

    async def _drive(self, talk: Talk) -> list[Result]:
        reply: Reply = None
        while True:
            try:
                step = talk.send(reply)
            except StopIteration as end:
                found: list[Result] = end.value
                return found
            if isinstance(step, Call):
                reply = await self._post(step)
            else:
                await asyncio.sleep(step.seconds)
                reply = None

    async def _post(self, call: Call) -> Reply:
        try:
            return await self._http.post(self._url, content=call.body, headers=call.headers)
        except httpx.TransportError as error:
            return error

    async def close(self) -> None:
        if self._owned:
            await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()
