"""The same work as it is usually written: a Faust agent, pydantic, asyncpg, one event at a time.

`python -m tests.bench.usual_agent BROKER TOPIC N DATABASE_URL` prints the events per second of N
events and exits. It keeps the log, and one row per training, job, skill and so on, in one
transaction per event. It does less than the projections: the last write wins, and Faust commits
its offsets now and then, so a crash counts events twice.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
import time
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import uvloop
from pydantic import BaseModel, ConfigDict

from services.common.codec import decode
from tests.bench.idle_agent import idle_app


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
    "identity_link": Table("link_id", ("organization_id", "evidence")),
    "access_grant": Table("grant_id", ("recipient_id", "categories", "valid_until")),
    "worker": Table("worker_id", ("language",)),
}

_LOG = """
DROP SCHEMA IF EXISTS usual CASCADE;
CREATE SCHEMA usual;
CREATE TABLE usual.story (
    worker_id uuid, event_id uuid, occurred_at timestamptz, recorded_at timestamptz,
    event_type text, source text, payload bytea, PRIMARY KEY (worker_id, event_id)
);
"""
_STORY = "INSERT INTO usual.story VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING"


class Event(BaseModel):
    """The envelope, checked, and the event's own fields as they come."""

    model_config = ConfigDict(extra="allow")

    event_id: UUID
    worker_id: UUID
    occurred_at: datetime
    recorded_at: datetime
    source: str
    actor_role: str
    actor_id: str


def table_ddl(name: str, table: Table) -> str:
    columns = "".join(f", {field} text" for field in table.fields)
    return (
        f"CREATE TABLE usual.{name} (worker uuid, id text, events bigint, changed_at timestamptz"
        f"{columns}, PRIMARY KEY (worker, id));"
    )


def upsert(name: str, fields: list[str]) -> str:
    names = "".join(f", {field}" for field in fields)
    values = "".join(f", ${number}" for number in range(4, 4 + len(fields)))
    changes = "".join(f", {field} = excluded.{field}" for field in fields)
    return (
        f"INSERT INTO usual.{name} AS t (worker, id, events, changed_at{names})"
        f" VALUES ($1, $2, 1, $3{values}) ON CONFLICT (worker, id) DO UPDATE"
        f" SET events = t.events + 1, changed_at = excluded.changed_at{changes}"
    )


async def _project(connection: Any, name: str, event: Event) -> None:
    own = event.model_extra or {}
    for table_name, table in TABLES.items():
        if table_name == "worker" and name == "WorkerRegistered":
            key = str(event.worker_id)
        elif table.key in own:
            key = str(own[table.key])
        else:
            continue
        present = [field for field in table.fields if own.get(field) is not None]
        values = [str(own[field]) for field in present]
        sql = upsert(table_name, present)
        await connection.execute(sql, event.worker_id, key, event.occurred_at, *values)
        return


async def handle(connection: Any, value: bytes) -> None:
    decoded = decode(value)
    ids = {"event_id": decoded.event_id, "worker_id": decoded.worker_id}
    event = Event.model_validate({**decoded.fields, **ids})
    async with connection.transaction():
        done = await connection.execute(
            *(_STORY, event.worker_id, event.event_id, event.occurred_at, event.recorded_at),
            *(decoded.name, event.source, value),
        )
        if done == "INSERT 0 1":
            await _project(connection, decoded.name, event)


async def main(broker: str, topic: str, wanted: int, url: str, folder: str) -> None:
    connection = await asyncpg.connect(url, server_settings={"synchronous_commit": "off"})
    await connection.execute(_LOG + "".join(table_ddl(*item) for item in TABLES.items()))
    app = idle_app(broker, folder)
    rate = asyncio.get_running_loop().create_future()

    async def agent(stream: Any) -> None:
        seen, began = 0, 0.0
        async for value in stream:
            began = began or time.perf_counter()
            await handle(connection, value)
            seen += 1
            if seen == wanted:
                rate.set_result(wanted / (time.perf_counter() - began))
                return

    app.agent(app.topic(topic, key_serializer="raw", value_serializer="raw"))(agent)
    await app.start()
    print(await rate, flush=True)
    done = await connection.fetchval("SELECT count(*) FROM usual.story")
    shutil.rmtree(folder, ignore_errors=True)
    if done != wanted:
        print(f"{done} events are in the log, {wanted} came", file=sys.stderr)
        os._exit(1)
    os._exit(0)  # a clean stop takes seconds that nobody measures


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        uvloop.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], made))
