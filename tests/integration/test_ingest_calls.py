"""`Idempotency-Key`: the same call has one effect and one answer, and nobody shares a key."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial, partialmethod
from typing import Any

import httpx
import pytest

from services.common.access import Role
from services.common.clock import utc_now
from services.common.codec import decode
from services.common.errors import DependencyDown
from services.common.settings import Settings
from services.ingest.call_store import Call, CallStore
from services.ingest.settings import IngestSettings
from services.ingest.writer import Writer
from tests.conftest import Hub
from tests.ingest_kit import SOURCE, enrolled, on_the_log

SERVICES = ("ingest",)
Headers = dict[str, str]


@pytest.fixture
async def provider(hub: Hub) -> Headers:
    return await hub.key(Role.PROVIDER, SOURCE)


async def post(hub: Hub, key: Headers, body: Any, call: str | None = '"k-1"') -> httpx.Response:
    named = {} if call is None else {"Idempotency-Key": call}
    return await hub.http.post("/v1/events", json=body, headers={**key, **named})


async def events_on_the_log(settings: Settings) -> int:
    names = [decode(r.value).name for r in await on_the_log(settings)]
    return names.count("TrainingEnrolled")


async def test_the_same_call_again_gets_the_same_answer_and_writes_nothing(
    hub: Hub, settings: Settings, provider: Headers
) -> None:
    """The event has no id of its own, so only the key tells that it is the same."""
    first = await post(hub, provider, enrolled())
    again = await post(hub, provider, enrolled(), "k-1")

    assert (first.status_code, again.status_code) == (202, 202)
    assert again.content == first.content
    assert again.json()["status"] == "accepted"
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert await events_on_the_log(settings) == 1
    other = await post(hub, provider, enrolled(), '"k-2"')
    assert other.json()["event_id"] != first.json()["event_id"]


async def test_refusals_are_answers_too(hub: Hub, provider: Headers) -> None:
    mixed = {"events": [enrolled(source_event_id="1"), enrolled(course_id=None)]}
    calls = {"k-1": mixed, "k-2": enrolled(course_id=None), "k-3": enrolled(provider_id="other")}
    for key, body in calls.items():
        first, again = [await post(hub, provider, body, key) for _ in range(2)]
        assert first.status_code in (207, 422, 403)
        assert (again.status_code, again.content) == (first.status_code, first.content)
        assert again.headers["content-type"] == first.headers["content-type"]
        assert again.headers["idempotency-replayed"] == "true"


async def test_what_a_refusal_repeats_is_not_kept_in_clear(hub: Hub, provider: Headers) -> None:
    """Somebody put a name where a code belongs."""
    first = await post(hub, provider, enrolled(course_id="Ana Núñez"))
    again = await post(hub, provider, enrolled(course_id="Ana Núñez"))

    assert "Ana N" in first.text
    assert (again.status_code, again.content) == (422, first.content)
    rows = [str(row).encode() for row in await hub.pool.fetch("SELECT * FROM ingest_work.call")]
    assert rows
    assert not any(b"Ana N" in row for row in rows)


async def test_another_body_under_the_same_key_is_422(
    hub: Hub, settings: Settings, provider: Headers
) -> None:
    await post(hub, provider, enrolled())
    other = await post(hub, provider, enrolled(course_id="crane"))
    assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-key-reused")
    assert await events_on_the_log(settings) == 1


async def test_a_key_is_of_one_organisation(
    hub: Hub, settings: Settings, provider: Headers
) -> None:
    theirs = await hub.key(Role.PROVIDER, "other-college")
    colleague = await hub.key(Role.PROVIDER, SOURCE)
    await post(hub, provider, enrolled())
    other = await post(hub, theirs, enrolled(provider_id="other-college"))
    assert (other.status_code, other.json()["status"]) == (202, "accepted")
    same = await post(hub, colleague, enrolled())
    assert same.headers["idempotency-replayed"] == "true"


async def test_while_the_call_is_under_way_the_same_one_is_409(
    hub: Hub, settings: Settings, provider: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go = asyncio.Event(), asyncio.Event()
    real = Writer.write

    async def slow(self: Writer, *args: Any) -> Any:
        begun.set()
        await go.wait()
        return await real(self, *args)

    monkeypatch.setattr(Writer, "write", slow)
    first = asyncio.create_task(post(hub, provider, enrolled()))
    await begun.wait()
    meanwhile = await post(hub, provider, enrolled())
    other = await post(hub, provider, enrolled(course_id="crane"))
    go.set()

    assert (meanwhile.status_code, meanwhile.json()["type"]) == (409, "/problems/in-progress")
    assert int(meanwhile.headers["retry-after"]) > 0
    assert other.status_code == 422
    assert (await first).status_code == 202
    assert await events_on_the_log(settings) == 1


TWO = {"events": [enrolled(), enrolled(course_id=None), enrolled(), enrolled(enrolment_id="e-2")]}
HALF_GOOD = ["duplicate", "invalid", "duplicate", "duplicate"]


def statuses(answer: httpx.Response) -> list[str]:
    return [result["status"] for result in answer.json()["results"]]


async def written_and_then(error: BaseException, self: Writer, *args: Any) -> Any:
    await WRITE(self, *args)
    raise error


WRITE = Writer.write


async def test_what_was_written_although_the_answer_was_503_is_not_written_again(
    hub: Hub, settings: Settings, provider: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of the events are the same but for their place in the call: both are meant."""
    slow = partialmethod(partial(written_and_then, DependencyDown("too slow")))
    with monkeypatch.context() as patched:
        patched.setattr(Writer, "write", slow)
        assert (await post(hub, provider, TWO)).status_code == 503
    assert await events_on_the_log(settings) == 3

    again, once_more = [await post(hub, provider, TWO) for _ in range(2)]

    assert (again.status_code, statuses(again)) == (207, HALF_GOOD)
    assert once_more.content == again.content
    assert await events_on_the_log(settings) == 3
    await post(hub, provider, TWO, "k-2")
    assert await events_on_the_log(settings) == 6, "another key, so another call"


async def test_after_a_503_the_key_is_for_the_same_call_alone(
    hub: Hub, settings: Settings, provider: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any) -> Any:
        raise DependencyDown("the log is away")

    with monkeypatch.context() as patched:
        patched.setattr(Writer, "write", away)
        assert (await post(hub, provider, enrolled())).status_code == 503
    other = await post(hub, provider, enrolled(course_id="crane"))
    assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-key-reused")
    assert (await post(hub, provider, enrolled())).json()["status"] == "accepted"
    assert await events_on_the_log(settings) == 1


async def test_a_client_that_leaves_and_comes_back_has_its_events_on_the_log_once(
    hub: Hub, settings: Settings, provider: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = asyncio.Event()

    async def never_answers(self: Writer, *args: Any) -> Any:
        await WRITE(self, *args)
        written.set()
        await asyncio.Event().wait()

    with monkeypatch.context() as patched:
        patched.setattr(Writer, "write", never_answers)
        call = asyncio.create_task(post(hub, provider, TWO))
        await written.wait()
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)

    assert statuses(await post(hub, provider, TWO)) == HALF_GOOD
    assert await events_on_the_log(settings) == 3


async def test_a_process_that_died_before_it_kept_the_answer_doubles_nothing(
    hub: Hub, settings: Settings, provider: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is finished or released then; the key is free when its hold is over."""

    async def died(*_: Any) -> None:
        raise ConnectionError

    with monkeypatch.context() as patched:
        patched.setattr(CallStore, "finish", died)
        patched.setattr(CallStore, "release", died)
        assert (await post(hub, provider, TWO)).status_code == 503
    assert (await post(hub, provider, TWO)).status_code == 409
    await hub.pool.execute("UPDATE ingest_work.call SET held_until = now()")

    assert statuses(await post(hub, provider, TWO)) == HALF_GOOD
    assert await events_on_the_log(settings) == 3


async def test_a_bad_key_is_refused_before_anything_is_written(
    hub: Hub, settings: Settings, provider: Headers
) -> None:
    assert (await post(hub, provider, enrolled(), '""')).status_code == 400
    assert (await post(hub, provider, enrolled(), "a b")).status_code == 400
    assert await events_on_the_log(settings) == 0


async def test_keys_are_forgotten_after_a_day_and_bounded(hub: Hub) -> None:
    own, store = IngestSettings(calls_kept=3), CallStore(hub.pool)
    now, holder = utc_now(), (await hub.pool.fetchval("SELECT gen_random_uuid()"))

    def call(key: str, subject: str = SOURCE) -> Call:
        return Call(subject, key, b"same")

    async def begin(key: str, after: timedelta = timedelta(0), subject: str = SOURCE) -> bool:
        return await store.begin(call(key, subject), holder, now + after, own)

    assert [await begin(key) for key in "abcd"] == [True, True, True, False]
    assert await begin("a", subject="another")
    assert not await begin("a"), "somebody is at it"
    assert await begin("a", own.call_hold), "who died over it is followed"
    late = own.call_kept_for + timedelta(seconds=1)
    assert await begin("b", late), "forgotten, though not deleted yet"
    await store.forget(now + late)
    left = await hub.pool.fetch("SELECT key FROM ingest_work.call WHERE subject = $1", SOURCE)
    assert {row["key"] for row in left} == {"a", "b"}
