"""Random lives for the tests of projections, and what of them counts.

The rules are written down here once more, in the plainest way and with no code of the engine: one
person, one event, one rule after the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from schemas.catalog import event_types
from tests.projection_kit import NOON, Event, fields_of, make

HUB = "throughline"
PEOPLE = [bytes([n]) * 16 for n in (1, 2, 3)]
PARTITIONS = 2
# As few as a person may have events, so that what one event names is mostly there.
_IDS = [bytes([n]) * 16 for n in range(10, 20)]
_SOURCES = ["acme", "acme", "river-college", HUB]
_NEVER = b"z" * 16
_IDENTITY = "identity"  # who says of the hub's own moves what left and came back
# What stays when a story moved, and what an erasure leaves.
TOLD_OF_ERASURE = {
    *("ErasureRequested", "ErasureDecided", "ErasureKeysDestroyed", "ErasureStorePurged"),
    *("ErasureRecipientNotified", "ErasureCompleted", "DisclosureRecalled", "RecallAcknowledged"),
}
STAYS = TOLD_OF_ERASURE | {
    *("ConsentGranted", "ConsentWithdrawn", "ConsentExpired", "ProcessingRestricted"),
    *("SourceRecordLinked", "SourceRecordUnlinked", "WorkersMerged", "WorkersSplit"),
}


def partition_of(event: Event) -> int:
    return int(event[1]["worker_id"][0]) % PARTITIONS


# Any type of event about a person, so that each table is fed. What says more of a story than its
# own fields comes by itself: with values at random a story would be split into its own id.
_ANY = [
    (name, fields_of(kind))
    for name, kind in event_types().items()
    if "worker_id" in kind.fields
    and name not in ("ErasureKeysDestroyed", "WorkersMerged", "WorkersSplit")
]


@st.composite
def lives(draw: st.DrawFn) -> list[Event]:
    """Events of a few people in any order; ids are few, so that they hit and tie."""
    found: list[Event] = []
    for person in PEOPLE:
        # Moved and erased are for ever, so most people are neither.
        ends = [*draw(st.sampled_from([(), (), (), ("moved",), ("erased",), ("parts",)]))]
        for event_id in draw(st.lists(st.sampled_from(_IDS), unique=True, min_size=3)):
            found.append(draw(_event(person, event_id, ends)))
        if draw(st.booleans()):
            found += _put_right_twice(person)
    there = list(PEOPLE)
    if draw(st.integers(0, 3)) == 0:
        old, new = draw(st.permutations(PEOPLE))[:2]
        found += _merge(found, old, new)
        there.remove(old)  # nothing of it is left to part, and no part becomes it again
    if draw(st.integers(0, 2)) == 0:
        source, minutes = draw(st.sampled_from(_SOURCES[1:3])), draw(st.integers(2, 60))
        ends = draw(st.permutations(there))[:2]
        found += _split(found, *ends, source, NOON + timedelta(minutes=minutes))
        if draw(st.booleans()):
            found += _back(found, *ends, NOON + timedelta(minutes=minutes + 2))
    return draw(st.permutations(found))


@st.composite
def _event(draw: st.DrawFn, person: bytes, event_id: bytes, ends: list[str]) -> Event:
    """An event that happened some days before it was recorded; one of them is the end, if any."""
    recorded = NOON + timedelta(minutes=draw(st.integers(0, 3)))
    target = draw(st.sampled_from(_IDS))
    about: dict[str, Any] = {
        "worker_id": person,
        "event_id": event_id,
        "source": draw(st.sampled_from(_SOURCES)),
        "recorded_at": recorded,
        "occurred_at": recorded - timedelta(days=draw(st.integers(0, 2))),
        "supersedes": target if draw(st.integers(0, 3)) == 0 else None,
    }
    if ends:
        name, own = draw(st.sampled_from(_ends(person, event_id, ends.pop())))
        return make(name, **about, **own)
    if draw(st.integers(0, 3)) == 0:
        name, fields = draw(st.sampled_from(_ANY))
        return name, {**draw(fields), **about}
    name, own = draw(st.sampled_from(_kinds(person, event_id, target)))
    return make(name, **about, **own)


def _ends(person: bytes, event_id: bytes, end: str) -> list[tuple[str, dict[str, Any]]]:
    """What a story that moved or is erased ends with."""
    if end == "moved":
        move = {"merge_id": event_id, "from_worker_id": person, "into_worker_id": _NEVER}
        return [("WorkersMerged", move)]
    parts = ["wage", "training"] if end == "parts" else []
    return [("ErasureKeysDestroyed", {"erasure_id": event_id, "categories": parts})]


def _kinds(person: bytes, event_id: bytes, target: bytes) -> list[tuple[str, dict[str, Any]]]:
    """A name twice or thrice comes up as often."""
    dispute = {"dispute_id": target, "disputed_event_id": target}
    taken_up = {"merge_id": event_id, "from_worker_id": _NEVER, "into_worker_id": person}
    return [
        ("TrainingProgressed", {"enrolment_id": "e"}),
        ("TrainingCompleted", {"enrolment_id": "e"}),
        ("WageChanged", {"employment_id": "j"}),
        ("EmploymentStarted", {"employment_id": "j"}),
        ("SkillAttested", {"skill_id": "s", "attestation_id": "a"}),
        ("SkillAttestationWithdrawn", {"skill_id": "s", "attestation_id": "a"}),
        ("DisclosureAttempted", {"message_id": "m"}),
        ("ConsentGranted", {"grant_id": event_id}),
        *[("RecordVoided", {"voided_event_id": target})] * 4,
        *[("RecordCorrected", {"corrected_event_id": target})] * 2,
        ("RecordDisputed", dispute),
        ("DisputeAnswered", dispute),
        ("WorkersMerged", taken_up),
        ("ErasureRequested", {"erasure_id": target}),
        ("RecallAcknowledged", {"recall_id": target}),
    ]


def _put_right_twice(person: bytes) -> Iterator[Event]:
    """A wage, another in its place, and a third in the place of that."""
    for n in range(3):
        about: dict[str, Any] = {
            "worker_id": person,
            "event_id": b"%d" % (n + 1) * 16,
            "source": "acme",
            "recorded_at": NOON + timedelta(minutes=n),
            "supersedes": b"%d" % n * 16,
        }
        yield make("WageChanged", **about, employment_id="j")


def _merge(found: Sequence[Event], old: bytes, new: bytes) -> Iterator[Event]:
    """The old story once more under the new id, what both say of it, and some of it void for a
    while."""
    yield from _once_more(found, _going(found, old), new)
    yield from _said("WorkersMerged", b"m" * 16, old, new, NOON)
    parted = {"worker_id": new, "source": HUB, "voided_event_id": _IDS[0]}
    yield make("RecordVoided", **parted, event_id=b"p" * 16)
    back = {**parted, "voided_event_id": b"p" * 16, "recorded_at": NOON + timedelta(hours=1)}
    yield make("RecordVoided", **back, event_id=b"q" * 16)


def _split(
    found: Sequence[Event], old: bytes, new: bytes, source: str, at: datetime
) -> Iterator[Event]:
    """What a source wrote of one person was another's: it is told of that one, and void here."""
    leaving = [event for event in _going(found, old) if event[1]["source"] == source]
    yield from _once_more(found, leaving, new)
    for _, fields in leaving:
        void = {"event_id": _of(b"l", fields["event_id"]), "voided_event_id": fields["event_id"]}
        yield _own_void(old, at, reason="WRONG_PERSON", **void)
    yield from _said("WorkersSplit", b"s" * 16, old, new, at)


def _back(found: Sequence[Event], old: bytes, new: bytes, at: datetime) -> Iterator[Event]:
    """The two are one after all: what left is this person's again."""
    yield from _once_more(found, _going(found, new), old)
    said = {f["event_id"] for _, f in found if f["worker_id"] == old}
    for void_id in sorted(event_id for event_id in said if event_id[:1] == b"l"):
        void = {"event_id": _of(b"r", void_id), "voided_event_id": void_id}
        yield _own_void(old, at, reason="MISTAKE", **void)
    yield from _said("WorkersMerged", b"n" * 16, new, old, at)


def _going(found: Sequence[Event], person: bytes) -> list[Event]:
    """What goes along when a story does: not what the hub itself said of its moves."""
    mine = [event for event in found if event[1]["worker_id"] == person]
    return [(n, f) for n, f in mine if n not in STAYS and f.get("actor_id") != _IDENTITY]


def _once_more(found: Sequence[Event], going: Sequence[Event], new: bytes) -> Iterator[Event]:
    """Events under another id; what is there already is left out."""
    taken = {fields["event_id"] for _, fields in found if fields["worker_id"] == new}
    for name, fields in going:
        if fields["event_id"] not in taken:
            yield name, {**fields, "worker_id": new}


def _said(name: str, event_id: bytes, old: bytes, new: bytes, at: datetime) -> Iterator[Event]:
    """What is said of a move under both ids."""
    ends = {"from_worker_id": old, "into_worker_id": new}
    which = {"merge_id" if name == "WorkersMerged" else "split_id": event_id}
    times = {"recorded_at": at, "occurred_at": at}
    for person in (old, new):
        about = {"worker_id": person, "event_id": event_id, "source": HUB, **times}
        yield make(name, **about, **ends, **which)


def _own_void(person: bytes, at: datetime, **own: Any) -> Event:
    author = {"source": HUB, "actor_role": "SYSTEM", "actor_id": _IDENTITY}
    times = {"recorded_at": at, "occurred_at": at}
    return make("RecordVoided", worker_id=person, **author, **times, **own)


def _of(kind: bytes, event_id: bytes) -> bytes:
    """The id of what is said of an event: always the same."""
    return kind + event_id[1:]


# -- what counts ---------------------------------------------------------------------------------


@dataclass
class Outcome:
    """What a set of events comes to: what counts, and what is set aside and why."""

    kept: list[Event]
    aside: dict[tuple[bytes, bytes], str]


@dataclass(frozen=True)
class _Saying:
    """An event says that another one does not count; `replaces` when it stands in its place."""

    by: Mapping[str, Any]
    target: bytes
    replaces: bool


def outcome(data: Sequence[Event]) -> Outcome:
    """What these events come to. Of an event that is there twice the first counts."""
    found = Outcome([], {})
    once = {(f["worker_id"], f["event_id"]): (name, f) for name, f in reversed(data)}
    for person in PEOPLE:
        mine = [event for event in once.values() if event[1]["worker_id"] == person]
        outcome_of(mine, found)
    return found


def outcome_of(mine: Sequence[Event], found: Outcome) -> None:
    """Add what the events of one person come to, each given once."""
    left = [event for event in mine if not _is_erased(event, mine)]
    for name, fields in left:
        why = _why_not(name, fields, left)
        if why is None:
            found.kept.append((name, fields))
        else:
            found.aside[fields["worker_id"], fields["event_id"]] = why


def is_gone(person: bytes, data: Sequence[Event]) -> bool:
    """Whether everything of this person is erased."""
    return any(
        name == "ErasureKeysDestroyed" and not f["categories"] and f["worker_id"] == person
        for name, f in data
    )


def _is_erased(event: Event, mine: Sequence[Event]) -> bool:
    name, fields = event
    if name in TOLD_OF_ERASURE:
        return False
    for kind, erasure in mine:
        if kind != "ErasureKeysDestroyed":
            continue
        if not erasure["categories"]:
            return True
        told = event_types()[name].category in erasure["categories"]
        before = fields["recorded_at"] <= erasure["recorded_at"]
        if told and before:
            return True
    return False


def _why_not(name: str, fields: Mapping[str, Any], mine: Sequence[Event]) -> str | None:
    moved = any(n == "WorkersMerged" and f["from_worker_id"] == f["worker_id"] for n, f in mine)
    if moved and name not in STAYS:
        return "moved"
    sayings = list(_sayings(mine))
    against = [s for s in sayings if s.target == fields["event_id"] and _may(s.by, fields)]
    in_force = [s for s in against if not _is_undone(s, sayings)]
    if any(not s.replaces for s in in_force):
        return "void"
    if any(s.by["event_id"] != fields["event_id"] for s in in_force):
        return "superseded"
    return None


def _sayings(mine: Sequence[Event]) -> Iterator[_Saying]:
    for name, fields in mine:
        if name == "RecordVoided":
            yield _Saying(fields, fields["voided_event_id"], False)
        if name == "RecordCorrected":
            yield _Saying(fields, fields["corrected_event_id"], False)
        if fields["supersedes"] is not None:
            yield _Saying(fields, fields["supersedes"], True)


def _may(by: Mapping[str, Any], fields: Mapping[str, Any]) -> bool:
    return by["source"] in (fields["source"], HUB)


def _is_undone(saying: _Saying, sayings: Sequence[_Saying]) -> bool:
    """Whether a later word, itself not undone, took it back. Who is replaced has replaced still."""
    fields = saying.by

    def is_later(other: Mapping[str, Any]) -> bool:
        order = [(f["recorded_at"], f["event_id"]) for f in (other, fields)]
        return order[0] > order[1]

    return any(
        other.target == fields["event_id"]
        and is_later(other.by)
        and _may(other.by, fields)
        and not (other.replaces and saying.replaces)
        and not _is_undone(other, sayings)
        for other in sayings
    )
