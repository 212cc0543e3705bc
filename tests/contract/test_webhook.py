"""The webhook connector: the shared cases, Standard Webhooks and CloudEvents."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from aiohttp import ClientSession, web
from standardwebhooks import Webhook, WebhookVerificationError

from connectors import load
from connectors.answers import retry_after_s
from connectors.base import Connector, DestinationDown, UpdateRejected
from connectors.testing import UPDATE, ConnectorContract, Handler, permitted, receiver
from connectors.webhook import WebhookConfig, WebhookConnector, new_secret, show_secret

SECRET = new_secret()
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class TestWebhook(ConnectorContract):
    def connect(self, url: str, http: ClientSession) -> Connector:
        return WebhookConnector(WebhookConfig(url=url), SECRET, http)

    def system(self) -> tuple[Handler, Callable[[], object]]:
        """As the standard has it: a signed message is known by its id. The same id with something
        else in it would be a second message."""
        kept: set[tuple[str, bytes]] = set()

        async def take(request: web.Request) -> web.Response:
            body = await request.read()
            Webhook(show_secret(SECRET)).verify(body, dict(request.headers))
            kept.add((request.headers["webhook-id"], body))
            return web.Response(status=204)

        return take, lambda: kept

    async def test_an_independent_library_verifies_the_signature(self) -> None:
        _, made = await self.attempt(200)
        [request] = made.requests
        body = Webhook(show_secret(SECRET)).verify(request.body, request.headers)
        assert body == json.loads(request.body)
        assert request.headers["webhook-id"] == UPDATE.message_id

    async def test_a_changed_byte_or_another_secret_is_noticed(self) -> None:
        _, made = await self.attempt(200)
        [request] = made.requests
        changed = request.body.replace(b"forklift", b"forkless")
        for secret, body in ((SECRET, changed), (new_secret(), request.body)):
            with pytest.raises(WebhookVerificationError):
                Webhook(show_secret(secret)).verify(body, request.headers)

    async def test_the_body_is_a_cloud_event(self) -> None:
        _, made = await self.attempt(204)
        [request] = made.requests
        event = json.loads(request.body)
        assert request.headers["content-type"] == "application/cloudevents+json"
        assert event == {
            "specversion": "1.0",
            "id": "msg_5f0c2a7e",
            "source": "/organizations/river-college",
            "type": "throughline.training.TrainingCompleted",
            "subject": "w-91ab",
            "time": "2026-03-01T12:30:00Z",
            "datacontenttype": "application/json",
            "sequence": "00000000000000000007",
            "data": dict(UPDATE.fields),
        }

    async def test_the_receiver_is_told_not_to_pass_it_on(self) -> None:
        _, made = await self.attempt(200)
        assert made.requests[0].headers["throughline-redisclosure"] == "none"

    @pytest.mark.parametrize("status", [413, 415, 422])
    async def test_what_the_receiver_will_never_take_is_final(self, status: int) -> None:
        assert isinstance(await self.failure(status), UpdateRejected)

    @pytest.mark.parametrize("status", [300, 301, 400, 401, 404, 408])
    async def test_anything_else_but_2xx_is_tried_again(self, status: int) -> None:
        assert isinstance(await self.failure(status), DestinationDown)

    async def test_a_very_long_answer_is_not_read(self) -> None:
        async with receiver() as made, self.session() as http:
            made.body = b"x" * 3_000_000
            with permitted():
                receipt = await self.connect(made.url, http).deliver(UPDATE)
        assert receipt.http_status == 200

    async def test_connections_are_used_again(self) -> None:
        async with receiver() as made, self.session() as http:
            connector = self.connect(made.url, http)
            with permitted():
                for number in range(3):
                    await connector.deliver(replace(UPDATE, message_id=f"msg_{number}"))
            assert http.connector is not None
            assert len(http.connector._conns) == 1


@pytest.mark.parametrize("url", ["ftp://a.test/", "https://", "http://me@a.test/", "nonsense!"])
def test_an_address_must_be_one_of_the_web(url: str) -> None:
    with pytest.raises(ValueError, match="address"):
        WebhookConfig(url=url)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("120", 120.0),
        (" 5 ", 5.0),
        ("Sun, 01 Mar 2026 12:02:00 GMT", 120.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
    ],
)
def test_a_wish_to_wait_is_seconds_or_a_date(value: str | None, expected: float | None) -> None:
    assert retry_after_s(value, NOON) == expected


def test_connectors_are_found_by_name() -> None:
    assert load("webhook") is WebhookConnector
    for name in ("base", "nothing", "os.path", "../webhook", "testing"):
        assert load(name) is None
