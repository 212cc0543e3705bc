"""The demo receiver: signatures are checked as Standard Webhooks says, memory is bounded."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import aiohttp
import pytest
from standardwebhooks import Webhook

from services.demo.receiver import Receiver, is_signed, receiving

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
EVENT = {
    "specversion": "1.0",
    "id": "msg_1",
    "type": "throughline.training.TrainingCompleted",
    "subject": "w-1234",
    "time": "2026-05-03T10:00:00Z",
    "data": {"course_id": "rc-food-safety-2", "result": "<b>PASSED</b>"},
}


def signed(
    body: bytes, message_id: str = "msg_1", secret: str = SECRET, at: float | None = None
) -> dict[str, str]:
    """The headers that the reference library makes."""
    when = datetime.fromtimestamp(int(at or time.time()), UTC)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(when.timestamp())),
        "webhook-signature": Webhook(secret).sign(message_id, when, body.decode()),
    }


@pytest.fixture
def receiver() -> Receiver:
    return Receiver({"acme-foods": SECRET}.get)


@pytest.fixture
async def address(receiver: Receiver) -> AsyncIterator[str]:
    async with receiving(receiver, 0) as port:
        yield f"http://127.0.0.1:{port}"


def test_a_message_signed_by_the_reference_library_is_good() -> None:
    body = json.dumps(EVENT).encode()
    assert is_signed(SECRET, signed(body), body)


def test_one_good_signature_of_several_is_enough() -> None:
    headers = signed(b"{}")
    headers["webhook-signature"] = f"v1,AAAA v1a,BBBB {headers['webhook-signature']}"
    assert is_signed(SECRET, headers, b"{}")


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": "msg_2"},
        {"webhook-id": ""},
        {"webhook-signature": "v1,AAAA"},
        {"webhook-signature": ""},
        {"webhook-timestamp": "1"},
        {"webhook-timestamp": "²"},
        {"webhook-timestamp": "soon"},
    ],
)
def test_a_changed_message_is_not(change: dict[str, str]) -> None:
    assert not is_signed(SECRET, signed(b"{}") | change, b"{}")


def test_another_body_or_secret_is_not_good() -> None:
    assert not is_signed(SECRET, signed(b"{}"), b"{ }")
    assert not is_signed("whsec_" + "QUFB" * 8, signed(b"{}"), b"{}")
    assert not is_signed("whsec_?", signed(b"{}"), b"{}")


def test_an_old_message_is_not_good() -> None:
    now = time.time()
    assert is_signed(SECRET, signed(b"{}", at=now - 200), b"{}", now=now)
    assert not is_signed(SECRET, signed(b"{}", at=now - 400), b"{}", now=now)
    assert not is_signed(SECRET, signed(b"{}", at=now + 400), b"{}", now=now)


async def test_updates_are_kept_and_shown_harmlessly(address: str, receiver: Receiver) -> None:
    body = json.dumps(EVENT).encode()
    async with aiohttp.ClientSession() as http:
        for _ in range(2):
            answer = await http.post(f"{address}/hooks/acme-foods", data=body, headers=signed(body))
            assert answer.status == 204
        page = await (await http.get(address)).text()
        listed = await (await http.get(f"{address}/updates")).json()
    assert "TrainingCompleted" in page
    assert "<b>" not in page
    assert listed["counts"] == {"received": 2, "repeated": 1}
    assert [update["fields"] for update in listed["updates"]] == [EVENT["data"]]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("acme-foods", b"[]", 422),
        ("acme-foods", b"\xff", 422),
        ("acme-foods", b'{"type": "x", "data": 3}', 422),
        ("somebody", b"{}", 401),
    ],
)
async def test_what_is_no_update_is_refused(
    address: str, receiver: Receiver, path: str, body: bytes, status: int
) -> None:
    headers = signed(b"{}") if body == b"\xff" else signed(body)
    if body == b"\xff":
        status = 401  # the reference signs text alone
    async with aiohttp.ClientSession() as http:
        answer = await http.post(f"{address}/hooks/{path}", data=body, headers=headers)
    assert answer.status == status
    assert receiver.counts == {"refused": 1}
    assert not receiver.updates


async def test_memory_is_bounded(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.demo.receiver._REMEMBERED", 50)
    async with receiving(receiver, 0) as port, aiohttp.ClientSession() as http:
        for number in range(130):
            body = json.dumps(EVENT).encode()
            headers = signed(body, f"msg_{number}")
            await http.post(f"http://127.0.0.1:{port}/hooks/acme-foods", data=body, headers=headers)
    assert len(receiver.updates) == 100
    assert receiver.updates[0].message_id == "msg_129"
    assert len(receiver._seen) == 50
