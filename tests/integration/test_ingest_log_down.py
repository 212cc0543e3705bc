"""Kafka or PostgreSQL killed: nothing is acknowledged that isn't on the log, and all comes back."""

from __future__ import annotations

import asyncio
import gc
import secrets
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest

from services.common.access import Principal, Role
from services.common.clock import utc_now
from services.common.codec import decode
from services.common.errors import DependencyDown
from services.common.postgres import Pool
from services.common.settings import Settings
from services.common.vault import Keyring, Vault
from services.ingest.drafts import Draft
from services.ingest.store import ReservationStore
from services.ingest.writer import Writer
from services.launcher.kafka import LocalKafka
from services.launcher.postgres import LocalPostgres
from services.launcher.server import LocalServer
from tests.conftest import Hub, Template
from tests.ingest_kit import SOURCE, enrolled, on_the_log
from tests.processes import until

SERVICES = ("ingest",)
MOST_WAITING, GROUP = 2_000, 400  # events
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def kafka(data_dir: Path) -> Iterator[LocalKafka]:
    """A Kafka of this module's own, which may be killed."""
    server = LocalKafka(data_dir / "kafka-to-kill")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def kafka_bootstrap(kafka: LocalKafka) -> str:
    return kafka.bootstrap


@pytest.fixture(scope="module")
def postgres(data_dir: Path) -> Iterator[LocalPostgres]:
    server = LocalPostgres(data_dir / "postgres-to-kill")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def postgres_url(postgres: LocalPostgres) -> str:
    return postgres.url


@pytest.fixture(scope="module")
def template(postgres_url: str, data_dir: Path) -> Template:
    made = Template(postgres_url, data_dir / "vault-of-those-to-kill")

    async def make() -> None:
        admin = await asyncpg.connect(postgres_url)
        await made.make(admin)
        await admin.close()

    asyncio.run(make())
    return made


@pytest.fixture
async def database_url(postgres_url: str, template: Template) -> str:
    """A database of the test's own, which goes with its server."""
    name = f"t_{secrets.token_hex(6)}"
    admin = await asyncpg.connect(postgres_url)
    await admin.execute(f"CREATE DATABASE {name} TEMPLATE {template.name}")
    await admin.close()
    return urlsplit(postgres_url)._replace(path=f"/{name}").geturl()


@pytest.fixture(autouse=True)
def little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INGEST_PATIENCE", "PT2S")
    monkeypatch.setenv("INGEST_QUEUE_EVENTS", str(MOST_WAITING))
    monkeypatch.setenv("INGEST_FLUSH_EVENTS", str(GROUP))


@pytest.fixture
async def key(hub: Hub) -> dict[str, str]:
    """The key, once an event went through."""
    made = await hub.key(Role.PROVIDER, SOURCE)
    await until_taken(hub, made, [enrolled(source_event_id="0")])
    return made


async def post(hub: Hub, key: dict[str, str], events: list[dict[str, Any]]) -> httpx.Response:
    return await hub.http.post("/v1/events", json={"events": events}, headers=key)


async def back(server: LocalServer) -> None:
    """Start it again. The hub goes on meanwhile; only the launch needs this thread."""
    server.launch()
    await asyncio.to_thread(server.wait_ready)


def batch(prefix: str) -> list[dict[str, Any]]:
    """Forty events of ten people, half of them new."""
    return [
        enrolled(source_event_id=f"{prefix}-{n}", source_record_id=f"{prefix}-{n % 10}")
        for n in range(40)
    ]


def statuses(answer: httpx.Response) -> Counter[str]:
    return Counter(result["status"] for result in answer.json()["results"])


async def ids_on_the_log(settings: Settings) -> Counter[str]:
    return Counter(str(decode(record.value).event_id) for record in await on_the_log(settings))


async def until_taken(
    hub: Hub, key: dict[str, str], events: list[dict[str, Any]]
) -> httpx.Response:
    async def taken() -> httpx.Response | None:
        answer = await post(hub, key, events)
        return answer if answer.status_code == 202 else None

    answer = await until(taken, within_s=120)
    assert answer is not None
    return answer


def assert_unavailable(answer: httpx.Response) -> None:
    assert answer.status_code == 503, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) >= 1


async def test_kafka_down_503_and_the_same_ids_again_are_on_the_log_once(
    hub: Hub, settings: Settings, key: dict[str, str], kafka: LocalKafka
) -> None:
    kafka.kill()
    try:
        assert_unavailable(await post(hub, key, batch("a")))
        assert_unavailable(await post(hub, key, batch("a")))
        assert_unavailable(await post(hub, key, batch("b")))
        published = "SELECT count(*) FROM ingest_work.reservation WHERE log_offset IS NOT NULL"
        assert await hub.pool.fetchval(published) == 2, "the one before, and its registration"
    finally:
        await back(kafka)

    answers = [await until_taken(hub, key, batch(name)) for name in ("a", "b")]

    for answer in answers:
        assert statuses(answer).total() == 40
        assert statuses(answer).keys() <= {"accepted", "duplicate"}
    found = await ids_on_the_log(settings)
    assert set(found.values()) == {1}
    assert len(found) == 2 + 2 * (40 + 10)
    for answer in answers:
        for result in answer.json()["results"]:
            assert result["event_id"] in found
            assert result["position"]


async def test_kafka_down_503_and_the_same_call_under_its_key_is_on_the_log_once(
    hub: Hub, settings: Settings, key: dict[str, str], kafka: LocalKafka
) -> None:
    """The events have no ids: what was handed to the log before the 503 lands when it is back."""
    keyed = {**key, "Idempotency-Key": '"night-7"'}
    events = [enrolled(enrolment_id=f"night-{n}") for n in range(40)]
    kafka.kill()
    try:
        assert_unavailable(await post(hub, keyed, events))
        assert_unavailable(await post(hub, keyed, events))
    finally:
        await back(kafka)

    answer = await until_taken(hub, keyed, events)

    assert statuses(answer).total() == 40
    assert statuses(answer).keys() <= {"accepted", "duplicate"}
    found = [decode(record.value).fields for record in await on_the_log(settings)]
    on_it = Counter(fields["enrolment_id"] for fields in found if "enrolment_id" in fields)
    assert {on_it[event["enrolment_id"]] for event in events} == {1}, on_it


async def test_while_kafka_is_away_what_waits_is_bounded_and_the_rest_is_told_to_wait(
    hub: Hub, key: dict[str, str], kafka: LocalKafka
) -> None:
    """Callers that come again and again leave nothing behind in memory."""
    kafka.kill()
    try:
        for round_ in range(3):
            bodies = [batch(f"m{round_}-{n}") for n in range(3 * MOST_WAITING // 40)]
            answers = await asyncio.gather(*(post(hub, key, body) for body in bodies))
            codes = Counter(answer.status_code for answer in answers)
            assert codes.keys() == {429, 503}, codes
            full = next(answer for answer in answers if answer.status_code == 429)
            assert full.json()["type"] == "/problems/overloaded"
            assert int(full.headers["retry-after"]) >= 1
            # What was handed to the producer stays there: two groups, and the one about to leave.
            assert drafts_in_memory() <= MOST_WAITING + 3 * (2 * GROUP)
        assert drafts_in_memory() <= 3 * (2 * GROUP), "callers have left, and so has what they sent"
    finally:
        await back(kafka)
    answer = await until_taken(hub, key, batch("m0-0"))
    assert statuses(answer).total() == 40


def drafts_in_memory() -> int:
    """Events on their way in this process, whoever holds on to them."""
    gc.collect()
    return sum(type(thing) is Draft for thing in gc.get_objects())


async def test_the_hub_stops_in_seconds_while_kafka_is_away(
    settings: Settings, pool: Pool, kafka: LocalKafka
) -> None:
    vault = await Vault.open(settings)
    writer = Writer(settings, pool, vault, Keyring(pool, vault))
    principal = Principal(Role.PROVIDER, SOURCE, "key-1")

    async def written() -> bool:
        with suppress(DependencyDown):
            return bool(await writer.write(batch("s"), principal, utc_now()))
        return False

    await until(written)
    kafka.kill()
    try:
        waiting = asyncio.create_task(writer.write(batch("t"), principal, utc_now()))
        async with asyncio.timeout(30):
            with pytest.raises(DependencyDown):
                await waiting
            await writer.close()
    finally:
        await back(kafka)


async def test_kafka_killed_in_the_middle_of_traffic_loses_and_doubles_nothing_acknowledged(
    hub: Hub, settings: Settings, key: dict[str, str], kafka: LocalKafka
) -> None:
    acknowledged: dict[str, str] = {}
    stop = asyncio.Event()

    async def sender(name: str) -> None:
        number = 0
        while not stop.is_set():
            events = batch(f"{name}{number}")
            answer = await until_taken(hub, key, events)
            for result in answer.json()["results"]:
                acknowledged[result["event_id"]] = result["position"]
            number += 1

    async def many() -> bool:
        return len(acknowledged) > before + 200

    before = len(acknowledged)
    senders = [asyncio.create_task(sender(name)) for name in ("x", "y", "z")]
    await until(many)
    kafka.kill()
    await back(kafka)
    before = len(acknowledged)
    await until(many)
    stop.set()
    await asyncio.gather(*senders)

    records = await on_the_log(settings)
    found = {f"stories:{r.partition}:{r.offset}": str(decode(r.value).event_id) for r in records}
    for event_id, position in acknowledged.items():
        assert found[position] == event_id
    assert set(Counter(found.values()).values()) == {1}


async def test_postgresql_down_503_and_the_same_ids_again_are_on_the_log_once(
    hub: Hub, settings: Settings, key: dict[str, str], postgres: LocalPostgres
) -> None:
    postgres.kill()
    try:
        assert_unavailable(await post(hub, key, batch("p")))
    finally:
        await back(postgres)

    answer = await until_taken(hub, key, batch("p"))

    assert statuses(answer).total() == 40
    assert statuses(answer).keys() <= {"accepted", "duplicate"}
    found = await ids_on_the_log(settings)
    assert set(found.values()) == {1}


async def test_postgresql_killed_in_the_middle_of_traffic_doubles_nothing(
    hub: Hub,
    settings: Settings,
    key: dict[str, str],
    postgres: LocalPostgres,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Killed after the log has an event and before that is written down.

    Held there: what is written down is safe from a kill only a moment later, and comes twice when
    it is sent again after a kill within that moment.
    """
    reached, goes_on = asyncio.Event(), asyncio.Event()
    publish = ReservationStore.publish

    async def held(store: ReservationStore, *done: Any) -> None:
        reached.set()
        await goes_on.wait()
        await publish(store, *done)

    monkeypatch.setattr(ReservationStore, "publish", held)
    sent = [asyncio.create_task(post(hub, key, batch(f"q{n}"))) for n in range(30)]
    await asyncio.wait_for(reached.wait(), 60)
    postgres.kill()
    goes_on.set()
    await back(postgres)
    answers = await asyncio.gather(*sent)
    assert {answer.status_code for answer in answers} <= {202, 503}
    for number in range(30):
        await until_taken(hub, key, batch(f"q{number}"))
    found = await ids_on_the_log(settings)
    assert len(found) == 2 + 30 * (40 + 10)
    assert set(found.values()) == {1}
