"""The webhook connector."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import ClassVar

import orjson
from aiohttp import ClientResponse, ClientSession

from connectors.answers import WebAddress, down, reaching
from connectors.base import (
    Connector,
    ConnectorConfig,
    DestinationGone,
    Receipt,
    UpdateRejected,
)
from connectors.webhook.signature import sign
from schemas.catalog import event_types
from services.common.consent import Disclosure

_ANSWER_BYTES = 64 * 1024
# The receiver names what it will never take: too large, wrong kind, or content it can't accept.
_FINAL = frozenset({413, 415, 422})
CONTENT_TYPE = "application/cloudevents+json"


class WebhookConfig(ConnectorConfig):
    url: WebAddress


class WebhookConnector(Connector):
    """Posts one CloudEvent per message, signed, to the receiver's address.

    Only 2xx is success; redirects are not followed. A repeat has the same `webhook-id`.
    Source: Standard Webhooks 1.0.0; CloudEvents 1.0.2, JSON format and HTTP structured mode.
    """

    name: ClassVar[str] = "webhook"
    config: ClassVar[type[ConnectorConfig]] = WebhookConfig

    def __init__(
        self,
        config: ConnectorConfig,
        secret: bytes,
        http: ClientSession,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        assert isinstance(config, WebhookConfig)
        self._url = config.url
        self._secret = secret
        self._http = http
        self._clock = clock

    async def deliver(self, update: Disclosure) -> Receipt:
        body = orjson.dumps(cloud_event(update))
        with reaching():
            async with self._http.post(
                self._url, data=body, headers=self._headers(update, body), allow_redirects=False
            ) as response:
                await _read_some(response)
        return _receipt(response, self._clock())

    def _headers(self, update: Disclosure, body: bytes) -> dict[str, str]:
        sent_at = self._clock()
        return {
            "content-type": CONTENT_TYPE,
            "webhook-id": update.message_id,
            "webhook-timestamp": str(int(sent_at.timestamp())),
            "webhook-signature": sign(self._secret, update.message_id, sent_at, body),
            # 34 CFR 99.33: the receiver may not pass it on, and is told so each time.
            "throughline-redisclosure": "none",
        }


def cloud_event(update: Disclosure) -> dict[str, object]:
    """The CloudEvent of a disclosure. It carries no id that another receiver gets, too."""
    event: dict[str, object] = {
        "specversion": "1.0",
        "id": update.message_id,
        "source": f"/organizations/{update.source}",
        "type": event_types()[update.event_type].full_name,
        "subject": update.subject,
        "time": update.occurred_at.isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": dict(update.fields),
    }
    if update.sequence is not None:
        event["sequence"] = str(update.sequence).zfill(20)  # text that sorts, as the extension asks
    return event


async def _read_some(response: ClientResponse) -> None:
    """Read a short answer, so that the connection can be used again; drop a long one."""
    left = _ANSWER_BYTES
    async for chunk in response.content.iter_any():
        left -= len(chunk)
        if left < 0:
            response.close()
            return


def _receipt(response: ClientResponse, now: datetime) -> Receipt:
    """Success, or the error that says what to do."""
    status = response.status
    if 200 <= status < 300:
        return Receipt(status)
    if status == 410:
        raise DestinationGone("gone", http_status=status)
    if status in _FINAL:
        raise UpdateRejected(f"http_{status}", http_status=status)
    raise down(status, response.headers, now)
