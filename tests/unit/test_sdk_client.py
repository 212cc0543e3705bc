"""The SDK's client: what it sends, when it tries again, and what it says of each event."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.sdk import (
    AsyncClient,
    CallRefused,
    Client,
    EventsRefused,
    HubUnavailable,
    InvalidEvent,
    Limits,
    NotAuthorised,
    RetryPolicy,
    Status,
    UnexpectedAnswer,
    key_from_file,
)
from connectors.sdk.encoding import Encoded, batches, text_of, typed, uuid7
from connectors.sdk.events import MODELS, EmploymentStarted
from connectors.sdk.retrying import asked_wait_s
from schemas.edge import EdgeEvent
from tests.ingest_kit import sample
from tests.sdk_kit import WHEN, MemoryHub, completed, no_answer, plain, problem

QUICK = RetryPolicy(first_s=0.001, longest_s=0.002, give_up_after_s=5)
GIVES_UP = RetryPolicy(first_s=0.001, give_up_after_s=0)
URL = "http://hub.test"


@pytest.fixture
def hub() -> MemoryHub:
    return MemoryHub()


@pytest.fixture
def client(hub: MemoryHub) -> Iterator[Client]:
    with Client(URL, hub.key, retry=QUICK, http=hub.client()) as opened:
        yield opened


def test_each_event_has_its_result_in_the_order_given(hub: MemoryHub, client: Client) -> None:
    results = client.send([completed(1), plain(2), completed(3, course_id="c-3")])

    assert [r.status for r in results] == [Status.ACCEPTED] * 3
    assert [r.position for r in results] == ["stories:0:0", "stories:0:1", "stories:0:2"]
    assert hub.sent() == ["1", "2", "3"]
    assert client.send(completed(1))[0].status is Status.DUPLICATE


def test_a_refusal_names_field_and_fix_and_the_rest_is_taken(client: Client) -> None:
    bad = {**plain(2), "course_id": "!"}
    changed = {**plain(1), "result": "FAILED"}

    results = client.send([completed(1), bad, changed, completed(3)])

    assert [str(r.status) for r in results] == ["accepted", "invalid", "conflict", "accepted"]
    assert str(results[1].problems[0]) == "course_id does not match. Write a code."
    assert results.refused == [results[1], results[2]]
    with pytest.raises(EventsRefused, match="2 refused, the first is invalid: course_id") as caught:
        results.raise_for_refused()
    assert caught.value.refused[0].event == bad


def test_an_event_without_an_id_gets_one_that_every_retry_repeats(
    hub: MemoryHub, client: Client
) -> None:
    hub.lost_answers = 2

    (result,) = client.send([completed(source_event_id=None)])

    ids = {call[0]["event_id"] for call in hub.calls}
    assert len(hub.calls) == 3
    assert len(ids) == 1
    assert UUID(ids.pop()).version == 7
    assert result.status is Status.DUPLICATE
    assert len(hub.log) == 1


@pytest.mark.parametrize(
    "fault",
    [
        no_answer,
        lambda _: problem(429, "slower"),
        lambda _: problem(503, "the log is away"),
        lambda _: httpx.Response(502, text="<html>bad gateway</html>"),
        lambda _: problem(500, "a bug"),
    ],
)
def test_what_may_work_later_is_tried_again(
    hub: MemoryHub, client: Client, fault: Callable[[Any], Any]
) -> None:
    hub.faults = [fault, fault]
    assert client.send(completed())[0].status is Status.ACCEPTED
    assert hub.sent() == ["1"]


def test_the_wait_that_the_hub_asks_for_is_kept(
    hub: MemoryHub, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr("connectors.sdk.client.time.sleep", waits.append)
    hub.faults = [lambda _: problem(429, "slower", retry_after="2"), no_answer]

    client.send(completed())

    assert waits[0] == 2.0
    assert waits[1] <= QUICK.longest_s


def test_waits_double_up_to_the_longest_and_shorten_by_half_at_most() -> None:
    policy = RetryPolicy(first_s=1, longest_s=10)
    assert [policy.wait_s(n, None, 0) for n in range(1, 7)] == [1, 2, 4, 8, 10, 10]
    assert policy.wait_s(3, None, 1) == 2
    assert policy.wait_s(3, 60, 1) == 60
    assert policy.wait_s(10_000, None, 0) == 10


def test_retry_after_is_seconds_or_a_date_and_no_more_than_an_hour() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert asked_wait_s("7") == 7
    assert asked_wait_s(format_datetime(now + timedelta(seconds=9), usegmt=True), now) == 9
    assert asked_wait_s(format_datetime(now - timedelta(days=9), usegmt=True), now) == 0
    assert asked_wait_s("999999999") == 3600
    assert asked_wait_s("soon") is asked_wait_s(None) is asked_wait_s("-1") is None


def test_who_gives_up_says_what_is_on_the_log_and_what_to_send_again(hub: MemoryHub) -> None:
    hub.faults = [lambda _: None, no_answer]
    events = [completed(n, source_event_id=None) for n in range(5)]
    with Client(URL, hub.key, retry=GIVES_UP, limits=Limits(2), http=hub.client()) as client:
        with pytest.raises(HubUnavailable, match="ConnectError refused") as caught:
            client.send(events)
        error = caught.value
        assert [r.status for r in error.results] == [Status.ACCEPTED] * 2
        assert len(error.unsent) == 3

        again = client.send(error.unsent)

    assert [r.status for r in again] == [Status.ACCEPTED] * 3
    assert [event["enrolment_id"] for event in hub.log] == [f"e-{n}" for n in range(5)]


def test_a_batch_that_is_too_large_for_the_hub_is_halved(hub: MemoryHub, client: Client) -> None:
    hub.most = 30
    results = client.send([completed(n) for n in range(100)])
    assert len(results) == 100
    assert hub.sent() == [str(n) for n in range(100)]
    assert max(map(len, hub.calls)) <= 30


def test_an_event_that_spoils_its_call_is_found_and_the_others_are_sent(hub: MemoryHub) -> None:
    def spoiled(request: httpx.Request) -> httpx.Response | None:
        return problem(413, "The body is over 9 bytes.") if b"e-3" in request.content else None

    hub.faults = [spoiled] * 99
    with Client(URL, hub.key, http=hub.client()) as client:
        results = client.send([completed(n) for n in range(6)])

    assert [n for n, result in enumerate(results) if not result.taken] == [3]
    assert "413" in str(results[3].problems[0])
    assert hub.sent() == ["0", "1", "2", "4", "5"]


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (problem(401, "Send a good key."), NotAuthorised, "401 Send a good key."),
        (httpx.Response(404, text="<html>"), CallRefused, "HTTP 404: without a reason"),
        (httpx.Response(200, text="<html>"), UnexpectedAnswer, "is the URL a hub's"),
        (httpx.Response(202, json={"results": []}), UnexpectedAnswer, "is the URL a hub's"),
        (httpx.Response(302, headers={"location": "https://x/"}), UnexpectedAnswer, "https://x/"),
        (
            httpx.Response(202, json={"results": [{"status": "parked"}]}),
            UnexpectedAnswer,
            "update the SDK",
        ),
    ],
)
def test_what_will_not_mend_by_itself_is_said_at_once(
    hub: MemoryHub, client: Client, answer: httpx.Response, error: type[Exception], words: str
) -> None:
    hub.faults = [lambda _: answer]
    with pytest.raises(error, match=words):
        client.send(completed())
    assert len(hub.headers) == 1


def test_the_key_is_read_again_for_each_call(hub: MemoryHub, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("tl_1_old\n")
    with Client(URL, key_from_file(file), http=hub.client()) as client:
        with pytest.raises(NotAuthorised):
            client.check()
        file.write_text(f"{hub.key}\n")
        client.check()
    assert hub.log == []


def test_an_idempotency_key_is_for_one_call(hub: MemoryHub) -> None:
    with Client(URL, hub.key, limits=Limits(2), http=hub.client()) as client:
        client.send([completed(1), completed(2)], idempotency_key="night-7")
        assert hub.headers[0]["idempotency-key"] == '"night-7"'
        with pytest.raises(ValueError, match="these make 2"):
            client.send([completed(n) for n in range(3)], idempotency_key="night-7")
        with pytest.raises(ValueError, match="no quotes"):
            client.send(completed(1), idempotency_key='"')
        hub.faults = [lambda _: problem(409, "The call is still under way.", retry_after="0")]
        assert client.send(completed(3), idempotency_key="night-8")[0].status is Status.ACCEPTED


def test_bodies_are_compressed_once_the_hub_says_that_it_takes_it(hub: MemoryHub) -> None:
    seen: list[str | None] = []

    def taking_gzip(request: httpx.Request) -> httpx.Response:
        coding = request.headers.get("content-encoding")
        seen.append(coding)
        body = gzip.decompress(request.content) if coding == "gzip" else request.content
        inner = httpx.Request("POST", request.url, content=body, headers=request.headers)
        answer = hub.answer(inner)
        answer.headers["accept-encoding"] = "gzip"
        return answer

    http = httpx.Client(transport=httpx.MockTransport(taking_gzip))
    with Client(URL, hub.key, limits=Limits(50), http=http) as client:
        client.send([completed(n) for n in range(101)])
    assert seen == [None, "gzip", None]  # the last is a single event, too small to gain
    assert len(hub.log) == 101


async def test_the_asynchronous_client_does_the_same(hub: MemoryHub) -> None:
    hub.lost_answers, hub.faults = 1, [no_answer]
    async with AsyncClient(URL, hub.key, retry=QUICK, http=hub.async_client()) as client:
        await client.check()
        results = await client.send([completed(1), {**plain(2), "course_id": "!"}])
        streamed = [r async for r in client.stream(completed(n) for n in range(3))]
    assert [str(r.status) for r in results] == ["duplicate", "invalid"]
    assert [str(r.status) for r in streamed] == ["accepted", "duplicate", "accepted"]


def test_a_stream_is_sent_with_one_batch_in_memory(hub: MemoryHub) -> None:
    taken: list[int] = []

    def events() -> Iterator[EdgeEvent]:
        for number in range(10):
            taken.append(number)
            yield completed(number)

    with Client(URL, hub.key, limits=Limits(2), http=hub.client()) as client:
        stream = client.stream(events())
        next(stream)
        assert len(taken) <= 3
        assert len(list(stream)) == 9


@given(st.lists(st.integers(1, 40)), st.integers(1, 5), st.integers(1, 60))
def test_batches_keep_the_order_and_the_limits(sizes: list[int], most: int, body: int) -> None:
    events = [Encoded({}, b"x" * size) for size in sizes]
    made = list(batches(events, Limits(most, body)))
    assert [event for batch in made for event in batch] == events
    for batch in made:
        assert 1 <= len(batch) <= most
        assert len(batch) == 1 or sum(len(e.text) for e in batch) + len(batch) - 1 <= body


@pytest.mark.parametrize("name", MODELS)
def test_a_typed_event_says_what_its_json_says(name: str) -> None:
    item = sample(name)
    said = json.loads(text_of(typed(item)))
    assert said.keys() == item.keys()
    assert typed(said) == typed(item)


def test_a_default_that_nobody_wrote_is_not_sent() -> None:
    event = EmploymentStarted(
        source_record_id="1",
        occurred_at=WHEN,
        employment_id="j-1",
        employer_id="acme",
        wage_amount="18.50",
        wage_currency="USD",
        wage_period="HOUR",
    )
    said = json.loads(text_of(event))
    assert said["type"] == "EmploymentStarted"
    assert said["wage_amount"] == "18.50"
    assert "occupation" not in said


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({"type": "TrainingFinished"}, "type 'TrainingFinished' is not an event type"),
        ({}, "type None is not an event type"),
        ({**plain(), "course_id": "ü ü"}, "course_id String should match"),
        ({**plain(), "score": float("nan")}, "is not JSON"),
        ({**plain(), "score": object()}, "is not JSON"),
    ],
)
def test_what_is_no_event_is_refused_before_it_leaves(event: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidEvent, match=words):
        typed(event)


def test_uuids_of_version_7_are_in_the_order_of_time() -> None:
    made = [uuid7() for _ in range(1000)]
    assert len(set(made)) == 1000
    assert {value.version for value in made} == {7}
    assert {value.variant for value in made} == {uuid4().variant}
    stamps = [value.int >> 80 for value in made]
    assert stamps == sorted(stamps)
    assert abs(stamps[0] / 1000 - datetime.now(UTC).timestamp()) < 60


@pytest.mark.parametrize("key", ["", "tl_1\nx", "tl_é", "two words"])
def test_a_key_that_is_none_is_said_and_not_shown(hub: MemoryHub, key: str) -> None:
    with Client(URL, key, http=hub.client()) as client, pytest.raises(NotAuthorised) as caught:
        client.check()
    assert "letters that no key has" in str(caught.value)
    assert not key or key not in str(caught.value)
    assert hub.headers == []


def test_a_url_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="is not a hub's URL"):
        Client("hub.example", "k")
