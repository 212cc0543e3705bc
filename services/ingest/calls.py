"""`Idempotency-Key`: the same call again has no further effect, and gets the same answer."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any
from uuid import uuid4

import orjson
from fastapi import Response

from services.common import tasks
from services.common.clock import Clock, utc_now
from services.common.errors import Problem
from services.common.log import get_logger
from services.common.postgres import AWAY
from services.common.vault import Vault
from services.ingest.call_store import Call, CallStore, KeptAnswer
from services.ingest.settings import IngestSettings

log = get_logger("ingest")
_RETRY_AFTER = {"Retry-After": "2"}


def fingerprint(vault: Vault, kind: str, attributes: Mapping[str, str], body: bytes) -> bytes:
    """What makes two calls the same: media type, attributes, and each byte of the plain body."""
    said = orjson.dumps(attributes, option=orjson.OPT_SORT_KEYS).decode()
    return vault.blind_index("call", kind, said, hashlib.sha256(body).hexdigest())


def response(answer: KeptAnswer, **headers: str) -> Response:
    return Response(answer.body, answer.status, headers, media_type=answer.media_type)


class Calls:
    """Answers of calls that came with a key, kept for a day, sealed: refusals repeat what came."""

    def __init__(
        self, store: CallStore, vault: Vault, own: IngestSettings, *, clock: Clock = utc_now
    ) -> None:
        self._store, self._vault, self._own, self._clock = store, vault, own, clock

    async def once(self, call: Call, act: Callable[[], Awaitable[KeptAnswer]]) -> Response:
        """Do it, or answer what was answered before.

        What raises (log or database away, too much to do) is not kept: the same call may be made
        again. It may have had its effect, though, so `act` must write the same ids each time.
        Raises Problem 409 while the same call is under way, 422 for another body under the key,
        429 for too many keys in a day.
        """
        now, holder = self._clock(), uuid4()
        if not await self._store.begin(call, holder, now, self._own):
            return await self._again(call)
        try:
            answer = await act()
            sealed = self._vault.seal_secret(_name(call), answer.body)
            await self._store.finish(call, holder, replace(answer, body=sealed))
        except BaseException:
            # Away, or this caller is gone: then the hold ends by itself.
            with contextlib.suppress(*AWAY):
                await asyncio.shield(self._store.release(call, holder))
            raise
        return response(answer)

    async def _again(self, call: Call) -> Response:
        found = await self._store.find(call)
        if found is None:
            most = self._own.calls_kept
            detail = f"At most {most:,} keys are kept for a day. Send without one: ids do as well."
            raise Problem(429, "too-many-keys", detail, headers={"Retry-After": "3600"})
        if found.fingerprint != call.fingerprint:
            detail = "This Idempotency-Key was used with another body. Use a new key."
            raise Problem(422, "idempotency-key-reused", detail)
        if found.answer is None:
            detail = "The call with this Idempotency-Key is still under way."
            raise Problem(409, "in-progress", detail, headers=_RETRY_AFTER)
        body = self._vault.open_secret(_name(call), found.answer.body)
        return response(replace(found.answer, body=body), **{"Idempotency-Replayed": "true"})

    @contextlib.asynccontextmanager
    async def cleaning(self) -> AsyncIterator[None]:
        """Forget old calls now and then, while this is open."""
        async with tasks.running(self._clean(), "ingest calls"):
            yield

    async def _clean(self) -> None:
        while True:
            try:
                await self._store.forget(self._clock())
            except AWAY as error:
                log.warning("calls not cleaned", error=repr(error))
            await asyncio.sleep(self._own.calls_cleaned_every.total_seconds())


def _name(call: Call) -> str:
    return f"call\x1f{call.subject}\x1f{call.key}"


def kept(content: Any, status: int, media_type: str = "application/json") -> KeptAnswer:
    # PostgreSQL's driver has UUIDs of its own kind, which orjson doesn't know.
    return KeptAnswer(status, media_type, orjson.dumps(content, default=str))


def kept_problem(problem: Problem) -> KeptAnswer:
    return kept(problem.body(), problem.status, "application/problem+json")
