"""The demo region: any number of lives, each made from (seed, number) alone.

So a slice can be made by itself, in any process, and is the same as in the whole. Nothing is
held but the lives of one block.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import itemgetter
from typing import Final, NamedTuple
from uuid import UUID

from services.demo import cast
from services.demo.forms import (
    Record,
    agreement_fields,
    directory,
    organization_fields,
    pathway_fields,
    programme_fields,
    record,
    source_event_id,
)
from services.demo.job import advance, work
from services.demo.model import DAY, Chance, Life, Sharing, Window, instant
from services.demo.people import FAMILY, GIVEN
from services.demo.places import COURSES, ORGANIZATIONS, PATHWAYS
from services.demo.promise import promise
from services.demo.school import show_skills, study
from services.demo.support import help_learners, reach_of
from services.demo.tell import Happening, happenings
from services.demo.truth import Truth

UNTIL: Final = datetime(2026, 11, 1, tzinfo=UTC)
WORKERS: Final = 500
YEARS: Final = 3.0
# Lives told together, their events mixed in the order of time.
BLOCK: Final = 500

_GROUPS: Final = ("women", "men", "not_stated")
# What most people agree to share with their employer.
_SHARED: Final = ("training", "skill", "credential", "promise")


class Told(NamedTuple):
    """One event of one life, with the number its sender gives it."""

    life: Life
    sent_id: str
    happening: Happening


@dataclass(frozen=True, slots=True)
class Region:
    """A region of so many workers, told of up to `until`. Raises ValueError below two years."""

    seed: int = 1
    workers: int = WORKERS
    until: datetime = UNTIL
    years: float = YEARS

    def __post_init__(self) -> None:
        if self.years < 2:
            raise ValueError(f"a region needs 2 years or more, not {self.years}")
        if self.until.tzinfo is None:
            raise ValueError("until needs a time zone")

    @property
    def window(self) -> Window:
        return Window.ending(self.until, self.years)

    def life(self, index: int) -> Life:
        """The life of one worker; the first few are the named cast."""
        person = self._person(index)
        window = self.window
        if index < len(cast.CAST):
            return cast.CAST[index](person, window)
        chance = Chance(self._dice(index, "life"))
        work(person, chance, window)
        study(person, chance, window)
        promise(person, chance, window)
        advance(person, chance, window)
        help_learners(person, chance, window)
        show_skills(person, chance, window)
        share(person, chance, window)
        return person

    def _dice(self, index: int, what: str) -> int:
        text = f"{self.seed}\x1f{index}\x1f{what}".encode()
        return int.from_bytes(hashlib.blake2b(text, digest_size=16).digest(), "big")

    def _person(self, index: int) -> Life:
        chance = Chance(self._dice(index, "person"))
        given, family = chance.pick(GIVEN), chance.pick(FAMILY)
        group = _GROUPS[chance.weighted(47, 47, 6)]
        language = "es" if chance.yes(0.27) else "en"
        window, code = self.window, f"d{self.seed}-{index}"
        late = chance.between(100, 365 * 2) if chance.yes(0.35) else chance.between(0, 75)
        registered = chance.working_hours(window.since + (1 + late) * DAY)
        return Life(
            index=index,
            code=code,
            worker_id=UUID(int=self._dice(index, "worker"), version=4),
            name=f"{given} {family}",
            email=f"{given}.{family}.{index}@people.example".lower(),
            language=language,
            group=group,
            registered_at=min(registered, window.until - 60 * DAY),
            claimed=chance.yes(0.78),
            helped=reach_of(group, language),
        )

    def lives(self, start: int = 0, stop: int | None = None) -> Iterator[Life]:
        for index in range(start, self.workers if stop is None else stop):
            yield self.life(index)

    def told(
        self,
        start: int = 0,
        stop: int | None = None,
        *,
        block: int = BLOCK,
        truth: Truth | None = None,
    ) -> Iterator[Told]:
        """The events of a slice of lives: block by block, in the order of time within each.

        `truth` counts the lives as they go by.
        """
        end = self.workers if stop is None else stop
        while start < end:
            upto = min(end, start - start % block + block)
            yield from self._block(start, upto, truth)
            start = upto

    def records(
        self,
        start: int = 0,
        stop: int | None = None,
        *,
        block: int = BLOCK,
        truth: Truth | None = None,
    ) -> Iterator[Record]:
        """The same as Avro records."""
        for life, sent_id, happening in self.told(start, stop, block=block, truth=truth):
            yield record(happening, life.worker_id.bytes, sent_id)

    def _block(self, start: int, stop: int, truth: Truth | None) -> Iterator[Told]:
        block: list[tuple[int, int, int, Told]] = []
        until = self.window.until
        for life in self.lives(start, stop):
            if truth is not None:
                truth.add(life)
            for number, happening in enumerate(happenings(life, until)):
                told = Told(life, source_event_id(life.code, number), happening)
                block.append((happening.at, life.index, number, told))
        block.sort(key=itemgetter(0, 1, 2))
        for *_, told in block:
            yield told


def share(life: Life, chance: Chance, window: Window) -> None:
    """Six in ten of those who can, share with the employer they have now."""
    job = life.job_at(window.until)
    if job is None or not life.claimed or not chance.yes(0.77):
        return
    purposes = ("advancement",) if chance.yes(0.7) else ("advancement", "training_support")
    life.sharing.append(Sharing(job.employer, _SHARED, purposes, 3 if chance.yes(0.4) else 6))


def generate(
    workers: int = WORKERS,
    seed: int = 1,
    *,
    until: datetime = UNTIL,
    years: float = YEARS,
    start: int = 0,
    stop: int | None = None,
    truth: Truth | None = None,
) -> Iterator[Told]:
    """The events of a region, or of the slice from worker `start` to before `stop`."""
    yield from Region(seed, workers, until, years).told(start, stop, truth=truth)


def records(
    workers: int = WORKERS,
    seed: int = 1,
    *,
    until: datetime = UNTIL,
    years: float = YEARS,
    start: int = 0,
    stop: int | None = None,
    block: int = BLOCK,
    truth: Truth | None = None,
) -> Iterator[Record]:
    """The same events as Avro records for Kafka: topic's short name, key, event type, fields."""
    yield from Region(seed, workers, until, years).records(start, stop, block=block, truth=truth)


def directory_records(until: datetime = UNTIL, years: float = YEARS) -> Iterator[Record]:
    """The organisations, their courses and pathways as Avro records."""
    at = instant(Window.ending(until, years).since)
    for place in ORGANIZATIONS:
        yield directory(
            "OrganizationRegistered", place.id, place.id, at, **organization_fields(place)
        )
        terms = agreement_fields(place.role) | {"valid_from": at, "valid_until": None}
        terms |= {"ended": False, "document_sha256": None}
        yield directory("SharingAgreementSigned", place.id, f"mou-{place.id}", at, **terms)
    for course in COURSES:
        where = course.provider.id
        yield directory("ProgrammePublished", where, course.id, at, **programme_fields(course))
    for pathway in PATHWAYS:
        where = pathway.employer.id
        yield directory("PathwayPublished", where, pathway.id, at, **pathway_fields(pathway))
