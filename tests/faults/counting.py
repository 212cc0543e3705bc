"""Counts what a storm left, from the log itself and with no code of the engine.

The log is read some people at a time, so that memory does not grow with it.
"""

from __future__ import annotations

import io
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import fastavro
from confluent_kafka import Consumer, TopicPartition

from schemas.catalog import event_types
from services.common.postgres import Pool
from services.common.settings import Settings
from services.projections.projections import PROJECTIONS
from tests.faults.load import Chains
from tests.life_kit import Outcome, outcome_of
from tests.projection_kit import Event, plain, reference

Place = tuple[str, int, int]  # topic without prefix, partition, offset
Id = tuple[bytes, bytes]  # owner and event

_TOPICS = ("stories", "deliveries", "directory")
_RECORDS_AT_ONCE = 150_000
_FRAME = 5
# People whose rows in every table are compared with the reference, of each part of the log.
_LOOKED_AT = 300


@dataclass
class Count:
    """What was on the log, and what was done with it: from `lost` on, zero is the only good number
    but for `table_rows`.
    """

    events: int = 0  # different ones
    moved: int = 0
    parted: int = 0
    late_voids: int = 0
    early_voids: int = 0
    lost: int = 0  # on the log and not in the story where it counts
    doubled: int = 0  # more rows than events, or a row that should not count
    set_aside_wrongly: int = 0
    out_of_order: int = 0  # not the first record of its event
    table_rows: int = 0
    table_rows_wrong: int = 0
    examples: list[str] = field(default_factory=list)

    def note(self, what: str, found: object) -> None:
        if found and len(self.examples) < 20:
            self.examples.append(f"{what}: {found}"[:300])


def log_records(settings: Settings) -> Iterator[tuple[str, Any]]:
    """Every record on the log, with its topic without prefix; of a partition in order."""
    names = {settings.topic(name): name for name in _TOPICS}
    consumer = Consumer(
        {
            "bootstrap.servers": settings.kafka_bootstrap,
            "group.id": "faults-count",  # asked for, and never joined
            "enable.auto.commit": False,
            "enable.partition.eof": False,
        }
    )
    try:
        for full, name in names.items():
            for number in consumer.list_topics(full, timeout=30).topics[full].partitions:
                place = TopicPartition(full, number, 0)
                yield from ((name, record) for record in _partition(consumer, place))
    finally:
        consumer.close()


def _partition(consumer: Any, place: TopicPartition) -> Iterator[Any]:
    _, end = consumer.get_watermark_offsets(place, timeout=30)
    if not end:
        return
    consumer.assign([place])
    at = 0
    while at < end:
        for record in consumer.consume(10_000, timeout=0.1):
            assert record.error() is None, record.error()
            at = record.offset() + 1
            yield record


def chains_on_log(settings: Settings) -> tuple[Chains, int]:
    """What every owner's records on the log come to, and how many there are."""
    chains, records = Chains(), 0
    for topic, record in log_records(settings):
        chains.add(topic, record.key(), record.value())
        records += 1
    return chains, records


async def count(settings: Settings, pool: Pool, schema: str, records: int) -> Count:
    """Compare every event on the log with the story, and some people's rows in every table."""
    found = Count()
    parts = records // _RECORDS_AT_ONCE + 1
    for part in range(parts):
        people, directory = _read(settings, part, parts)
        await _check_stories(pool, schema, part, parts, people, found)
        if part == 0:
            await _check_directory(pool, schema, directory, found)
    return found


class _Person:
    """The events of one person, each once, with the place of its first record."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.first: dict[bytes, Place] = {}


def _read(settings: Settings, part: int, parts: int) -> tuple[dict[bytes, _Person], set[Id]]:
    people: dict[bytes, _Person] = defaultdict(_Person)
    directory: set[Id] = set()
    for topic, record in log_records(settings):
        key = record.key()
        if topic == "directory":
            event = _event(record)
            directory.add((key, event[1]["event_id"]))
        elif _part_of(key, parts) == part:
            event = _event(record)
            person, event_id = people[key], event[1]["event_id"]
            if event_id not in person.first:
                person.first[event_id] = topic, record.partition(), record.offset()
                person.events.append(event)
    return dict(people), directory


def _part_of(key: bytes, parts: int) -> int:
    return key[0] % parts


def _event(record: Any) -> Event:
    kinds = dict(record.headers())
    kind = event_types()[kinds["ce_type"].decode().rpartition(".")[2]]
    data = io.BytesIO(record.value()[_FRAME:])
    return kind.name, fastavro.schemaless_reader(data, kind.parsed, None)


async def _check_stories(
    pool: Pool, schema: str, part: int, parts: int, people: dict[bytes, _Person], found: Count
) -> None:
    wanted = Outcome([], {})
    for person in people.values():
        outcome_of(person.events, wanted)
        _note_what_came(person, found)
    mine = "get_byte(uuid_send(worker_id), 0) % $1 = $2"
    stories = await pool.fetch(
        f"SELECT worker_id, event_id, topic, partition, log_offset FROM {schema}.story WHERE {mine}",
        *(parts, part),
    )
    rows = Counter((row[0].bytes, row[1].bytes) for row in stories)
    kept = {(fields["worker_id"], fields["event_id"]) for _, fields in wanted.kept}
    _compare(rows, kept, found)
    firsts = {(key, e): place for key, p in people.items() for e, place in p.first.items()}
    late = [r for r in stories if firsts.get((r[0].bytes, r[1].bytes)) != tuple(r)[2:]]
    found.out_of_order += len(late)
    found.note("not the first record", late[:1])
    query = f"SELECT worker_id, event_id, why FROM {schema}.set_aside WHERE {mine}"
    aside = {(r[0].bytes, r[1].bytes): r[2] for r in await pool.fetch(query, parts, part)}
    wrong = aside.items() ^ wanted.aside.items()
    found.set_aside_wrongly += len({key for key, _ in wrong})
    found.note("set aside wrongly", sorted(wrong)[:2])
    found.events += len(firsts)
    await _check_tables(pool, schema, people, wanted, found)


def _note_what_came(person: _Person, found: Count) -> None:
    for name, fields in person.events:
        if name in ("WorkersMerged", "WorkersSplit"):
            leaves = fields["from_worker_id"] == fields["worker_id"]
            found.moved += leaves and name == "WorkersMerged"
            found.parted += leaves and name == "WorkersSplit"
        target = person.first.get(fields.get("voided_event_id", b""))
        if target is not None and target[:2] == person.first[fields["event_id"]][:2]:
            is_late = target < person.first[fields["event_id"]]
            found.late_voids += is_late
            found.early_voids += not is_late


def _compare(rows: Counter[Id], wanted: set[Id], found: Count) -> None:
    lost = wanted - rows.keys()
    found.lost += len(lost)
    found.note("lost", sorted(lost)[:1])
    doubled = {key: n - (key in wanted) for key, n in rows.items() if n > (key in wanted)}
    found.doubled += sum(doubled.values())
    found.note("doubled", sorted(doubled)[:1])


async def _check_directory(pool: Pool, schema: str, wanted: set[Id], found: Count) -> None:
    rows = await pool.fetch(f"SELECT organization_id, event_id FROM {schema}.directory_event")
    _compare(Counter((row[0].encode(), row[1].bytes) for row in rows), wanted, found)
    found.events += len(wanted)


async def _check_tables(
    pool: Pool, schema: str, people: dict[bytes, _Person], wanted: Outcome, found: Count
) -> None:
    """Rows of the first people, folded by the tests' own reference from what counts of them."""
    looked_at = sorted(people)[:_LOOKED_AT]
    chosen = set(looked_at)
    kept = [event for event in wanted.kept if event[1]["worker_id"] in chosen]
    about_people = [p for p in PROJECTIONS if "worker_id" in p.key.fields]
    for projection in about_people:
        rows = await pool.fetch(
            f"SELECT * FROM {schema}.{projection.table} WHERE worker_id = ANY ($1)",
            [UUID(bytes=key) for key in looked_at],
        )
        made = reference(kept, [projection])[projection.table]
        got = {
            tuple(plain(row[key]) for key in projection.key.fields): {
                column: plain(row[column]) for column in projection.columns
            }
            for row in rows
        }
        wrong = [key for key in made.keys() | got.keys() if made.get(key) != got.get(key)]
        found.table_rows += len(made)
        found.table_rows_wrong += len(wrong)
        found.note(f"{projection.table} wrong", wrong[:1])
