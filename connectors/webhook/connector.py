"""The webhook connector."""

from __future__ import annotations

import email.utils
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, ClassVar

import orjson
from aiohttp import ClientError, ClientResponse, ClientSession
from pydantic import AfterValidator, Field

from connectors.base import (
    Connector,
    ConnectorConfig,
    DestinationDown,
    DestinationGone,
    Receipt,
    UpdateRejected,
)
from connectors.outbound import PrivateAddress
from connectors.webhook.signature import sign
from schemas.catalog import event_types
from services.common.consent import Disclosure

_ANSWER_BYTES = 64 * 1024
# The receiver names what it will never take: too large, wrong kind, or content it can't accept.
_FINAL = frozenset({413, 415, 422})
CONTENT_TYPE = "application/cloudevents+json"


def _web_address(url: str) -> str:
    scheme, _, rest = url.partition("://")
    host = rest.partition("/")[0]
    if scheme not in ("https", "http") or not host or "@" in host:
        raise ValueError("give an http or https address without a user name")
    return url


class WebhookConfig(ConnectorConfig):
    url: Annotated[str, Field(min_length=8, max_length=2000), AfterValidator(_web_address)]


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
        try:
            async with self._http.post(
                self._url, data=body, headers=self._headers(update, body), allow_redirects=False
            ) as response:
                await _read_some(response)
        except PrivateAddress as error:
            raise DestinationDown("private_address") from error
        except TimeoutError as error:
            raise DestinationDown("timeout") from error
        except (ClientError, OSError) as error:
            raise DestinationDown(_why(error)) from error
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


def _why(error: BaseException) -> str:
    """A code for what went wrong underneath."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, PrivateAddress):
            return "private_address"
        os_error = getattr(cause, "os_error", None)
        cause = os_error if isinstance(os_error, PrivateAddress) else cause.__cause__
    return "no_connection"


def _receipt(response: ClientResponse, now: datetime) -> Receipt:
    """Success, or the error that says what to do."""
    status = response.status
    if 200 <= status < 300:
        return Receipt(status)
    if status == 410:
        raise DestinationGone("gone", http_status=status)
    if status in _FINAL:
        raise UpdateRejected(f"http_{status}", http_status=status)
    wait = retry_after_s(response.headers.get("retry-after"), now)
    raise DestinationDown(f"http_{status}", http_status=status, retry_after_s=wait)


def retry_after_s(value: str | None, now: datetime) -> float | None:
    """Read Retry-After: seconds or a date. What can't be read is no wish."""
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value.strip()[:9])
    try:
        at = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return max((at - now).total_seconds(), 0.0)
