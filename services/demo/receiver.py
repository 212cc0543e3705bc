"""A small receiver of webhooks, as an employer's system would be: it checks the signature, keeps
the last updates in memory and shows them on a page.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import html
import json
import time
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from services.common.log import get_logger

log = get_logger("demo")
_TOLERANCE_S: Final = 300
_BODY_BYTES: Final = 1_000_000
_SHOWN: Final = 100
_REMEMBERED: Final = 10_000  # message ids, to know a repeat


@dataclass(frozen=True, slots=True)
class Update:
    """One message as it came."""

    organization_id: str
    message_id: str
    event_type: str
    subject: str
    occurred_at: str
    fields: Mapping[str, Any]


def is_signed(
    secret: str, headers: Mapping[str, str], body: bytes, *, now: float | None = None
) -> bool:
    """Whether the message is signed with the secret and fresh.

    secret: as shown when the connection was made, `whsec_` and base64.
    Source: Standard Webhooks 1.0.0, "Verifying webhook authenticity".
    """
    message_id = headers.get("webhook-id", "")
    sent_at = headers.get("webhook-timestamp", "")
    if not message_id or not (sent_at.isascii() and sent_at.isdigit()):
        return False
    if abs((time.time() if now is None else now) - int(sent_at)) > _TOLERANCE_S:
        return False
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        return False
    signed = b".".join((message_id.encode(), sent_at.encode(), body))
    expected = b"v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256))
    given = headers.get("webhook-signature", "").split()
    return any(hmac.compare_digest(expected, one.encode()) for one in given)


class Receiver:
    """The last updates of each organisation's connection. Memory is bounded."""

    def __init__(self, secret_of: Callable[[str], str | None]) -> None:
        """secret_of: the webhook secret of an organisation, None when it has no connection."""
        self._secret_of = secret_of
        self.updates: deque[Update] = deque(maxlen=_SHOWN)
        self.counts: Counter[str] = Counter()  # received, repeated, refused
        self._seen: OrderedDict[str, None] = OrderedDict()

    def app(self) -> web.Application:
        app = web.Application(client_max_size=_BODY_BYTES)
        app.router.add_post("/hooks/{organization}", self._receive)
        app.router.add_get("/updates", self._listed)
        app.router.add_get("/", self._page)
        return app

    async def _receive(self, request: web.Request) -> web.Response:
        organization_id = request.match_info["organization"]
        secret = self._secret_of(organization_id)
        body = await request.read()
        if secret is None or not is_signed(secret, request.headers, body):
            self.counts["refused"] += 1
            return web.json_response({"error": "the signature is not good"}, status=401)
        try:
            update = _update(organization_id, request.headers["webhook-id"], body)
        except (ValueError, KeyError, TypeError, AttributeError):
            self.counts["refused"] += 1
            return web.json_response({"error": "this is no CloudEvent"}, status=422)
        self._keep(update)
        return web.Response(status=204)

    def _keep(self, update: Update) -> None:
        self.counts["received"] += 1
        if update.message_id in self._seen:
            self.counts["repeated"] += 1
            return
        self._seen[update.message_id] = None
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        self.updates.appendleft(update)

    async def _listed(self, _request: web.Request) -> web.Response:
        listed = [
            {name: getattr(update, name) for name in Update.__slots__} for update in self.updates
        ]
        return web.json_response({"counts": dict(self.counts), "updates": listed})

    async def _page(self, _request: web.Request) -> web.Response:
        rows = "".join(_row(update) for update in self.updates)
        counts = ", ".join(f"{self.counts[n]} {n}" for n in ("received", "repeated", "refused"))
        page = _PAGE.format(counts=counts, rows=rows or "<tr><td colspan=4>Nothing yet.</td></tr>")
        return web.Response(text=page, content_type="text/html")


def _update(organization_id: str, message_id: str, body: bytes) -> Update:
    """Raises ValueError, KeyError, TypeError or AttributeError when it is no CloudEvent of ours."""
    event = json.loads(body)
    return Update(
        organization_id=organization_id,
        message_id=message_id,
        event_type=str(event["type"]).rpartition(".")[2],
        subject=str(event.get("subject", "")),
        occurred_at=str(event.get("time", "")),
        fields=dict(event["data"]),
    )


def _row(update: Update) -> str:
    told = ", ".join(f"{name}: {value}" for name, value in update.fields.items())
    cells = (update.organization_id, update.subject[:12], update.event_type, update.occurred_at)
    shown = "".join(f"<td>{html.escape(cell)}</td>" for cell in cells)
    return f"<tr>{shown}<td>{html.escape(told[:400])}</td></tr>"


_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Demo receiver</title>
<meta http-equiv="refresh" content="5"><meta name="viewport" content="width=device-width">
<style>body{{font-family:system-ui;margin:2rem}}td,th{{text-align:left;padding:.3rem .8rem .3rem 0;
vertical-align:top;border-bottom:1px solid #ccc}}</style></head><body>
<h1>What the employers' systems were told</h1><p>{counts}. Newest first.</p>
<table><thead><tr><th>To</th><th>About</th><th>What</th><th>When</th><th>Details</th></tr></thead>
<tbody>{rows}</tbody></table></body></html>
"""


@asynccontextmanager
async def receiving(receiver: Receiver, port: int, host: str = "127.0.0.1") -> AsyncIterator[int]:
    """Listen until the block ends; answers the port (another one when `port` is 0)."""
    runner = web.AppRunner(receiver.app(), access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()
