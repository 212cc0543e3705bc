"""Decisions about identity, without I/O: what goes along, what leaves, and what comes back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.catalog import event_types
from services.common.codec import Decoded, decode
from services.common.emit import HUB
from services.common.ids import derived_id
from services.common.voids import Void, in_force
from services.consent.identity.handlers import (
    IDENTITY,
    Move,
    Told,
    belonging,
    is_moving,
    leaving,
    left,
    returning,
)
from tests.projection_kit import NOON, make

AT = datetime(2026, 5, 1, tzinfo=UTC)


def told(number: str | None = None, **fields: Any) -> Told:
    name, made = make("TrainingProgressed", source="acme", **fields)
    return Told(Decoded(event_types()[name], made), number)


def index(source: str, number: str) -> bytes:
    return f"{source}/{number}".encode()


def test_an_event_goes_with_the_record_it_names() -> None:
    events = [told("r-1"), told("r-2"), told(None)]
    assert belonging(events, "acme", b"acme/r-1", 1, index) == [events[0].event]


def test_an_event_that_names_none_goes_with_its_sources_only_record() -> None:
    events = [told("r-1"), told(None)]
    assert belonging(events, "acme", b"acme/r-1", 0, index) == [e.event for e in events]
    assert belonging(events, "other", b"other/r-1", 0, index) == []


def test_consent_and_identitys_own_voids_stay_with_their_id() -> None:
    void = leaving(move("split", 1), UUID(int=7))
    assert not is_moving(decode(void.value))
    for name in ("ConsentGranted", "ConsentWithdrawn", "WorkersMerged", "ErasureRequested"):
        assert not is_moving(Decoded(event_types()[name], make(name)[1]))
    for name in ("AccessRequested", "WorkerRegistered", "RecordVoided", "TrainingProgressed"):
        assert is_moving(Decoded(event_types()[name], make(name)[1]))


def move(kind: str, number: int, old: int = 1, new: int = 2) -> Move:
    asked_at = AT + timedelta(milliseconds=number)
    ids = UUID(int=number + 100), kind, UUID(int=old), UUID(int=new)
    return Move(*ids, "NOT_ME", None, None, None, asked_at, *(None,) * 7)


def test_of_two_voids_that_meet_the_later_one_counts() -> None:
    first = Void(b"1", b"2", HUB, NOON)
    second = Void(b"2", b"1", HUB, NOON + timedelta(seconds=1))
    assert in_force([first, second], HUB) == in_force([second, first], HUB) == [second]


def test_nobody_takes_back_anothers_void() -> None:
    first = Void(b"1", b"e", "acme", NOON)
    other = Void(b"2", b"1", "evil", NOON + timedelta(seconds=1))
    assert set(in_force([first, other], HUB)) == {first, other}


# -- any order of moves, crashes and late repeats, in memory --------------------------------------


@dataclass
class Log:
    """Keys and what was ever written under each; a story is what its set of events says."""

    facts: dict[UUID, set[UUID]] = field(default_factory=lambda: defaultdict(set))
    voids: dict[UUID, dict[UUID, Void]] = field(default_factory=lambda: defaultdict(dict))
    moved: set[UUID] = field(default_factory=set)

    def write(self, what: Sequence[Any]) -> None:
        kind, key, value = what
        if kind == "fact":
            self.facts[key].add(value)
        elif kind == "moved":
            self.moved.add(key)
        else:
            event = decode(value.value)
            void = Void(
                event.event_id.bytes,
                event.fields["voided_event_id"],
                event.fields["source"],
                event.fields["recorded_at"],
            )
            self.voids[key].setdefault(event.event_id, void)

    def void_now(self, key: UUID) -> dict[UUID, set[UUID]]:
        found: dict[UUID, set[UUID]] = defaultdict(set)
        for void in in_force(self.voids[key].values(), HUB):
            found[UUID(bytes=void.target)].add(UUID(bytes=void.event_id))
        return found

    def story(self, key: UUID) -> set[UUID]:
        return set() if key in self.moved else self.facts[key] - self.void_now(key).keys()


@dataclass
class Hub:
    """Does what the mover does, by the same decisions, on a log in memory."""

    log: Log = field(default_factory=Log)
    owner: dict[int, UUID] = field(default_factory=dict)
    splits: dict[UUID, list[UUID]] = field(default_factory=lambda: defaultdict(list))
    record_of: dict[UUID, int] = field(default_factory=dict)
    written: list[Sequence[Any]] = field(default_factory=list)
    moves: int = 0

    def gone(self, key: UUID) -> dict[UUID, UUID]:
        return left(self.splits[key], self.log.void_now(key))

    def send(self, record: int, number: int) -> None:
        event = uuid5(UUID(int=0), f"{record}/{number}")
        self.record_of[event] = record
        self.put([("fact", self.owner[record], event)], None)

    def merge(self, old: UUID, new: UUID, crashes: int) -> None:
        self.moves += 1
        order = move("merge", self.moves, old.int, new.int)
        for record, owner in self.owner.items():
            self.owner[record] = new if owner == old else owner
        for upto in (*range(crashes), None):
            gone, back = self.gone(old), self.gone(new)
            going = sorted(self.log.facts[old] - gone.keys())
            steps: list[Sequence[Any]] = [("fact", new, event) for event in going]
            steps += [("void", new, returning(order, back[e])) for e in going if e in back]
            self.put([*steps, ("moved", old, None)], upto)

    def split(self, record: int, crashes: int) -> None:
        self.moves += 1
        old, new = self.owner[record], UUID(int=1000 + self.moves)
        order = move("split", self.moves, old.int, new.int)
        self.splits[old].append(order.move_id)
        self.owner[record] = new
        for upto in (*range(crashes), None):
            gone = self.gone(old)
            going = sorted(
                e for e in self.log.facts[old] - gone.keys() if self.record_of[e] == record
            )
            steps: list[Sequence[Any]] = [("fact", new, event) for event in going]
            self.put([*steps, *(("void", old, leaving(order, e)) for e in going)], upto)

    def put(self, steps: Iterable[Sequence[Any]], upto: int | None) -> None:
        for step in list(steps)[:upto] if upto is not None else steps:
            self.log.write(step)
            self.written.append(step)


_STEPS = st.tuples(
    st.sampled_from(["send", "send", "merge", "split"]),
    st.integers(0, 3),
    st.integers(0, 3),
    st.integers(0, 3),
)


@settings(max_examples=500, deadline=None)
@given(
    script=st.lists(_STEPS, max_size=25),
    zombies=st.lists(st.integers(0, 200), max_size=6),
    order=st.randoms(use_true_random=False),
)
def test_any_order_of_moves_and_crashes_gives_each_person_what_is_theirs(
    script: list[tuple[str, int, int, int]], zombies: list[int], order: Any
) -> None:
    hub = Hub(owner={record: UUID(int=record + 1) for record in range(4)})
    for kind, record, number, crashes in script:
        if kind == "send":
            hub.send(record, number)
        elif kind == "split":
            hub.split(record, crashes)
        elif hub.owner[record] != hub.owner[number]:
            hub.merge(hub.owner[record], hub.owner[number], crashes)
    for which in zombies:  # a writer thought dead sends once more what it sent before
        if hub.written:
            hub.log.write(hub.written[which % len(hub.written)])
    again = Log()  # and the log in any other order says the same
    for step in order.sample(hub.written, len(hub.written)):
        again.write(step)

    for log in (hub.log, again):
        found = [(key, event) for key in set(hub.owner.values()) for event in log.story(key)]
        assert sorted(found) == sorted((hub.owner[r], e) for e, r in hub.record_of.items())


def test_a_void_of_a_split_is_named_by_the_split_and_the_event() -> None:
    order = move("split", 3)
    void = decode(leaving(order, UUID(int=9)).value)
    assert void.event_id == derived_id("left", order.move_id, UUID(int=9))
    assert (void.fields["actor_id"], void.fields["reason"]) == (IDENTITY.id, "WRONG_PERSON")
