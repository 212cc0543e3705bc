"""The same work one event at a time, as it is usually written: aiokafka, fastavro and asyncpg.

`python -m tests.bench.plain_loop BROKER TOPIC N DATABASE_URL` prints the events per second of N
events and exits. It does less than the projections: of the tables it only keeps the log and the
sessions of each enrolment.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import asyncpg
import uvloop
from aiokafka import AIOKafkaConsumer, ConsumerRecord

from services.common.codec import FRAME_SIZE, decode

_TABLES = """
DROP SCHEMA IF EXISTS plain CASCADE;
CREATE SCHEMA plain;
CREATE TABLE plain.story (
    worker_id uuid, event_id uuid, occurred_at timestamptz, recorded_at timestamptz,
    event_type text, source text, payload bytea, PRIMARY KEY (worker_id, event_id)
);
CREATE TABLE plain.training (
    worker_id uuid, enrolment_id text, sessions bigint, PRIMARY KEY (worker_id, enrolment_id)
);
CREATE TABLE plain.stream_position (partition integer PRIMARY KEY, next_offset bigint);
"""

_STORY = "INSERT INTO plain.story VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING"
_TRAINING = """
INSERT INTO plain.training AS t VALUES ($1, $2, 1)
ON CONFLICT (worker_id, enrolment_id) DO UPDATE SET sessions = t.sessions + 1
"""
_POSITION = """
INSERT INTO plain.stream_position VALUES ($1, $2)
ON CONFLICT (partition) DO UPDATE SET next_offset = excluded.next_offset
"""


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
        if done == "INSERT 0 1" and event.name == "TrainingProgressed":
            await connection.execute(_TRAINING, event.worker_id, fields["enrolment_id"])
        await connection.execute(_POSITION, record.partition, record.offset + 1)


async def main(broker: str, topic: str, wanted: int, database_url: str) -> None:
    connection = await asyncpg.connect(database_url, server_settings={"synchronous_commit": "off"})
    await connection.execute(_TABLES)
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
