"""What every connector must do: inherit `ConnectorContract` and say how the system answers.

A real HTTP server plays the receiver; each case tells it what to answer.
"""

from __future__ import annotations

import asyncio
import copy
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import ClassVar
from uuid import UUID

from aiohttp import ClientSession, web

from connectors.base import Connector, DestinationDown, DestinationGone, NotPermitted, Receipt
from connectors.outbound import open_session, permission
from services.common.consent import Disclosure

UPDATE = Disclosure(
    message_id="msg_5f0c2a7e",
    subject="w-91ab",
    event_type="TrainingCompleted",
    occurred_at=datetime(2026, 3, 1, 12, 30, tzinfo=UTC),
    source="river-college",
    fields={"enrolment_id": "e-1", "course_id": "forklift", "result": "PASSED", "score": 0.9},
    recipient_id="acme",
    grant_id=UUID(int=1),
    sequence=7,
)
# Another person's, of another day, from elsewhere: nothing of it is in the one above.
OTHER = Disclosure(
    message_id="msg_11d94b6e",
    subject="w-c0de",
    event_type="CredentialAwarded",
    occurred_at=datetime(2025, 11, 20, 8, 5, tzinfo=UTC),
    source="trades-training-center",
    fields={"credential_id": "c-77", "credential_kind": "welding"},
    recipient_id="acme",
    grant_id=UUID(int=2),
    sequence=31,
)
_LONG = re.compile(r"[\w-]{12,}")  # shorter ones are too common to recognise anybody by
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Request:
    """What reached the receiver."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """A receiver that answers with `status` and `headers`, after `wait`."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    wait: asyncio.Event | None = None
    requests: list[Request] = field(default_factory=list)
    url: str = ""

    async def take(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = await request.read()
        self.requests.append(Request(request.method, request.path, headers, body))
        if self.wait is not None:
            await self.wait.wait()
        return web.Response(status=self.status, headers=self.headers, body=self.body)


@asynccontextmanager
async def listening(handler: Handler) -> AsyncIterator[str]:
    """A receiver that does as `handler` does: where it is."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    async with listening(made.take) as made.url:
        yield made


@contextmanager
def permitted(check: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Deliveries inside may be sent as long as `check` does not raise."""
    token = permission.set(check)
    try:
        yield
    finally:
        permission.reset(token)


class ConnectorContract(ABC):
    """The cases that hold for every connector. Collected by pytest through its subclasses."""

    update: ClassVar[Disclosure] = UPDATE  # one that this connector sends
    other: ClassVar[Disclosure] = OTHER  # one more, with nothing in common

    @abstractmethod
    def connect(self, url: str, http: ClientSession) -> Connector:
        """The connector under test, sending to `url`."""

    @abstractmethod
    def system(self) -> tuple[Handler, Callable[[], object]]:
        """A receiver that does as systems of this kind do, and a look at what it keeps."""

    async def attempt(
        self,
        status: int,
        *,
        headers: dict[str, str] | None = None,
        update: Disclosure | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> tuple[Receipt, Receiver]:
        """Deliver once to a receiver that answers with `status`."""
        async with receiver() as made, self.session() as http:
            made.status, made.headers = status, headers or {}
            with permitted(check):
                return await self.connect(made.url, http).deliver(update or self.update), made

    @staticmethod
    def session(*, timeout_s: float = 60.0, allow_private: bool = True) -> ClientSession:
        return open_session(timeout=timedelta(seconds=timeout_s), allow_private=allow_private)

    async def failure(self, status: int, headers: dict[str, str] | None = None) -> Exception:
        """What a status raises."""
        try:
            await self.attempt(status, headers=headers)
        except Exception as error:  # noqa: BLE001 - the case says which it must be
            return error
        raise AssertionError(f"HTTP {status} was taken for success")

    async def test_success_is_a_receipt(self) -> None:
        receipt, made = await self.attempt(200)
        assert receipt.http_status == 200
        assert made.requests

    async def test_the_receivers_trouble_is_retried(self) -> None:
        for status in (429, 500, 502, 503, 504):
            error = await self.failure(status)
            assert isinstance(error, DestinationDown), status
            assert error.http_status == status

    async def test_a_named_wait_is_passed_on(self) -> None:
        error = await self.failure(503, {"Retry-After": "17"})
        assert isinstance(error, DestinationDown)
        assert error.retry_after_s == 17

    async def test_a_redirect_is_not_followed(self) -> None:
        async with receiver() as elsewhere:
            error = await self.failure(302, {"Location": elsewhere.url})
            assert isinstance(error, DestinationDown)
            assert not elsewhere.requests

    async def test_a_receiver_that_left_is_gone(self) -> None:
        assert isinstance(await self.failure(410), DestinationGone)

    async def test_nobody_there_is_retried(self) -> None:
        async with receiver() as made:
            url = made.url
        async with self.session() as http:
            with permitted():
                await _raises(DestinationDown, self.connect(url, http).deliver(self.update))

    async def test_silence_ends_at_the_time_out(self) -> None:
        async with receiver() as made, self.session(timeout_s=0.2) as http:
            made.wait = asyncio.Event()
            with permitted():
                await _raises(DestinationDown, self.connect(made.url, http).deliver(self.update))
            made.wait.set()

    async def test_nothing_is_written_without_permission(self) -> None:
        def check() -> None:
            raise NotPermitted

        async with receiver() as made, self.session() as http:
            with permitted(check):
                await _raises(NotPermitted, self.connect(made.url, http).deliver(self.update))
            assert not made.requests

    async def test_addresses_inside_the_network_are_refused(self) -> None:
        async with receiver() as made, self.session(allow_private=False) as http:
            for url in (made.url, made.url.replace("127.0.0.1", "localhost")):
                with permitted():
                    await _raises(DestinationDown, self.connect(url, http).deliver(self.update))
            assert not made.requests

    async def test_delivered_twice_is_kept_once(self) -> None:
        """A crash repeats a message after it was taken: the receiver can tell, and has it once."""
        handler, kept = self.system()
        async with listening(handler) as url, self.session() as http:
            with permitted():
                await self.connect(url, http).deliver(self.update)
                once = copy.deepcopy(kept())
                await self.connect(url, http).deliver(self.update)
        assert once
        assert kept() == once

    async def test_nothing_that_two_receivers_share_is_added(self) -> None:
        """What the hub adds to the fields is different for another recipient.

        What an update about something else has, too, says nothing about anybody.
        """
        one, two = await self._sent_to(1, self.update), await self._sent_to(2, self.update)
        static = await self._sent_to(3, self.other)
        assert str(self.update.grant_id) not in one + two
        assert "traceparent" not in one + two
        shared = _tokens(one) & _tokens(two)
        assert shared - _tokens(static) - _tokens(_own_values(self.update)) == set()

    async def _sent_to(self, number: int, update: Disclosure) -> str:
        """All that a recipient's system is sent of an update, under ids of this recipient alone."""
        own = replace(
            update,
            message_id=f"msg_to_recipient_{number}",
            subject=f"w-to-recipient-{number}",
            sequence=number,
        )
        _, made = await self.attempt(200, update=own)
        assert made.requests
        parts = [f"{r.method} {r.path} {r.headers} {r.body.decode()}" for r in made.requests]
        return "\n".join(parts)


def _tokens(text: str) -> set[str]:
    return set(_LONG.findall(text))


def _own_values(update: Disclosure) -> str:
    """What the event itself says: whoever may see it sees this."""
    values = (update.event_type, update.source, update.occurred_at.isoformat())
    return " ".join(map(str, (*values, *update.fields, *update.fields.values())))


async def _raises(kind: type[Exception], delivery: object) -> None:
    try:
        await delivery  # type: ignore[misc]
    except kind:
        return
    raise AssertionError(f"{kind.__name__} was not raised")
