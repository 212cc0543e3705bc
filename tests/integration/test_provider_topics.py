"""Providers' own topics: with real users and access rules, and a worker of its own process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiokafka import ConsumerRecord
from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic

from schemas.catalog import event_types
from services.common.access import Role, issue_key
from services.common.codec import decode, encode
from services.common.errors import DependencyDown
from services.common.postgres import Pool
from services.common.settings import Settings
from services.common.vault import Keyring, Vault
from services.ingest.drafts import ItemResult, Status
from services.ingest.sources import provider_access
from services.ingest.sources.provider_access import Credentials, ProviderAccess
from services.ingest.sources.provider_records import Reject
from services.ingest.sources.provider_topics import ProviderTopics
from services.ingest.sources.settings import ProviderTopicSettings
from services.ingest.writer import Writer
from services.launcher.kafka import LocalKafka
from tests.conftest import NEVER_FENCED
from tests.ingest_kit import on_the_log
from tests.processes import HubProcess, free_port, until

AT = datetime(2026, 1, 5, 9, tzinfo=UTC)
ONE, OTHER = "river-college", "hill-school"
NIL = bytes(16)
BATCH = 100  # records that the worker takes at a time


@pytest.fixture(scope="module")
def secured(data_dir: Path) -> Iterator[LocalKafka]:
    """A broker with a second port, on which everybody has a name."""
    kafka = LocalKafka(data_dir / "secured", providers=True, settings=NEVER_FENCED)
    kafka.start()
    yield kafka
    kafka.stop()


@pytest.fixture(scope="module")
def kafka_bootstrap(secured: LocalKafka) -> str:
    """In place of the session's broker, for this module."""
    return secured.bootstrap


@pytest.fixture
def own(settings: Settings, secured: LocalKafka) -> ProviderTopicSettings:
    """Each test has topics of its own."""
    return ProviderTopicSettings(
        enabled=True,
        prefix=f"{settings.topic_prefix}providers.",
        group=f"{settings.topic_prefix}providers",
        bootstrap=secured.providers_bootstrap,
        security_protocol="SASL_PLAINTEXT",
    )


@pytest.fixture
def access(settings: Settings, own: ProviderTopicSettings) -> ProviderAccess:
    return ProviderAccess(settings, own)


@pytest.fixture
def user(settings: Settings) -> str:
    """Users are the cluster's, so each test has other organisations."""
    return f"{ONE}-{settings.topic_prefix[1:-1]}"


class Provider:
    """An organisation with a client of its own."""

    def __init__(self, credentials: Credentials) -> None:
        self.credentials = credentials
        self.config: dict[str, Any] = {**credentials.client_config(), "log_level": 0}
        self.producer = Producer({**self.config, "enable.idempotence": True})

    def send(self, topic: str, *records: Any, within_s: float = 60) -> list[KafkaError | None]:
        """Produce (value, key, headers) and answer each one's error."""
        answers: list[KafkaError | None] = []
        for value, key, headers in records:
            try:
                self.producer.produce(
                    topic, value, key, headers=headers, on_delivery=lambda e, _m: answers.append(e)
                )
            except KafkaException as refused:  # the broker's answer about the topic came first
                answers.append(refused.args[0])
        assert self.producer.flush(within_s) == 0
        return answers

    def put(self, *values: bytes | None) -> None:
        """Produce to its own topic."""
        done = self.send(self.credentials.topic, *((value, None, None) for value in values))
        assert done == [None] * len(values)

    def read(self, topic: str, group: str, count: int, within_s: float = 60) -> list[Message]:
        """Raises KafkaException as the broker answers."""
        config = {**self.config, "group.id": group, "auto.offset.reset": "earliest"}
        consumer = Consumer(config)
        try:
            consumer.subscribe([topic])
            found: list[Message] = []
            deadline = time.monotonic() + within_s
            while time.monotonic() < deadline:
                message = consumer.poll(0.2)
                if message is None:
                    continue
                if message.error():
                    raise KafkaException(message.error())
                found.append(message)
                if len(found) >= count:
                    return found
        finally:
            consumer.close()
        raise AssertionError(f"{len(found)} of {count} records")

    def rejects(self, count: int) -> list[Message]:
        group = f"{self.credentials.group_prefix}{uuid4()}"
        return self.read(self.credentials.rejects, group, count)


def enrolled(provider: str, number: object = 1, **fields: Any) -> bytes:
    """TrainingEnrolled as a provider writes it: what is sealed on the log is plain text here."""
    event_type = event_types()["TrainingEnrolled"]
    values: dict[str, Any] = dict.fromkeys(event_type.fields) | {
        "event_id": NIL,
        "worker_id": NIL,
        "occurred_at": AT,
        "recorded_at": AT,
        "source": "",
        "source_record_id": f"r-{number}".encode(),
        "actor_role": "UNKNOWN",
        "actor_id": "",
        "enrolment_id": f"e-{number}",
        "course_id": "forklift",
        "provider_id": provider,
    }
    return encode(event_type, values | fields)


async def granted(pool: Pool, access: ProviderAccess, who: str) -> Provider:
    await issue_key(pool, Role.PROVIDER, who)
    return Provider(await asyncio.to_thread(access.grant, who))


@pytest.fixture
async def worker(
    environment: dict[str, str], own: ProviderTopicSettings, tmp_path: Path
) -> AsyncIterator[HubProcess]:
    """`throughline work ingest`, in a process of its own."""
    env = environment | {
        "PROVIDER_TOPICS_ENABLED": "true",
        "PROVIDER_TOPICS_PREFIX": own.prefix,
        "PROVIDER_TOPICS_GROUP": own.group,
        "PROVIDER_TOPICS_INSTANCE_ID": "one",
        "PROVIDER_TOPICS_DISCOVERY": "PT0.5S",
        "PROVIDER_TOPICS_LONGEST_WAIT": "PT1S",
        "PROVIDER_TOPICS_TELL_LAG_EVERY": "PT1S",
        "PROVIDER_TOPICS_BATCH_RECORDS": str(BATCH),
        "PROVIDER_TOPICS_RECORD_BYTES": "20000",
        # A killed one's reservations are soon free.
        "INGEST_PATIENCE": "PT2S",
        "INGEST_HOLD": "PT3S",
        # Tests sign agreements in the database, which does not wait for this as signing does.
        "INGEST_AGREEMENT_AGE": "PT0S",
    }
    process = HubProcess("work", "ingest", environment=env, log=tmp_path / "worker.log")
    process.start()
    yield process
    process.stop()


async def told(settings: Settings, count: int, within_s: float = 60) -> list[Any]:
    """What is on `stories` besides registrations, once there is so much."""

    async def there() -> list[Any]:
        found = [decode(record.value) for record in await on_the_log(settings)]
        events = [event for event in found if event.name != "WorkerRegistered"]
        return events if len(events) >= count else []

    return await until(there, within_s=within_s, every_s=0.3)


async def all_read(access: ProviderAccess, within_s: float = 60) -> None:
    """Until no provider's record waits."""

    async def nothing_waits() -> bool:
        standings = await asyncio.to_thread(access.standings)
        return bool(standings) and not any(one.waiting for one in standings)

    await until(nothing_waits, within_s=within_s, every_s=0.3)


def answer_to(producer: Producer, provider: Provider) -> int:
    """The code of the error with which a record is given up."""
    answers: list[int] = []
    producer.produce(
        provider.credentials.topic, b"x", on_delivery=lambda error, _m: answers.append(error.code())
    )
    producer.flush(60)
    [code] = answers
    return code


async def test_who_has_no_password_or_a_wrong_one_comes_not_in(
    pool: Pool, access: ProviderAccess, user: str
) -> None:
    mine = await granted(pool, access, user)
    bare = {"bootstrap.servers": mine.config["bootstrap.servers"], "log_level": 0}
    for config in (bare, {**mine.config, "sasl.password": "guess"}):
        stranger = Producer({**config, "message.timeout.ms": 3000})
        assert await asyncio.to_thread(answer_to, stranger, mine) == KafkaError._MSG_TIMED_OUT


async def test_a_provider_writes_its_topic_and_reads_its_rejects_and_nothing_else(
    pool: Pool, settings: Settings, access: ProviderAccess, user: str
) -> None:
    mine = await granted(pool, access, user)
    theirs = await granted(pool, access, f"{OTHER}{user[len(ONE) :]}")
    denied = KafkaError.TOPIC_AUTHORIZATION_FAILED
    assert mine.send(mine.credentials.topic, (b"x", None, None)) == [None]
    for topic in (
        theirs.credentials.topic,
        theirs.credentials.rejects,
        mine.credentials.rejects,
        settings.topic("stories"),
    ):
        [error] = mine.send(topic, (b"x", None, None))
        assert error is not None
        assert error.code() == denied, topic
    group = f"{mine.credentials.group_prefix}g"
    for topic in (
        theirs.credentials.rejects,
        theirs.credentials.topic,
        mine.credentials.topic,
        settings.topic("stories"),
    ):
        with pytest.raises(KafkaException, match="TOPIC_AUTHORIZATION_FAILED"):
            mine.read(topic, group, 1)
    with pytest.raises(KafkaException, match="GROUP_AUTHORIZATION_FAILED"):
        mine.read(mine.credentials.rejects, "throughline-providers", 1)


async def test_a_new_grant_is_a_new_password_and_a_revoked_one_may_nothing_at_once(
    pool: Pool, access: ProviderAccess, user: str
) -> None:
    mine = await granted(pool, access, user)
    assert mine.send(mine.credentials.topic, (b"x", None, None)) == [None]
    again = Provider(await asyncio.to_thread(access.grant, user))
    assert again.credentials.password != mine.credentials.password
    await asyncio.to_thread(access.revoke, user)

    async def refused() -> bool:
        [error] = await asyncio.to_thread(mine.send, mine.credentials.topic, (b"x", None, None))
        return error is not None and error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED

    await until(refused)
    await asyncio.to_thread(access.revoke, user, delete_topics=True)

    async def gone() -> bool:
        # A topic that is about to go is named, and has no offsets.
        with contextlib.suppress(DependencyDown, KafkaException):
            return await asyncio.to_thread(access.standings) == []
        return False

    await until(gone)


def config_of(settings: Settings, topic: str) -> dict[str, str]:
    admin = AdminClient({"bootstrap.servers": settings.kafka_bootstrap, "log_level": 0})
    [asked] = admin.describe_configs([ConfigResource(ConfigResource.Type.TOPIC, topic)]).values()
    return {name: entry.value for name, entry in asked.result(15).items()}


async def test_a_topic_takes_a_bounded_part_of_the_disk(
    pool: Pool, settings: Settings, access: ProviderAccess, own: ProviderTopicSettings, user: str
) -> None:
    topics = [own.topic_in(user), own.topic_rejects(user)]

    async def kept(retention: int, segment: int) -> bool:
        with contextlib.suppress(KafkaException):  # a new topic, or what it is told, is known soon
            found = [await asyncio.to_thread(config_of, settings, topic) for topic in topics]
            has = [(int(c["retention.bytes"]), int(c["segment.bytes"])) for c in found]
            return has == [(retention, segment)] * 2
        return False

    await granted(pool, access, user)
    await until(lambda: kept(1 << 30, 1 << 27))
    less = own.model_copy(update={"kept_bytes": 100_000_000, "kept": timedelta(days=1)})
    await granted(pool, ProviderAccess(settings, less), user)
    await until(lambda: kept(100_000_000, 12_500_000))
    ages = [(await asyncio.to_thread(config_of, settings, t))["retention.ms"] for t in topics]
    assert ages == ["86400000", "2592000000"]


async def test_standings_can_be_told_before_any_group_was(
    settings: Settings,
    own: ProviderTopicSettings,
    data_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A cluster makes its coordinator of groups when it is first asked for one."""
    monkeypatch.setattr(provider_access, "_PATIENCE_S", 60.0)
    kafka = LocalKafka(data_dir / "new", settings=NEVER_FENCED)
    await asyncio.to_thread(kafka.start)
    try:
        fresh = settings.model_copy(update={"kafka_bootstrap": kafka.bootstrap})
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 0})
        [made] = admin.create_topics([NewTopic(own.topic_in(ONE), 1, 1)]).values()
        await asyncio.to_thread(made.result, 15)
        groups = [own.model_copy(update={"group": f"group-{n}"}) for n in range(12)]
        asked = [asyncio.to_thread(ProviderAccess(fresh, group).standings) for group in groups]
        for [standing] in await asyncio.gather(*asked):  # at once: all while it is being made
            assert (standing.organization_id, standing.waiting) == (ONE, 0)
    finally:
        await asyncio.to_thread(kafka.stop)


async def test_the_role_is_that_of_the_registration_whatever_becomes_of_its_keys(
    pool: Pool, settings: Settings, access: ProviderAccess, user: str, worker: HubProcess
) -> None:
    mine = await granted(pool, access, user)
    await issue_key(pool, Role.AGENCY, user)  # of another use: it changes nothing either
    await pool.execute(
        "UPDATE vault.access_key SET revoked_at = now() WHERE subject = $1 AND role = 'provider'",
        user,
    )
    mine.put(enrolled(user, 1))
    [event] = await told(settings, 1)
    assert event.fields["actor_role"] == "PROVIDER"
    await pool.execute("UPDATE vault.access_key SET revoked_at = now() WHERE subject = $1", user)
    await asyncio.to_thread(worker.stop)  # which remembered the role
    worker.start()
    mine.put(enrolled(user, 2))
    events = await told(settings, 2)
    assert {event.fields["actor_role"] for event in events} == {"PROVIDER"}
    await all_read(access)
    assert [one.rejects for one in await asyncio.to_thread(access.standings)] == [0]


async def test_what_a_provider_produces_is_on_the_log_as_its_own_and_sealed(
    pool: Pool, settings: Settings, access: ProviderAccess, user: str, worker: HubProcess
) -> None:
    mine = await granted(pool, access, user)
    mine.put(enrolled(user, "clock-17"), enrolled(user, "clock-18", source=user))
    events = await told(settings, 2)
    assert [event.fields["source"] for event in events] == [user, user]
    assert {event.fields["actor_role"] for event in events} == {"PROVIDER"}
    assert all(b"clock-1" not in event.fields["source_record_id"] for event in events)
    await all_read(access)
    # A provider that comes later is found by the same process.
    late = await granted(pool, access, f"{OTHER}{user[len(ONE) :]}")
    late.put(enrolled(late.credentials.organization_id))
    events = await told(settings, 3)
    assert late.credentials.organization_id in {event.fields["source"] for event in events}


async def test_what_is_not_taken_comes_back_with_its_reason_and_blocks_nothing(
    pool: Pool, settings: Settings, access: ProviderAccess, user: str, worker: HubProcess
) -> None:
    mine = await granted(pool, access, user)
    good, started = enrolled(user), event_types()["EmploymentStarted"]
    empty = dict.fromkeys(started.fields) | {
        "event_id": NIL, "worker_id": NIL, "occurred_at": AT, "recorded_at": AT, "source": "",
        "source_record_id": b"r-1", "actor_role": "UNKNOWN", "actor_id": "",
        "employment_id": "j-1", "employer_id": user, "wage_period": "UNKNOWN",
    }  # fmt: skip
    bad = {
        b"not avro": "value",
        b"\0\0\0\xff\xff" + b"x" * 20: "value",
        good[:-3]: "value",
        good + b"x" * 20_000: "value",
        good + good: "value",
        enrolled(user, source=OTHER): "source",
        enrolled(OTHER): "provider_id",
        enrolled(user, occurred_at=datetime(2200, 1, 1, tzinfo=UTC)): "occurred_at",
        enrolled(user, course_id="no spaces please"): "course_id",
        encode(started, empty): "type",
    }
    sent = [(value, f"k-{n}".encode(), [("mine", b"1")]) for n, value in enumerate(bad)]
    sent_bare = (None, b"k", None), (None, None, None)
    assert set(mine.send(mine.credentials.topic, *sent, *sent_bare)) == {None}
    mine.put(enrolled(user, "last"))
    [last] = await told(settings, 1)
    assert last.fields["enrolment_id"] == "e-last"

    found = await asyncio.to_thread(mine.rejects, len(bad) + 2)
    by_key = {message.key(): message for message in found}
    for value, key, _headers in sent:
        message, headers = by_key[key], dict(by_key[key].headers())
        [error, *_] = json.loads(headers["throughline-reject-errors"])
        assert (message.value(), headers["mine"]) == (value, b"1")
        assert error["field"] == bad[value], (bad[value], error)
        assert error["problem"]
        assert error["fix"]
        assert headers["throughline-reject-topic"].decode() == mine.credentials.topic
        assert UUID(headers["throughline-reject-id"].decode())
    ids = {dict(message.headers())["throughline-reject-id"] for message in found}
    assert len(ids) == len(bad) + 2


async def test_ids_of_the_provider_are_kept_and_a_record_without_one_is_named_by_its_place(
    pool: Pool, settings: Settings, access: ProviderAccess, user: str, worker: HubProcess
) -> None:
    mine = await granted(pool, access, user)
    chosen = uuid4()
    records = [(enrolled(user, 1, event_id=chosen.bytes), None, None)] * 2
    records += [(enrolled(user, 2), None, [("ce_id", b"42")])] * 2
    records += [(enrolled(user, 3), None, None)] * 2
    assert set(mine.send(mine.credentials.topic, *records)) == {None}
    await all_read(access)
    events = await told(settings, 4)
    assert Counter(event.fields["enrolment_id"] for event in events) == {
        "e-1": 1,
        "e-2": 1,
        "e-3": 2,
    }
    assert chosen in {event.event_id for event in events}


async def test_what_no_agreement_covers_comes_back_and_an_outage_only_delays(
    pool: Pool,
    settings: Settings,
    access: ProviderAccess,
    user: str,
    environment: dict[str, str],
    worker: HubProcess,
) -> None:
    mine = await granted(pool, access, user)
    # What can't be known is not taken, and waits: as any outage of the hub.
    await pool.execute("ALTER TABLE ingest_work.agreement RENAME TO away")
    mine.put(enrolled(user, 1))

    async def waits() -> bool:
        return "a provider waits" in worker.log_tail()

    await until(waits)
    await pool.execute("ALTER TABLE ingest_work.away RENAME TO agreement")
    await told(settings, 1)
    await pool.execute(
        "INSERT INTO ingest_work.agreement VALUES ($1, 'mou-9', 1, 'throughline', '{skill}',"
        " '{}', '{}', now(), NULL, false, NULL, now(), '', 'directory:0:0')",
        user,
    )
    mine.put(enrolled(user, 2))
    [message] = await asyncio.to_thread(mine.rejects, 1)
    [error] = json.loads(dict(message.headers())["throughline-reject-errors"])
    assert "no sharing agreement" in error["problem"]
    assert error["fix"]


async def test_what_the_topic_let_go_of_unread_is_told_to_the_provider_once(
    pool: Pool,
    settings: Settings,
    access: ProviderAccess,
    user: str,
    worker: HubProcess,
) -> None:
    mine = await granted(pool, access, user)
    mine.put(enrolled(user, 1))
    await told(settings, 1)
    await all_read(access)
    await asyncio.to_thread(worker.stop)
    mine.put(*(enrolled(user, n) for n in range(2, 10)))
    await removed(settings, mine, before=6)
    [before] = await asyncio.to_thread(access.standings)
    assert (before.waiting, before.lost) == (3, 5)
    worker.start()
    events = await told(settings, 4)
    assert {event.fields["enrolment_id"] for event in events} == {"e-1", "e-7", "e-8", "e-9"}
    await all_read(access)
    # And of one that sends nothing more, from where it was told.
    await asyncio.to_thread(worker.stop)
    mine.put(enrolled(user, 10), enrolled(user, 11))
    await removed(settings, mine, before=11)
    worker.start()

    async def twice() -> list[ConsumerRecord]:
        found = await records_of(settings, mine.credentials.rejects)
        return found if len(found) > 1 else []

    for message, start, count in zip(await until(twice), (1, 9), (5, 2), strict=True):
        headers = dict(message.headers)
        [error] = json.loads(headers["throughline-reject-errors"])
        assert (message.key, message.value) == (None, b"")
        assert headers["throughline-reject-status"] == b"lost"
        assert int(headers["throughline-reject-offset"]) == start
        assert error["problem"].startswith(f"{count} records")

    async def all_told() -> bool:
        [after] = await asyncio.to_thread(access.standings)
        return (after.waiting, after.lost) == (0, 0)

    await until(all_told)


async def removed(settings: Settings, provider: Provider, *, before: int) -> None:
    """As Kafka does when a topic is full or old."""
    admin = AdminClient({"bootstrap.servers": settings.kafka_bootstrap, "log_level": 0})
    asked = admin.delete_records([TopicPartition(provider.credentials.topic, 0, before)])
    for answer in asked.values():
        await asyncio.to_thread(answer.result, 60)


async def test_killed_again_and_again_it_loses_nothing_and_doubles_nothing(
    pool: Pool,
    settings: Settings,
    access: ProviderAccess,
    user: str,
    environment: dict[str, str],
    worker: HubProcess,
    tmp_path: Path,
) -> None:
    mine = await granted(pool, access, user)
    count, bad_every, dice = 3_000, 100, random.Random(7)
    values = [b"bad" if n % bad_every == 0 else enrolled(user, n) for n in range(count)]
    bad, good = count // bad_every, count - count // bad_every
    part = count // 3
    for start in range(0, count, part):
        before = len(await on_the_log(settings))
        mine.put(*values[start : start + part])

        async def moved(before: int = before) -> bool:
            return len(await on_the_log(settings)) > before

        await until(moved, every_s=0.1)
        await asyncio.sleep(dice.random())  # the moment of the kill, not a wait for anything
        worker.kill()
        worker.start()
    await all_read(access, within_s=120)
    projections = HubProcess(
        "work", "projections", environment=environment, log=tmp_path / "projections.log"
    )
    projections.start()
    try:
        query = "SELECT count(*) FROM read.training"

        async def projected() -> bool:
            return bool(await pool.fetchval(query) >= good)

        await until(projected, within_s=60)
    finally:
        projections.stop()
    stories = "SELECT count(*) FROM read.story WHERE event_type = 'TrainingEnrolled'"
    assert await pool.fetchval(stories) == good
    people = "SELECT count(*) FROM read.worker"
    assert await pool.fetchval(people) == good

    records = await on_the_log(settings)
    events = [decode(record.value) for record in records]
    enrolments = [event for event in events if event.name == "TrainingEnrolled"]
    wanted = Counter(f"e-{n}" for n in range(count) if n % bad_every)
    named = {event.event_id: event.fields["enrolment_id"] for event in enrolments}
    assert Counter(named.values()) == wanted, "each under one id: lost 0, doubled 0"
    # What was under way at a kill may stand there once more, under the same id, and no more.
    assert len(enrolments) - good <= worker.kills * BATCH
    sent = await records_of(settings, mine.credentials.topic)
    given_back = await records_of(settings, mine.credentials.rejects)
    ids = [dict(record.headers)["throughline-reject-id"].decode() for record in given_back]
    refused = [record for record in sent if record.value == b"bad"]
    result = ItemResult(Status.INVALID)
    assert set(ids) == {str(Reject(record, result).reject_id) for record in refused}
    assert len(set(ids)) == bad
    assert len(ids) - bad <= worker.kills * BATCH


async def records_of(settings: Settings, topic: str) -> list[ConsumerRecord]:
    """All that stands on a provider's topic now, to its end, read as the hub."""
    bare = settings.model_copy(update={"topic_prefix": "", "partitions": 1})
    return await on_the_log(bare, topic)


async def test_the_documented_producer_works_as_it_is_written(
    pool: Pool,
    settings: Settings,
    access: ProviderAccess,
    user: str,
    own: ProviderTopicSettings,
    environment: dict[str, str],
    worker: HubProcess,
    tmp_path: Path,
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "provider-topics.md").read_text()
    code = page.partition("```python\n")[2].partition("```")[0]
    port = free_port()
    code = code.replace("https://hub.example", f"http://127.0.0.1:{port}")
    code = code.replace('f"providers.', f'f"{own.prefix}')
    (tmp_path / "produce.py").write_text(code)
    registry = HubProcess(
        "serve", "registry", "--port", str(port), environment=environment, log=tmp_path / "http.log"
    )
    registry.start()
    try:
        mine = await granted(pool, access, user)
        lines = [f"{name}={value}" for name, value in mine.credentials.client_config().items()]
        (tmp_path / "client.properties").write_text("\n".join(lines))

        async def serves() -> bool:
            with contextlib.suppress(OSError):
                (await asyncio.open_connection("127.0.0.1", port))[1].close()
                return True
            return False

        await until(serves)
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "produce.py"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
    finally:
        registry.stop()
    [event] = await told(settings, 1)
    assert (event.fields["source"], event.fields["course_id"]) == (user, "forklift")


async def test_one_who_sends_too_fast_waits_and_nobody_else_does(
    pool: Pool,
    settings: Settings,
    access: ProviderAccess,
    user: str,
    environment: dict[str, str],
    own: ProviderTopicSettings,
) -> None:
    slow = own.model_copy(update={"records_per_second": 40.0, "batch_records": 20})
    fast, other = (
        await granted(pool, access, user),
        await granted(pool, access, f"{OTHER}{user[len(ONE) :]}"),
    )
    fast.put(*(enrolled(user, n) for n in range(200)))
    other.put(enrolled(other.credentials.organization_id))
    vault = await Vault.open(settings)
    writer = Writer(settings, pool, vault, Keyring(pool, vault))
    source = asyncio.create_task(ProviderTopics(slow, settings, writer, pool).run())
    try:
        began = time.monotonic()
        events = await told(settings, 1)

        async def both() -> set[str]:
            found = {event.fields["source"] for event in await told(settings, 1)}
            return found if len(found) == 2 else set()

        await until(both)
        assert len(events) < 200
        await told(settings, 201)
        assert time.monotonic() - began > 3  # 200 at 40 a second, the first 40 at once
    finally:
        source.cancel()
        await asyncio.gather(source, return_exceptions=True)
        await writer.close()
