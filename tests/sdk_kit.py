"""For tests of the producer SDK: events, and a hub in memory that keeps the real one's rules."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx

from connectors.sdk.events import TrainingCompleted

WHEN = datetime(2026, 5, 3, 10, 0, tzinfo=UTC)
Fault = Callable[[httpx.Request], httpx.Response | None]


def completed(number: int | str = 1, person: int | str = 1, **fields: Any) -> TrainingCompleted:
    """One typed event, without an id of its own unless one is given."""
    said = {
        "source_event_id": f"final-{number}",
        "source_record_id": f"p-{person}",
        "occurred_at": WHEN,
        "enrolment_id": f"e-{number}",
        "course_id": "forklift",
        "provider_id": "river-college",
        "result": "PASSED",
    }
    return TrainingCompleted(**said | fields)


def plain(number: int | str = 1, person: int | str = 1) -> dict[str, Any]:
    """The same as JSON."""
    return {
        "type": "TrainingCompleted",
        "source_event_id": f"final-{number}",
        "source_record_id": f"p-{person}",
        "occurred_at": "2026-05-03T10:00:00Z",
        "enrolment_id": f"e-{number}",
        "course_id": "forklift",
        "provider_id": "river-college",
        "result": "PASSED",
    }


class MemoryHub:
    """Answers POST /v1/events as the hub does: one id is one event. `faults` come first, in turn;
    a fault that answers None lets the call through.
    """

    def __init__(self) -> None:
        self.log: list[dict[str, Any]] = []
        self.calls: list[list[dict[str, Any]]] = []
        self.headers: list[httpx.Headers] = []
        self.faults: list[Fault] = []
        self.lost_answers = 0  # so many calls are taken, and their answer is lost
        self.most = 1_000
        self.key = "tl_1_good"
        self._by_id: dict[str, tuple[dict[str, Any], str]] = {}

    def client(self) -> httpx.Client:
        return httpx.Client(transport=httpx.MockTransport(self.answer))

    def async_client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(self.answer))

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.headers.append(request.headers)
        if self.faults and (found := self.faults.pop(0)(request)) is not None:
            return found
        if request.headers["authorization"] != f"Bearer {self.key}":
            return problem(401, "Send a good key as 'Authorization: Bearer tl_…'.")
        try:
            events = json.loads(request.content)["events"]
        except ValueError:
            return problem(400, "The body is not JSON.")
        if not events:
            return problem(422, "The body holds no events.")
        if len(events) > self.most:
            return problem(413, f"{len(events)} events in one request.")
        self.calls.append(events)
        results = [self._take(event) for event in events]
        if self.lost_answers:
            self.lost_answers -= 1
            raise httpx.ReadTimeout("the answer was lost", request=request)
        good = all(result["status"] in ("accepted", "duplicate") for result in results)
        counts = Counter(result["status"] for result in results)
        return httpx.Response(202 if good else 207, json={"counts": counts, "results": results})

    def _take(self, event: dict[str, Any]) -> dict[str, Any]:
        if event.get("course_id") == "!":
            error = {"field": "course_id", "problem": "does not match", "fix": "Write a code."}
            return {"status": "invalid", "errors": [error]}
        event_id = str(event.get("event_id") or event["source_event_id"])
        if event_id in self._by_id:
            known, position = self._by_id[event_id]
            if known != event:
                error = {"field": "event_id", "problem": "an event of this id says something else"}
                return {"status": "conflict", "errors": [error]}
            return {"status": "duplicate", "position": position}
        position = f"stories:0:{len(self.log)}"
        self._by_id[event_id] = event, position
        self.log.append(event)
        return {"status": "accepted", "position": position}

    def sent(self) -> list[str]:
        """The senders' numbers on the log, in its order."""
        return [str(event.get("source_event_id", "")).removeprefix("final-") for event in self.log]


def problem(status: int, detail: str, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, json={"status": status, "detail": detail}, headers=named)


def no_answer(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused", request=request)


@contextmanager
def django_on(url: str) -> Iterator[Any]:
    """Django's connection `lms` to a PostgreSQL URL or to an SQLite file, closed afterwards."""
    import django
    from django.conf import settings

    if not settings.configured:
        settings.configure(INSTALLED_APPS=[], USE_TZ=True)
        django.setup()
    from django.db import connections

    part = urlsplit(url)
    engine = "postgresql" if part.scheme == "postgresql" else "sqlite3"
    found = {"ENGINE": f"django.db.backends.{engine}", "NAME": url}
    if engine == "postgresql":
        found |= {"NAME": part.path.lstrip("/"), "HOST": part.hostname, "PORT": part.port}
        found |= {"USER": part.username, "PASSWORD": unquote(part.password or "")}
    connections.settings["lms"] = connections.configure_settings({"default": {}, "lms": found})[
        "lms"
    ]
    try:
        yield connections["lms"]
    finally:
        connections["lms"].close()
        del connections["lms"]
