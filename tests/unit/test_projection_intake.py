"""What is taken, what is parked, and what stops: whatever bytes a record holds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas.catalog import event_types
from services.common.codec import FRAME_SIZE, decode
from services.common.errors import DoesNotDecode
from services.common.kafka import Position
from services.projections.counting import Tally, record_hash, tally
from services.projections.intake import Intake, Records, take_in
from tests.projection_kit import NOON, FakeRecord, make, record

ANA, BEN, CAI = (bytes([n]) * 16 for n in (1, 2, 3))


def job(worker: bytes, number: int, **fields: Any) -> FakeRecord:
    event = make(
        "EmploymentStarted", worker_id=worker, event_id=worker[:8] + bytes([number] * 8), **fields
    )
    return record(event, number)


def grant(worker: bytes, number: int) -> FakeRecord:
    event = make(
        "ConsentGranted",
        worker_id=worker,
        event_id=worker[:8] + bytes([number] * 8),
        categories=["a", "b"],
    )
    return record(event, number)


def taken(intake: Intake) -> set[int]:
    return {offset for events in intake.events for offset in events.log["log_offset"]}


def waiting(intake: Intake) -> list[int]:
    return [parked.position.offset for parked in intake.parked]


def stories(*found: FakeRecord) -> Records:
    return {("stories", 0): list(found)}


@settings(max_examples=400, deadline=None)
@given(
    which=st.sampled_from([job, grant]),
    place=st.integers(0, 3),
    at=st.integers(0, 200),
    junk=st.binary(max_size=40),
    cut=st.booleans(),
)
@example(which=job, place=2, at=0, junk=b"", cut=True)  # nothing but the frame
@example(which=job, place=3, at=78, junk=b"", cut=True)  # takes the next record's first bytes
@example(which=job, place=3, at=500, junk=b"\0", cut=False)  # one byte too many, at the very end
def test_any_bytes_are_read_as_fastavro_reads_them_or_parked(
    which: Any, place: int, at: int, junk: bytes, cut: bool
) -> None:
    found = [which(worker, number) for number, worker in enumerate((BEN, CAI, BEN))]
    honest = which(ANA, 9)
    datum = honest.value[FRAME_SIZE:]
    at = min(at, len(datum))
    broken = datum[:at] + junk + (b"" if cut else datum[at + len(junk) :])
    found.insert(place, replace(honest, value=honest.value[:FRAME_SIZE] + broken))

    intake = take_in(stories(*found), frozenset())

    assert {0, 1, 2} <= taken(intake), "the others go on"
    if 9 in taken(intake):
        read_back = decode(honest.value[:FRAME_SIZE] + broken)
        frame = next(iter(intake.events[0].by_type.values()))
        row = frame.filter(pl.col("worker_id") == pl.lit(ANA)).to_dicts()[0]
        assert {name: row[name] for name in read_back.fields} == dict(read_back.fields)
    else:
        assert waiting(intake) == [9]


def test_later_records_of_the_same_worker_wait_and_earlier_ones_do_not() -> None:
    found = [job(ANA, 0), job(ANA, 1), grant(ANA, 2), job(BEN, 3)]
    found[1] = replace(found[1], value=found[1].value[:-1])

    intake = take_in(stories(*found), frozenset())

    assert taken(intake) == {0, 3}
    assert waiting(intake) == [1, 2]
    assert [parked.owner for parked in intake.parked] == [ANA, ANA]


def test_who_is_parked_already_waits() -> None:
    intake = take_in(stories(job(ANA, 0), job(BEN, 1)), {ANA})
    assert taken(intake) == {1}
    assert waiting(intake) == [0]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"key": BEN}, "is not the record's key"),
        ({"headers": [("ce_id", b"00000000-0000-0000-0000-000000000000")]}, "ce_id"),
        ({"headers": [("ce_id", b"\xff no uuid")]}, "ce_id"),
        ({"headers": [("a", b""), ("ce_id", b"\xff no uuid")]}, "ce_id"),
        ({"key": b"short"}, "the record's key is no worker_id"),
        ({"key": None}, "the record's key is no worker_id"),
        ({"value": None}, "frame"),
        ({"value": b""}, "frame"),
        ({"value": b"\x01\0\0\0\x01"}, "frame"),
    ],
)
def test_a_record_that_is_not_what_it_claims_is_parked(change: Any, reason: str) -> None:
    intake = take_in(stories(replace(job(ANA, 0), **change), job(CAI, 1)), frozenset())
    assert taken(intake) == {1}
    assert waiting(intake) == [0]
    assert reason in intake.parked[0].reason


@pytest.mark.parametrize("key", [None, b"", b"no worker"])
@pytest.mark.parametrize("value", [None, b"", b"no frame", b"\x01\0\0\0\x01"])
def test_what_names_nobody_and_has_no_frame_is_a_stray(
    key: bytes | None, value: bytes | None
) -> None:
    intake = take_in(stories(FakeRecord(key, value, 0, []), job(CAI, 1)), frozenset())
    assert (taken(intake), waiting(intake)) == ({1}, [])
    assert intake.left_out.select("log_offset", "why").rows() == [(0, "stray")]


def test_what_an_operator_dropped_holds_nobody() -> None:
    found = [job(ANA, 0), job(ANA, 1), job(ANA, 2)]
    found[1] = replace(found[1], value=found[1].value[:-1])

    intake = take_in(stories(*found), frozenset(), {Position("stories", 0, 1)})

    assert (taken(intake), waiting(intake)) == ({0, 2}, [])
    assert intake.left_out.select("log_offset", "why").rows() == [(1, "dropped")]


@given(st.lists(st.tuples(st.binary(max_size=40), st.integers(0, 2**40)), max_size=30), st.data())
def test_the_sum_of_hashes_does_not_depend_on_batches_or_order(
    given_: list[tuple[bytes, int]], data: st.DataObject
) -> None:
    found = [FakeRecord(None, value, offset, []) for value, offset in given_]
    shuffled = data.draw(st.permutations(found))
    cut = data.draw(st.integers(0, len(found)))
    assert tally(shuffled[:cut]) + tally(shuffled[cut:]) == tally(found)


def test_the_hash_of_a_record_is_xxh3_of_its_value_seeded_with_its_offset() -> None:
    """As the reference implementation has it, so that a stored sum means the same for ever."""
    assert record_hash(b"", 0) == 0x2D06800538D394C2
    assert record_hash(b"", 1) != record_hash(b"", 0)
    assert tally([FakeRecord(None, None, 0, [])]) == Tally(1, 0x2D06800538D394C2)


def test_a_repeat_inside_a_batch_is_left_out_and_its_hash_known() -> None:
    found = [job(ANA, 0), replace(job(ANA, 0), offset=1), job(BEN, 2)]

    intake = take_in(stories(*found), frozenset())

    assert taken(intake) == {0, 2}
    assert intake.left_out.select("log_offset", "why", "owner").rows() == [(1, "repeat", ANA)]
    assert intake.left_out["hash"].item() % 2**64 == record_hash(found[1].value, 1)
    assert intake.tallies["stories", 0] == tally(found)


def test_records_behind_an_unknown_schema_are_not_counted() -> None:
    unknown = FakeRecord(ANA, b"\0\0\0\xff\xff" + b"new", 1, [("ce_id", b"later")])
    found = [job(BEN, 0), unknown, job(BEN, 2)]

    intake = take_in({("stories", 0): found}, frozenset())

    assert intake.tallies["stories", 0] == tally(found[:1])


@pytest.mark.parametrize(
    "fields",
    [
        {"employment_id": "x" * 300},
        {"employment_id": "nul\0"},
        {"wage_currency": "\0"},
    ],
)
def test_what_no_table_can_hold_is_parked(fields: Any) -> None:
    intake = take_in(stories(job(ANA, 0, **fields), job(BEN, 1)), frozenset())
    assert taken(intake) == {1}
    assert waiting(intake) == [0]


def test_an_instant_no_calendar_has_is_parked() -> None:
    kind = event_types()["EmploymentStarted"]
    honest = job(ANA, 0, occurred_at=NOON)
    # occurred_at follows two ids of 16 bytes; nine bytes of a varint reach the year 294,247.
    far = (
        honest.value[: FRAME_SIZE + 32]
        + b"\xfe"
        + b"\xff" * 8
        + b"\x01"
        + honest.value[FRAME_SIZE + 40 :]
    )
    with pytest.raises(DoesNotDecode):
        decode(far)
    intake = take_in(stories(replace(honest, value=far), job(BEN, 1)), frozenset())
    assert (taken(intake), waiting(intake)) == ({1}, [0])
    assert kind.topic == "stories"


def test_a_record_without_headers_is_taken() -> None:
    intake = take_in(stories(replace(job(ANA, 0), headers=[])), frozenset())
    assert taken(intake) == {0}


def test_a_header_without_a_value_says_nothing() -> None:
    headers = [("ce_specversion", b"1.0"), ("ce_id", None)]
    intake = take_in(stories(replace(job(ANA, 0), headers=headers), job(BEN, 1)), frozenset())
    assert taken(intake) == {0, 1}


def test_an_event_on_another_topic_is_parked() -> None:
    intake = take_in({("deliveries", 0): [job(ANA, 0)]}, frozenset())
    assert waiting(intake) == [0]
    assert "does not belong" in intake.parked[0].reason


def test_an_unknown_schema_stops_its_partition_and_parks_nobody() -> None:
    unknown = FakeRecord(ANA, b"\0\0\0\xff\xff" + b"new", 1, [("ce_id", b"later")])
    found = {("stories", 0): [job(BEN, 0), unknown, job(BEN, 2)], ("stories", 1): [job(CAI, 3)]}

    intake = take_in(found, frozenset())

    assert taken(intake) == {0, 3}
    assert not intake.parked
    assert list(intake.stopped) == [("stories", 0)]
    assert intake.stopped["stories", 0][0] == 1


def test_another_programs_record_of_an_unknown_schema_stops_nobody_else() -> None:
    foreign = FakeRecord(ANA, b"\0\0\0\xff\xff" + b"theirs", 1, [("trace", b"1")])

    intake = take_in(stories(job(BEN, 0), foreign, job(ANA, 2), job(BEN, 3)), frozenset())

    assert taken(intake) == {0, 3}
    assert waiting(intake) == [1, 2]
    assert "no ce_id header" in intake.parked[0].reason
    assert not intake.stopped


def test_two_culprits_in_a_long_batch_are_both_found() -> None:
    found = [job(bytes([n]) * 16, n) for n in range(100)]
    for n in (7, 60):
        found[n] = replace(found[n], value=found[n].value + b"!")
    intake = take_in(stories(*found), frozenset())
    assert [p.position for p in intake.parked] == [Position("stories", 0, n) for n in (7, 60)]
    assert len(taken(intake)) == 98
