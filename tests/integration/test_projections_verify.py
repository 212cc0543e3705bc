"""The read model compared with the log: what is whole is equal, and every wound is found."""

from __future__ import annotations

import asyncio
import json
import secrets
from functools import partial

import pytest
import structlog
from aiokafka import AIOKafkaProducer
from typer.testing import CliRunner

from schemas.catalog import event_types
from services.cli.__main__ import app
from services.common.codec import encode, headers
from services.common.errors import DependencyDown
from services.common.postgres import Pool
from services.common.settings import Settings
from services.portal.flow_store import FlowStore
from services.projections.projections import PROJECTIONS
from services.projections.verify.buckets import MOST_BUCKETS, Buckets, size_for
from services.projections.verify.verdict import Verdict
from services.projections.verify.verifying import verify
from tests.integration.test_projections import (
    Positions,
    ends,
    positions,  # noqa: F401 (a fixture)
    publish,
    running,
    session,
    worker_id,
)
from tests.processes import free_port
from tests.projection_kit import Event, make

TABLES = (
    "story",
    "set_aside",
    "directory_event",
    "left_out",
    "parked",
    "training",
    "void",
    "moved",
    "erased",
    "stream_position",
)


@pytest.fixture
async def made(
    settings: Settings,
    producer: AIOKafkaProducer,
    positions: Positions,  # noqa: F811
) -> list[Event]:
    """A log with everything on it: repeats, a void, an erasure, a poison record, a stray."""
    sessions = [session(n % 20) for n in range(200)]
    voided = sessions[7][1]
    void = make(
        "RecordVoided",
        worker_id=voided["worker_id"],
        event_id=secrets.token_bytes(16),
        voided_event_id=voided["event_id"],
        source=voided["source"],
    )
    erased = make(
        "ErasureKeysDestroyed", worker_id=worker_id(19), event_id=secrets.token_bytes(16), keys=1
    )
    # A repeat of what is erased afterwards counts as erased, too.
    in_part = make(
        "ErasureKeysDestroyed",
        worker_id=worker_id(18),
        event_id=secrets.token_bytes(16),
        keys=1,
        categories=["training"],
    )
    await publish(settings, producer, [sessions[18], sessions[18]])
    organization = make("OrganizationRegistered", event_id=secrets.token_bytes(16))
    await publish(
        settings, producer, [*sessions, organization, void, *sessions[:5], erased, in_part]
    )
    kind = event_types()["TrainingProgressed"]
    topic = settings.topic("stories")
    for event in (session(3), session(3)):
        cut = encode(kind, event[1])[:-1]
        told = headers(kind, event[1])
        await producer.send_and_wait(topic, cut, key=worker_id(3), headers=told)
    await producer.send_and_wait(topic, b"no frame", key=None, partition=0)
    async with running(settings):
        await positions.reach(await ends(settings))
    return sessions


def said(verdict: Verdict) -> list[tuple[str, str]]:
    return [(str(one.wrong), one.at) for one in verdict.differences]


async def test_what_is_whole_is_equal_and_each_record_is_counted_once(
    settings: Settings, pool: Pool, made: list[Event]
) -> None:
    verdict = await verify(settings, "read", PROJECTIONS)

    assert said(verdict) == []
    assert verdict.outcome == "equal"
    on_log = sum((await ends(settings)).values())
    counts = {name: verdict.count(name) for name in ("repeats", "parked", "erased", "strays")}
    assert counts == {"repeats": 5, "parked": 2, "erased": 22, "strays": 1}
    assert verdict.records == on_log
    assert verdict.rows == on_log
    rows = await pool.fetch("SELECT topic, partition, differences FROM read.verified")
    assert [row["differences"] for row in rows] == [0] * (len(verdict.partitions) + 1)


Wound = tuple[str, str, str]  # what is done, what is found, where (SQL, before it is done)
_ONE = (
    "(SELECT event_id FROM read.story WHERE event_type = 'TrainingProgressed' ORDER BY 1 LIMIT 1)"
)
_AT = "SELECT topic || ':' || partition || ':' || log_offset FROM read."
WOUNDS: dict[str, Wound] = {
    "a row says another topic": (
        f"UPDATE read.story SET topic = 'nowhere' WHERE event_id = {_ONE}",
        "repeat",
        f"{_AT}story WHERE event_id = {_ONE}",
    ),
    "a row says another partition": (
        f"UPDATE read.story SET partition = 999 WHERE event_id = {_ONE}",
        "repeat",
        f"{_AT}story WHERE event_id = {_ONE}",
    ),
    "a row says a schema that cannot be": (
        f"UPDATE read.story SET schema_id = -3 WHERE event_id = {_ONE}",
        "altered",
        f"{_AT}story WHERE event_id = {_ONE}",
    ),
    "a row is deleted": (
        f"DELETE FROM read.story WHERE event_id = {_ONE}",
        "missing",
        f"{_AT}story WHERE event_id = {_ONE}",
    ),
    "a row that was set aside is deleted": (
        "DELETE FROM read.set_aside",
        "missing",
        f"{_AT}set_aside",
    ),
    "a parked record is deleted": ("DELETE FROM read.parked", "missing", f"{_AT}parked LIMIT 1"),
    "a payload is altered": (
        f"UPDATE read.story SET payload = overlay(payload placing '\\x00'::bytea from 40) WHERE event_id = {_ONE}",
        "altered",
        f"{_AT}story WHERE event_id = {_ONE}",
    ),
    "a payload is cut": (
        f"UPDATE read.story SET payload = substr(payload, 1, length(payload) - 1) WHERE event_id = {_ONE}",
        "altered",
        f"{_AT}story WHERE event_id = {_ONE}",
    ),
    "a parked record is altered": (
        "UPDATE read.parked SET value = value || '\\x00'::bytea",
        "altered",
        f"{_AT}parked ORDER BY log_offset LIMIT 1",
    ),
    "a row that is on no log": (
        "INSERT INTO read.story SELECT worker_id, gen_random_uuid(), occurred_at, recorded_at,"
        " log_offset + 5000, partition, schema_id, topic, event_type, category, source, payload"
        f" FROM read.story WHERE event_id = {_ONE}",
        "not-on-log",
        f"SELECT topic || ':' || partition || ':' || log_offset + 5000 FROM read.story WHERE event_id = {_ONE}",
    ),
    "a row at another offset": (
        f"UPDATE read.story SET log_offset = log_offset + 5000 WHERE event_id = {_ONE}",
        "repeat",
        f"{_AT}story WHERE event_id = {_ONE}",
    ),
    "a repeat that is not counted": (
        "DELETE FROM read.left_out WHERE why = 'repeat'",
        "repeat",
        f"{_AT}left_out WHERE why = 'repeat' ORDER BY partition, log_offset LIMIT 1",
    ),
    "a stray that is not one": (
        f"WITH gone AS (DELETE FROM read.story WHERE event_id = {_ONE} RETURNING *)"
        " UPDATE read.left_out SET partition = gone.partition, log_offset = gone.log_offset"
        " FROM gone WHERE why = 'stray'",
        "missing",
        f"{_AT}left_out WHERE why = 'stray'",
    ),
    "a repeat of nothing": (
        "UPDATE read.left_out SET event_id = gen_random_uuid() WHERE why = 'repeat'",
        "repeat",
        f"{_AT}left_out WHERE why = 'repeat' ORDER BY partition, log_offset LIMIT 1",
    ),
    "an erasure of nobody": (
        "UPDATE read.left_out SET why = 'erased' WHERE why = 'repeat'",
        "erased",
        f"{_AT}left_out WHERE why = 'repeat' ORDER BY partition, log_offset LIMIT 1",
    ),
    "dropped by nobody": (
        "UPDATE read.left_out SET why = 'dropped' WHERE why = 'stray'",
        "dropped",
        f"{_AT}left_out WHERE why = 'stray'",
    ),
    "a counter is altered": (
        "UPDATE read.stream_position SET taken = taken - 1, repeats = repeats + 1 WHERE partition = 2",
        "counter",
        "SELECT 'stories:2'",
    ),
    "a sum is altered": (
        "UPDATE read.stream_position SET taken_sum = taken_sum + 1 WHERE partition = 2",
        "counter",
        "SELECT 'stories:2'",
    ),
    "a row of a table is deleted": (
        "DELETE FROM read.training WHERE worker_id = '00050005-0005-0005-0005-000500050005'",
        "table",
        "SELECT 'training of worker_id 00050005-0005-0005-0005-000500050005, enrolment_id e-0'",
    ),
    "a row of a table is altered": (
        "UPDATE read.training SET sessions = sessions + 1 WHERE worker_id = '00050005-0005-0005-0005-000500050005'",
        "table",
        "SELECT 'training of worker_id 00050005-0005-0005-0005-000500050005, enrolment_id e-0'",
    ),
    "a void is forgotten": (
        "DELETE FROM read.void",
        "table",
        "SELECT 'void of worker_id ' || worker_id || ', event_id ' || event_id"
        " || ', void_event_id ' || void_event_id FROM read.void",
    ),
    "a void says another source": (
        "UPDATE read.void SET source = 'nobody'",
        "table",
        "SELECT 'void of worker_id ' || worker_id || ', event_id ' || event_id"
        " || ', void_event_id ' || void_event_id FROM read.void",
    ),
    "somebody has moved whom no event moves": (
        "INSERT INTO read.moved VALUES ('00050005-0005-0005-0005-000500050005')",
        "table",
        "SELECT 'moved of worker_id 00050005-0005-0005-0005-000500050005'",
    ),
    "an erasure covers less": (
        "UPDATE read.erased SET categories = '{skill}' WHERE categories = '{training}'",
        "table",
        "SELECT 'erased of worker_id ' || worker_id || ', event_id ' || event_id"
        " FROM read.erased WHERE categories = '{training}'",
    ),
    "a row of a table that no event makes": (
        "INSERT INTO read.training (worker_id, enrolment_id) VALUES ('00000000-0000-0000-0000-000000000001', 'x')",
        "table",
        "SELECT 'training of worker_id 00000000-0000-0000-0000-000000000001, enrolment_id x'",
    ),
}
for _column, _value in {
    "occurred_at": "occurred_at + interval '1 microsecond'",
    "recorded_at": "'infinity'",
    "source": "'acme'",
    "event_type": "'WageChanged'",
    "category": "'consent'",
    "worker_id": "gen_random_uuid()",
    "event_id": "gen_random_uuid()",
}.items():
    WOUNDS[f"{_column} is altered"] = (
        f"UPDATE read.story SET {_column} = {_value} WHERE event_id = {_ONE}",
        "column",
        f"{_AT}story WHERE event_id = {_ONE}",
    )


async def test_every_wound_is_found_and_named_where_it_is(
    settings: Settings, pool: Pool, made: list[Event]
) -> None:
    await pool.execute("CREATE SCHEMA kept")
    for table in TABLES:
        await pool.execute(f"CREATE TABLE kept.{table} AS TABLE read.{table}")
    store = FlowStore(pool)
    for name, (wound, wrong, where) in WOUNDS.items():
        place = await pool.fetchval(where)
        await pool.execute(wound)

        verdict = await verify(settings, "read", PROJECTIONS if wrong == "table" else ())

        assert (wrong, place) in said(verdict), (name, verdict.differences)
        assert verdict.outcome == "different", name
        shown = await store.counts()
        assert sum(row["differences"] for row in shown) > 0, name
        for table in TABLES:
            await pool.execute(f"TRUNCATE read.{table}")
            await pool.execute(f"INSERT INTO read.{table} TABLE kept.{table}")
    assert said(await verify(settings, "read", PROJECTIONS)) == []
    assert not any(row["differences"] for row in await store.counts())


async def test_a_row_that_is_lost_is_found_alone(
    settings: Settings, pool: Pool, made: list[Event]
) -> None:
    """Nothing beside it is called wrong: not its neighbours, not the counters."""
    wound, _, where = WOUNDS["a payload is cut"]
    place = await pool.fetchval(where)
    await pool.execute(wound)

    verdict = await verify(settings, "read")

    assert {at for _, at in said(verdict)} == {place}


async def test_a_running_system_is_equal_at_any_moment(
    settings: Settings,
    producer: AIOKafkaProducer,
    made: list[Event],
    positions: Positions,  # noqa: F811
) -> None:
    async with running(settings):
        for _ in range(4):
            more = [session(n % 20) for n in range(300)]
            sending = asyncio.create_task(publish(settings, producer, [*more, *made[:20]]))
            assert said(await verify(settings, "read", PROJECTIONS)) == []
            await sending
        await positions.reach(await ends(settings))
    assert said(await verify(settings, "read", PROJECTIONS)) == []


async def test_without_kafka_it_cannot_be_told(settings: Settings, made: list[Event]) -> None:
    away = settings.model_copy(update={"kafka_bootstrap": f"127.0.0.1:{free_port()}"})
    with pytest.raises(DependencyDown):
        await verify(away, "read")


async def run(environment: dict[str, str], *arguments: str) -> tuple[int, str]:
    """A command of `throughline`, in a thread: its exit code and what it printed."""
    invoke = partial(CliRunner().invoke, app, arguments, env=environment)
    try:
        result = await asyncio.to_thread(invoke)
    finally:
        structlog.reset_defaults()  # a command logs to its own stderr, which is closed by now
    return result.exit_code, result.stdout


async def test_the_command_ends_with_0_1_or_2(
    environment: dict[str, str], pool: Pool, made: list[Event]
) -> None:
    code, printed = await run(environment, "verify", "--json")
    found = json.loads(printed)
    assert (code, found["outcome"], found["differences"]) == (0, "equal", [])

    wound, _, where = WOUNDS["a row is deleted"]
    place = await pool.fetchval(where)
    await pool.execute(wound)
    code, printed = await run(environment, "verify")
    assert code == 1
    assert f"{place}  missing: no table holds it" in printed

    code, printed = await run(environment, "verify", "--schema", "read_old")
    assert code == 2
    assert "read_old" in printed

    away = environment | {"KAFKA_BOOTSTRAP": f"127.0.0.1:{free_port()}"}
    code, printed = await run(away, "verify", "--json")
    assert (code, json.loads(printed)["outcome"]) == (2, "unknown")


def test_buckets_stay_few_whatever_the_size() -> None:
    for records in (0, 1, 10_000, 10**9):
        at = {("stories", n): records for n in range(24)}
        size = size_for(at)
        assert sum(-(-end // size) for end in at.values()) <= MOST_BUCKETS


def test_sums_wrap_and_order_plays_no_part() -> None:
    one, other = Buckets(1024), Buckets(1024)
    one.add(("stories", 0), [0, 1, 2000], [2**64 - 1, 5, 7])
    for offset, hashed in ((2000, 7), (1, 5), (0, 2**64 - 1)):
        other.add(("stories", 0), [offset], [hashed])
    assert list(one.differing(other)) == []
    other.add(("stories", 0), [1025], [0])
    assert list(one.differing(other)) == [(("stories", 0), 1)]
