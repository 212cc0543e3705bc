"""An employer's system: takes webhooks, checks each signature with an independent library."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

from tests.sockets import bound, port_of


@dataclass(frozen=True, slots=True)
class Received:
    """One request that was signed well."""

    message_id: str
    at: float  # time.monotonic
    body: dict[str, Any]

    @property
    def subject(self) -> str:
        return str(self.body["subject"])


class Receiver:
    def __init__(self) -> None:
        self._socket = bound()
        self.url = f"http://127.0.0.1:{port_of(self._socket)}/hook"
        self.secret: str | None = None
        self.received: list[Received] = []
        self.badly_signed = 0
        self.fail_next = 0
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/hook", self._take)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.SockSite(self._runner, self._socket).start()

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        self._socket.close()

    async def _take(self, request: web.Request) -> web.Response:
        at, raw = time.monotonic(), await request.read()
        assert self.secret is not None
        try:
            body = Webhook(self.secret).verify(raw, dict(request.headers))
        except WebhookVerificationError:
            self.badly_signed += 1
            return web.Response(status=401)
        if self.fail_next > 0:
            self.fail_next -= 1
            return web.Response(status=503, headers={"Retry-After": "1"})
        self.received.append(Received(request.headers["webhook-id"], at, body))
        return web.Response(status=204)

    def by_subject(self) -> dict[str, list[Received]]:
        found: dict[str, list[Received]] = defaultdict(list)
        for item in self.received:
            found[item.subject].append(item)
        return found
