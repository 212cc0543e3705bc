"""The world of the read model's benchmarks: whole lives, of every event family, in order of time.

At most 2,000 lives are told by the demo's generator and encoded once. Each is then stamped many
times: the same events under other event and worker ids, up to a year later. So millions of events
are made in columns, and the same seed gives the same bytes. The workers' events are mixed as they
would come in, so a batch holds few events of any one worker; that is the slow case for a fold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from services.common.codec import FRAME_SIZE, encode
from services.demo.forms import Record
from services.demo.model import Chance
from services.demo.region import Region, directory_records
from tests.bench.besides import besides

WORKERS: Final = 200_000  # at scale 1, with about 25 events each
LIVES: Final = 2_000  # told by the generator; the others are stamped from these
CHUNK: Final = 50_000

_ID = 16
_HEAD = 2 * _ID + 2 * 8  # event id, worker id, and two instants of eight bytes each
_DAY_US = 86_400_000_000
_SHIFT_DAYS = 365
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]


class Sent(NamedTuple):
    """One record for Kafka. `topic` is without the prefix."""

    topic: str
    key: bytes
    value: bytes
    event_id: bytes
    at: str  # when it occurred, in ISO 8601
    mould: Mould


@dataclass(frozen=True, slots=True)
class Mould:
    """What all stampings of an event share: everything but its ids and instants."""

    record: Record
    life: int
    frame: bytes
    tail: bytes  # the datum after its head
    target: int | None  # where in the tail the id of a voided event stands


class World:
    """workers: how many lives; their events are `events`, of which `counts` are not voided."""

    def __init__(self, workers: int, seed: int = 1) -> None:
        self._seed = seed
        self._copies = max(1, round(workers / LIVES))
        lives = max(1, round(workers / self._copies))
        self.workers = lives * self._copies
        self._region = Region(seed, lives, years=2.0)
        self._moulds = [mould for life in range(lives) for mould in self._moulds_of(life)]
        self.stories = len(self._moulds) * self._copies
        self.directory = [_as_sent(r) for r in directory_records(self._region.until)]

    def _moulds_of(self, index: int) -> Iterator[Mould]:
        life = self._region.life(index)
        until = self._region.window.until
        told = list(self._region.records(index, index + 1))
        told += besides(life, Chance(self._seed * 1_000_003 + index), told, until)
        for record in told:
            yield _mould(record, index)

    @cached_property
    def voided(self) -> int:
        return self._copies * sum(mould.target is not None for mould in self._moulds)

    @cached_property
    def counts(self) -> Counter[str]:
        """How many events of each type there are, those that are voided left out."""
        taken_back = {
            mould.record.fields["voided_event_id"]
            for mould in self._moulds
            if mould.target is not None
        }
        found: Counter[str] = Counter()
        for mould in self._moulds:
            if mould.record.fields["event_id"] not in taken_back:
                found[mould.record.event_type.name] += self._copies
        found.update(sent.mould.record.event_type.name for sent in self.directory)
        return found

    @property
    def events(self) -> int:
        return self.stories + len(self.directory)

    def sent(self, chunk: int = CHUNK) -> Iterator[Sequence[Sent]]:
        """Every record, in order of time: the directory first."""
        yield self.directory
        heads, instants = self._heads_of_moulds()
        masks, shifts = self._masks(), self._shifts()
        order = np.argsort((instants[0] + shifts[:, self._lives]).ravel(), kind="stable")
        for start in range(0, len(order), chunk):
            copy, mould = np.divmod(order[start : start + chunk], len(self._moulds))
            ids = heads[mould] ^ masks[copy]
            shift = shifts[copy, self._lives[mould]]
            times = [_varints(instant[mould] + shift) for instant in instants]
            days = np.datetime_as_string((instants[0][mould] + shift).view("datetime64[us]"))
            yield self._stamped(mould.tolist(), ids, np.hstack(times), days.tolist(), masks[copy])

    def _stamped(
        self, moulds: list[int], ids: Bytes, times: Bytes, days: list[str], masks: Bytes
    ) -> list[Sent]:
        whole = np.hstack([ids, times]).tobytes()
        found = []
        for place, (number, at) in enumerate(zip(moulds, days, strict=True)):
            mould = self._moulds[number]
            head = whole[place * _HEAD : (place + 1) * _HEAD]
            tail = mould.tail
            if mould.target is not None:
                tail = _turned(tail, mould.target, masks[place, :_ID])
            key, topic = head[_ID : 2 * _ID], mould.record.topic
            found.append(Sent(topic, key, mould.frame + head + tail, head[:_ID], at, mould))
        return found

    @cached_property
    def _lives(self) -> Numbers:
        return np.array([mould.life for mould in self._moulds], np.int64)

    def _heads_of_moulds(self) -> tuple[Bytes, Sequence[Numbers]]:
        fields = [mould.record.fields for mould in self._moulds]
        ids = b"".join(f["event_id"] + f["worker_id"] for f in fields)
        instants = [
            np.array([_micros(f[name]) for f in fields], np.int64)
            for name in ("occurred_at", "recorded_at")
        ]
        return np.frombuffer(ids, np.uint8).reshape(-1, 2 * _ID), instants

    def _masks(self) -> Bytes:
        """What turns the ids of the lives into those of each copy. The first changes nothing."""
        dice = np.random.default_rng(self._seed)
        masks = dice.integers(0, 256, (self._copies, 2 * _ID), dtype=np.uint8)
        masks[:, [6, 8, _ID + 6, _ID + 8]] = 0  # the version and the variant stay
        masks[0] = 0
        return masks

    def _shifts(self) -> Numbers:
        """Microseconds by which each copy of each life is later."""
        dice = np.random.default_rng(self._seed + 1)
        shape = (self._copies, self._region.workers)
        return dice.integers(0, _SHIFT_DAYS, shape, dtype=np.int64) * _DAY_US


def _mould(record: Record, life: int) -> Mould:
    value = encode(record.event_type, record.fields)
    tail = value[FRAME_SIZE + _HEAD :]
    voided = record.fields.get("voided_event_id")
    target = None if voided is None else tail.index(voided)
    return Mould(record, life, value[:FRAME_SIZE], tail, target)


def _as_sent(record: Record) -> Sent:
    value = encode(record.event_type, record.fields)
    at = record.fields["occurred_at"].isoformat()[:19]
    event_id = record.fields["event_id"]
    mould = Mould(record, 0, value[:FRAME_SIZE], b"", None)
    return Sent(record.topic, record.key, value, event_id, at, mould)


def _micros(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)


def _varints(micros: Numbers) -> Bytes:
    """Avro's longs, which take eight bytes each from the year 1979 to 3111."""
    turned = (micros << 1)[:, None] >> np.arange(0, 56, 7)
    parts = (turned & 0x7F).astype(np.uint8)
    parts[:, :-1] |= 0x80
    return parts


def _turned(tail: bytes, at: int, mask: Bytes) -> bytes:
    """The id of the voided event, as its own copy has it."""
    whole = np.frombuffer(tail, np.uint8).copy()
    whole[at : at + _ID] ^= mask
    return whole.tobytes()
