"""The SDK's client against the real ingest: what it sends is taken, what is refused is typed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import httpx
import pytest

from connectors.sdk import AsyncClient, Limits, NotAuthorised, RetryPolicy, Status
from connectors.sdk.encoding import typed
from schemas.catalog import event_types
from services.common.access import Role, issue_key
from services.common.authors import MATRIX
from services.common.codec import decode
from services.common.settings import Settings
from tests.conftest import Hub
from tests.ingest_kit import SOURCE, on_the_log, sample
from tests.sdk_kit import completed, plain

SERVICES = ("ingest",)
ONE_TRY = RetryPolicy(give_up_after_s=0)


@pytest.fixture
async def client(hub: Hub) -> AsyncIterator[AsyncClient]:
    key = await issue_key(hub.pool, Role.PROVIDER, SOURCE)
    async with AsyncClient("http://hub.test", key, retry=ONE_TRY, http=hub.http) as opened:
        yield opened


async def test_typed_events_of_every_type_an_organisation_may_send_are_taken(
    hub: Hub, client: AsyncClient, settings: Settings
) -> None:
    names = sorted(name for name, roles in MATRIX.items() if Role.OPERATOR in roles)
    key = await issue_key(hub.pool, Role.OPERATOR, "hub")
    (registered,) = await client.send(completed())
    who = {"worker_id": str(registered.worker_id)}
    items = [sample(name) for name in names]
    events = [typed(item | (who if "worker_id" in item else {})) for item in items]
    async with AsyncClient("http://hub.test", key, retry=ONE_TRY, http=hub.http) as operator:
        results = await operator.send(events)

    refused = {n: r.problems for n, r in zip(names, results, strict=True) if not r.taken}
    assert refused == {}
    told = [
        decode(r.value).name
        for topic in ("stories", "directory")
        for r in await on_the_log(settings, topic)
    ]
    assert set(names) <= set(told)
    assert set(names) <= set(event_types())


async def test_results_say_what_the_hub_says(client: AsyncClient) -> None:
    results = await client.send(
        [
            completed(1),
            completed(1),
            {**plain(1), "result": "FAILED"},
            {**plain(2), "course": "x"},
            completed(3, source_event_id=None, event_id=uuid4()),
            {**plain(4), "type": "ConsentGranted"},
        ]
    )
    assert [str(r.status) for r in results] == [
        *("accepted", "duplicate", "conflict", "invalid", "accepted", "forbidden")
    ]
    assert results[0].position == results[1].position
    assert results[0].worker_id == results[4].worker_id
    wrong = {problem.field: problem for problem in results[3].problems}
    assert wrong["course"].problem == "TrainingCompleted has no field of this name"
    assert wrong["course"].fix == "Did you mean course_id?"


async def test_the_hub_takes_compressed_bodies_and_halves_of_what_is_too_much(
    hub: Hub, client: AsyncClient, settings: Settings
) -> None:
    sent: list[tuple[str, int]] = []

    async def note(request: httpx.Request) -> None:
        coding = request.headers.get("content-encoding", "plain")
        sent.append((coding, len(request.content)))

    hub.http.event_hooks["request"].append(note)
    await client.check()
    await client.send([completed(0)])
    many = AsyncClient(
        "http://hub.test", client._protocol._key, limits=Limits(2_000), http=hub.http
    )
    results = await many.send([completed(number) for number in range(1_001)])

    assert {r.status for r in results[1:]} == {Status.ACCEPTED}
    assert results[0].status is Status.DUPLICATE
    assert [coding for coding, _ in sent] == ["plain", "plain", "plain", "plain", "gzip"]
    assert sent[-1][1] < sent[-2][1] / 5
    assert sum(r.value is not None for r in await on_the_log(settings)) >= 1_001


async def test_the_same_call_again_gets_the_same_answer(client: AsyncClient) -> None:
    events = [completed(1), completed(2)]
    first = await client.send(events, idempotency_key="night-7")
    again = await client.send(events, idempotency_key="night-7")
    assert list(again) == list(first)
    assert {r.status for r in again} == {Status.ACCEPTED}


async def test_a_wrong_key_is_said_by_check(hub: Hub) -> None:
    async with AsyncClient("http://hub.test", "tl_0_0", retry=ONE_TRY, http=hub.http) as client:
        with pytest.raises(NotAuthorised, match=r"HTTP 401 Send a good key"):
            await client.check()
