"""The talk with the hub about one batch, without I/O: what to post, when to wait, what it said.

A generator decides and its driver does the I/O, so that the two clients share every decision.
"""

from __future__ import annotations

import gzip
import json
import random
import re
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import httpx

from connectors.sdk.answers import Result, Status, problems_of, results_of
from connectors.sdk.encoding import Encoded, body_of
from connectors.sdk.errors import (
    CallRefused,
    FieldProblem,
    HubUnavailable,
    NotAuthorised,
    SendError,
    UnexpectedAnswer,
)
from connectors.sdk.retrying import RetryPolicy, asked_wait_s

_LATER = frozenset({408, 425, 429})  # and every 5xx: all ids stay the same, so again is safe
# The call is refused for what one of its events is; alone, each is answered for itself.
_ABOUT_AN_EVENT = frozenset({400, 413, 422})
_KEY = re.compile(r"[\x21-\x7e]{1,500}")
_COMPRESS_OVER_BYTES = 2_000


@dataclass(frozen=True, slots=True)
class Call:
    """Post this."""

    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing for so long."""

    seconds: float


Reply = httpx.Response | httpx.TransportError | None
Talk = Generator[Call | Wait, Reply, list[Result]]
Key = str | Callable[[], str]


class Protocol:
    """How to send with one key. `key` may be a function, asked before each call."""

    def __init__(self, key: Key, retry: RetryPolicy) -> None:
        self._key = key
        self._retry = retry
        self._takes_gzip = False

    def deliver(self, batch: Sequence[Encoded], idempotency_key: str | None = None) -> Talk:
        """Send one batch. Raises SendError; what it raises says nothing about which events are on
        the log.
        """
        try:
            content = yield from self._call(body_of(batch), idempotency_key)
        except CallRefused as refusal:
            if refusal.http_status not in _ABOUT_AN_EVENT or idempotency_key is not None:
                raise
            if len(batch) == 1:
                problem = FieldProblem("", f"was refused alone with {refusal}")
                return [Result(batch[0].event, Status.INVALID, problems=(problem,))]
            half = len(batch) // 2
            first = yield from self.deliver(batch[:half])
            return first + (yield from self.deliver(batch[half:]))
        return results_of(content, batch)

    def check(self) -> Talk:
        """Ask whether the hub is there and takes the key: a call without events, refused as such.

        Raises SendError otherwise.
        """
        try:
            yield from self._call(body_of(()), None)
        except CallRefused as refusal:
            if refusal.http_status == 422:
                return []
            raise
        raise UnexpectedAnswer("a call without events was taken: is the URL a hub's?")

    def _call(self, body: bytes, idempotency_key: str | None) -> Generator[Call | Wait, Reply, Any]:
        began_s = time.monotonic()
        for failed in count(1):
            reply = yield self._request(body, idempotency_key)
            error = _for_later(reply)
            if error is None:
                assert isinstance(reply, httpx.Response)
                self._takes_gzip = "gzip" in reply.headers.get("accept-encoding", "")
                return _content_of(reply)
            wait_s = self._retry.wait_s(failed, error.retry_after_s, random.random())  # noqa: S311
            if time.monotonic() + wait_s - began_s > self._retry.give_up_after_s:
                raise error
            yield Wait(wait_s)
        raise AssertionError("count() has no end")

    def _request(self, body: bytes, idempotency_key: str | None) -> Call:
        try:
            key = self._key if isinstance(self._key, str) else self._key()
        except OSError as error:
            raise NotAuthorised(f"the key can't be read: {error}") from error
        if not _KEY.fullmatch(key):
            # Not shown: it may be a good key with a bad end.
            raise NotAuthorised("the key is empty, or has blanks or letters that no key has")
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        if idempotency_key is not None:
            headers["Idempotency-Key"] = f'"{idempotency_key}"'
        # A server says in an answer what it takes in a request. Source: RFC 9110, 12.5.3.
        if self._takes_gzip and len(body) > _COMPRESS_OVER_BYTES:
            return Call(gzip.compress(body, 1), {**headers, "Content-Encoding": "gzip"})
        return Call(body, headers)


def _for_later(reply: Reply) -> HubUnavailable | None:
    """Why the call may work later, or None when the reply is final."""
    if not isinstance(reply, httpx.Response):
        kind = type(reply).__name__
        return HubUnavailable(f"the hub does not answer: {kind} {reply}".rstrip())
    # 409 to a whole call: the same one is still under way, and this says when to ask again.
    under_way = reply.status_code == 409 and "retry-after" in reply.headers
    if under_way or reply.status_code in _LATER or reply.status_code >= 500:
        asked_s = asked_wait_s(reply.headers.get("retry-after"))
        said = f"the hub asks to come later: HTTP {reply.status_code} {_detail(reply)}".rstrip()
        return HubUnavailable(said, retry_after_s=asked_s)
    return None


def _content_of(reply: httpx.Response) -> Any:
    """The JSON of an answer that is final. Raises SendError."""
    status = reply.status_code
    if status in (200, 202, 207):
        try:
            return json.loads(reply.content)
        except ValueError:
            raise UnexpectedAnswer("the answer is not JSON: is the URL a hub's?") from None
    if status in (401, 403):
        raise NotAuthorised(f"the hub does not take this key: HTTP {status} {_detail(reply)}")
    if 300 <= status < 400:
        there = reply.headers.get("location", "elsewhere")
        raise UnexpectedAnswer(f"HTTP {status} points to {there}: give the SDK that URL")
    raise CallRefused(status, _detail(reply) or "without a reason")


def _detail(reply: httpx.Response) -> str:
    """What a problem+json answer says; nothing of pages that others answer with."""
    try:
        content = json.loads(reply.content)
        said = [str(content.get("detail", "")), *map(str, problems_of(content))]
    except (ValueError, AttributeError, KeyError, TypeError):
        return ""
    return " ".join(part for part in said if part)[:1000]


def with_progress(error: SendError, results: Sequence[Result], unsent: Sequence[Encoded]) -> None:
    """Note on the error how far the call came."""
    error.results = tuple(results)
    error.unsent = tuple(item.event for item in unsent)
