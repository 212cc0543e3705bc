"""The same work one event at a time, as it is usually written: aiokafka, fastavro and asyncpg.

`python -m tests.bench.plain_loop BROKER TOPIC N DATABASE_URL` prints the events per second of N
events and exits. It keeps the log, one row per training, job, skill and so on, and its position,
in one transaction per event. It does less than the projections: the last write wins.
"""

from __future__ import annotations

import sys
import time
from typing import Any, NamedTuple

import asyncpg
import uvloop
from aiokafka import AIOKafkaConsumer, ConsumerRecord

from services.common.codec import FRAME_SIZE, Decoded, decode


class Table(NamedTuple):
    """A table with a row per worker and `key`, and the fields that its events overwrite."""

    key: str
    fields: tuple[str, ...]


TABLES = {
    "assessment": Table("assessment_id", ("course_id", "phase", "score")),
    "training": Table("enrolment_id", ("course_id", "provider_id", "result", "reason", "score")),
    "skill": Table("skill_id", ("level", "attested_by")),
    "credential": Table("credential_id", ("credential_kind", "expires_at")),
    "employment": Table(
        "employment_id",
        ("employer_id", "occupation", "job_level", "wage_amount", "wage_currency", "wage_period"),
    ),
    "support": Table("support_id", ("kind", "started_by", "minutes")),
    "promise": Table("promise_id", ("employer_id", "pathway_id", "outcome", "due_in_days")),
    "interview": Table("interview_id", ("employer_id", "promise_id")),
    "access_grant": Table("grant_id", ("recipient_id", "categories", "valid_until")),
    "worker": Table("worker_id", ("language",)),
}

_LOG = """
DROP SCHEMA IF EXISTS plain CASCADE;
CREATE SCHEMA plain;
CREATE TABLE plain.story (
    worker_id uuid, event_id uuid, occurred_at timestamptz, recorded_at timestamptz,
    event_type text, source text, payload bytea, PRIMARY KEY (worker_id, event_id)
);
CREATE TABLE plain.stream_position (partition integer PRIMARY KEY, next_offset bigint);
"""
_STORY = "INSERT INTO plain.story VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING"
_POSITION = """
INSERT INTO plain.stream_position VALUES ($1, $2)
ON CONFLICT (partition) DO UPDATE SET next_offset = excluded.next_offset
"""


def table_ddl(name: str, table: Table) -> str:
    columns = "".join(f", {field} text" for field in table.fields)
    return (
        f"CREATE TABLE plain.{name} (worker uuid, id text, events bigint, changed_at timestamptz"
        f"{columns}, PRIMARY KEY (worker, id));"
    )


def upsert(name: str, fields: list[str]) -> str:
    names = "".join(f", {field}" for field in fields)
    values = "".join(f", ${number}" for number in range(4, 4 + len(fields)))
    changes = "".join(f", {field} = excluded.{field}" for field in fields)
    return (
        f"INSERT INTO plain.{name} AS t (worker, id, events, changed_at{names})"
        f" VALUES ($1, $2, 1, $3{values}) ON CONFLICT (worker, id) DO UPDATE"
        f" SET events = t.events + 1, changed_at = excluded.changed_at{changes}"
    )


async def _project(connection: asyncpg.Connection[asyncpg.Record], event: Decoded) -> None:
    for name, table in TABLES.items():
        if table.key not in event.fields or (name == "worker" and event.name != "WorkerRegistered"):
            continue
        present = [field for field in table.fields if event.fields.get(field) is not None]
        values = [str(event.fields[field]) for field in present]
        key = str(event.fields[table.key])
        at = event.fields["occurred_at"]
        await connection.execute(upsert(name, present), event.worker_id, key, at, *values)
        return


async def handle(
    connection: asyncpg.Connection[asyncpg.Record], record: ConsumerRecord[bytes, bytes]
) -> None:
    event = decode(record.value or b"")
    fields: Any = event.fields
    async with connection.transaction():
        done = await connection.execute(
            _STORY,
            event.worker_id,
            event.event_id,
            fields["occurred_at"],
            fields["recorded_at"],
            event.name,
            fields["source"],
            (record.value or b"")[FRAME_SIZE:],
        )
        if done == "INSERT 0 1":
            await _project(connection, event)
        await connection.execute(_POSITION, record.partition, record.offset + 1)


async def main(broker: str, topic: str, wanted: int, database_url: str) -> None:
    connection = await asyncpg.connect(database_url, server_settings={"synchronous_commit": "off"})
    await connection.execute(_LOG + "".join(table_ddl(*item) for item in TABLES.items()))
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=broker, group_id=None, auto_offset_reset="earliest"
    )
    await consumer.start()
    await handle(connection, await consumer.getone())
    began = time.perf_counter()
    for _ in range(wanted - 1):
        await handle(connection, await consumer.getone())
    print((wanted - 1) / (time.perf_counter() - began), flush=True)
    if await connection.fetchval("SELECT count(*) FROM plain.story") != wanted:
        raise SystemExit("the loop did not do its work")
    await consumer.stop()
    await connection.close()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]))
