"""The relay: sends what an outbox holds, in order, and marks it once the hub has it on its log.

Killed at any point, it sends again what it had not marked; the ids are the same, so the hub answers
`duplicate` and the event is on its log once.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import random
from typing import Any

from connectors.sdk.answers import Result
from connectors.sdk.client import AsyncClient
from connectors.sdk.encoding import Encoded, Limits, batches
from connectors.sdk.errors import NotAuthorised, OutboxProblem, SendError
from connectors.sdk.relay.store import Aside, OutboxAway, Sent, Store, Turn, Waiting
from connectors.sdk.retrying import RetryPolicy

log = logging.getLogger("throughline.relay")

# A turn makes one attempt; the relay itself waits between them, without holding the turn.
ONE_TRY = RetryPolicy(give_up_after_s=0)
_PATIENT = RetryPolicy(first_s=0.5, longest_s=60.0)
_WHILE_ANOTHER_HAS_IT_S = 0.2
_LOGGED_PROBLEM = 500  # characters


@dataclass(frozen=True, slots=True)
class RelaySettings:
    """How the relay goes about it."""

    limits: Limits = field(default_factory=Limits)
    # New rows wake the relay; this is how late it finds them when that fails.
    poll_s: float = 5.0
    retry: RetryPolicy = _PATIENT
    keep: timedelta = timedelta(days=7)  # of what was sent, its content apart
    purge_every_s: float = 3600.0
    report_every_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Turned:
    """What one turn did. `ours` is False when another relay had the turn."""

    ours: bool = True
    counts: Mapping[str, int] | None = None

    @property
    def done(self) -> int:
        return sum((self.counts or {}).values())


class Relay:
    """Relays one outbox to one hub. Any number may run: one at a time has the turn.

    The client should make one try per call (`retry=ONE_TRY`); the relay waits and tries again.
    """

    def __init__(
        self, store: Store, client: AsyncClient, settings: RelaySettings | None = None
    ) -> None:
        self._store = store
        self._client = client
        self._settings = settings or RelaySettings()
        self._totals: Counter[str] = Counter()
        self._checked = False
        self._failed = 0
        # Halved by a failure: a turn whose calls together last too long must not begin again as it
        # was, time after time. One event is one call, which ends in time.
        self._take = self._settings.limits.events
        self._purged_at_s: float | None = None
        self._reported_at_s = time.monotonic()

    async def turn(self) -> Turned:
        """Send one batch of what waits. Raises SendError and OutboxProblem, with nothing marked."""
        began_s = time.monotonic()
        async with self._store.turn(self._take) as turn:
            if turn is None:
                return Turned(ours=False)
            if not turn.waiting:
                return Turned()
            counts = await self._one_batch(turn)
        self._totals.update(counts)
        took_ms = (time.monotonic() - began_s) * 1000
        log.debug("turn %s took_ms=%.0f", _words(counts), took_ms)
        return Turned(counts=counts)

    async def _one_batch(self, turn: Turn) -> Counter[str]:
        ready, aside = _sorted_out(turn.waiting)
        sent: list[Sent] = []
        if ready:
            fitting = next(batches(ready.values(), self._settings.limits))
            results = await self._client.send_encoded(fitting)
            for row_id, result in zip(ready, results, strict=False):
                if result.taken:
                    sent.append(Sent(row_id, result.status.value, result.position))
                else:
                    aside.append(Aside(row_id, _problem(result)))
        await turn.mark(sent, aside)
        for refused in aside:
            log.warning("set aside id=%d: %s", refused.id, refused.problem[:_LOGGED_PROBLEM])
        return Counter([*(s.outcome for s in sent), *("set_aside" for _ in aside)])

    async def drain(self) -> Mapping[str, int]:
        """Send until nothing waits, and answer the counts. Raises SendError, OutboxProblem."""
        before = self._totals.copy()
        while True:
            turned = await self.turn()
            if not turned.ours:
                await asyncio.sleep(_WHILE_ANOTHER_HAS_IT_S)
            elif turned.done == 0:
                return self._totals - before

    async def run(self, stop: asyncio.Event) -> None:
        """Relay until `stop` is set, waiting out every outage of the hub and of the database.

        Raises OutboxProblem for what waiting does not mend: no table, another version, no rights.
        """
        while not stop.is_set():
            pause = await self._tried()
            await self._report_when_due()
            if pause is not None:
                await _first(stop, pause)
        await self._report()

    async def _tried(self) -> asyncio.Future[None] | None:
        """One turn; what to wait for before the next, or None when there is more to do."""
        try:
            if not self._checked:
                await self._store.check()
                self._checked = True
            turned = await self.turn()
            await self._purge_when_due()
        except (SendError, OutboxProblem) as error:
            if not may_pass(error):
                raise
            return asyncio.ensure_future(asyncio.sleep(self._after(error)))
        self._failed = 0
        self._take = min(self._settings.limits.events, 2 * self._take)
        if not turned.ours:
            return asyncio.ensure_future(asyncio.sleep(_WHILE_ANOTHER_HAS_IT_S))
        if turned.done == 0:
            return asyncio.ensure_future(self._store.news(self._settings.poll_s))
        return None

    def _after(self, error: Exception) -> float:
        """How long to wait after this failure, in seconds."""
        self._failed += 1
        self._take = max(1, self._take // 2)
        asked_s = getattr(error, "retry_after_s", None)
        wait_s = self._settings.retry.wait_s(self._failed, asked_s, random())  # noqa: S311
        severity = logging.ERROR if isinstance(error, NotAuthorised) else logging.WARNING
        kind = type(error).__name__
        log.log(
            severity, "failed %d times, again in %.1f s: %s: %s", self._failed, wait_s, kind, error
        )
        return wait_s

    async def _purge_when_due(self) -> None:
        now_s = time.monotonic()
        due_s = self._settings.purge_every_s
        if self._purged_at_s is None or now_s - self._purged_at_s >= due_s:
            purged = await self._store.purge(self._settings.keep)
            self._purged_at_s = now_s
            log.log(logging.INFO if purged else logging.DEBUG, "purged rows=%d", purged)

    async def _report_when_due(self) -> None:
        if time.monotonic() - self._reported_at_s >= self._settings.report_every_s:
            await self._report()

    async def _report(self) -> None:
        """One line of numbers since the start, and what waits unless the database is away."""
        self._reported_at_s = time.monotonic()
        try:
            backlog = await self._store.backlog()
        except OutboxProblem as error:
            log.info("relay %s; %s", _words(self._totals), error)
            return
        oldest = backlog.oldest_put_at
        age_s = 0.0 if oldest is None else (datetime.now(UTC) - oldest).total_seconds()
        log.info(
            "relay %s waiting=%d oldest_waiting_s=%.1f",
            _words(self._totals),
            backlog.waiting,
            age_s,
        )


def may_pass(error: Exception) -> bool:
    """Whether waiting may mend it: an outage, or a key that is put right in its file."""
    return isinstance(error, (SendError, OutboxAway))


def _sorted_out(waiting: Sequence[Waiting]) -> tuple[dict[int, Encoded], list[Aside]]:
    """Rows by id that are an event, and those that are not: the table takes any text."""
    ready: dict[int, Encoded] = {}
    aside: list[Aside] = []
    for row in waiting:
        problem = ""
        try:
            event = json.loads(row.text)
        except (ValueError, TypeError, RecursionError) as error:
            problem = f"is not JSON: {error}"
        else:
            if not isinstance(event, dict):
                problem = "is not a JSON object"
            elif not event.get("event_id") and not event.get("source_event_id"):
                problem = "has no event_id or source_event_id: sent twice, it would be two events"
        if problem:
            aside.append(Aside(row.id, problem))
        else:
            ready[row.id] = Encoded(event, row.text.encode())
    return ready, aside


def _problem(result: Result) -> str:
    said = "; ".join(str(problem) for problem in result.problems)
    return f"{result.status}: {said}"[:4000]


def _words(counts: Mapping[str, int]) -> str:
    return " ".join(
        f"{name}={counts.get(name, 0)}" for name in ("accepted", "duplicate", "set_aside")
    )


async def _first(stop: asyncio.Event, pause: asyncio.Future[None]) -> None:
    """Wait for either; raises what `pause` raises unless waiting may mend it."""
    stopped = asyncio.ensure_future(stop.wait())
    both: list[asyncio.Future[Any]] = [stopped, pause]
    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    error = pause.exception() if pause.done() else None
    for waited in both:
        waited.cancel()
    await asyncio.gather(*both, return_exceptions=True)
    if error is not None and not (isinstance(error, Exception) and may_pass(error)):
        raise error
