"""What a life is made of. Instants are whole seconds since 1970 (UTC); None is "not (yet)".

The steps in school.py, job.py, promise.py and support.py fill these in; tell.py makes events of
them, and truth.py counts them. Nothing here is read back from an event.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final, TypeVar
from uuid import UUID

from services.demo.places import Course, Employer, Organization, Pathway

T = TypeVar("T")

DAY: Final = 86_400
HOUR: Final = 3_600
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def instant(at: int) -> datetime:
    """Seconds since 1970 as an aware datetime."""
    return _EPOCH + timedelta(seconds=at)


@dataclass(frozen=True, slots=True)
class Window:
    """The time that lives are told of."""

    since: int
    until: int

    @classmethod
    def ending(cls, until: datetime, years: float) -> Window:
        start = until - timedelta(days=round(365.25 * years))
        return cls(int(start.timestamp()), int(until.timestamp()))

    def seen(self, at: int) -> int | None:
        """The instant, or None when it is still to come."""
        return at if at <= self.until else None


class Chance:
    """The dice of one life. Uses `random()` alone: the same on every machine and version."""

    __slots__ = ("roll",)

    def __init__(self, seed: int) -> None:
        self.roll = Random(seed).random  # noqa: S311  plays lives, keeps no secrets

    def yes(self, share: float) -> bool:
        return self.roll() < share

    def between(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return low + int(self.roll() * (high - low + 1))

    def pick(self, options: tuple[T, ...]) -> T:
        return options[int(self.roll() * len(options))]

    def weighted(self, *weights: float) -> int:
        """The place of one of the weights, as often as its share of their sum."""
        left = self.roll() * sum(weights)
        for place, weight in enumerate(weights):
            left -= weight
            if left < 0:
                return place
        return len(weights) - 1

    def working_hours(self, at: int) -> int:
        """A moment between 8 and 18 o'clock of the instant's day."""
        return at - at % DAY + 8 * HOUR + int(self.roll() * 10 * HOUR)


@dataclass(slots=True)
class Enrolment:
    """One place in a course, from offered to noticed."""

    code: str
    course: Course
    offered_at: int | None = None
    offered_by: Organization | None = None
    enrolled_at: int | None = None  # None: turned down, or still to answer
    sessions: list[tuple[int, float]] = field(default_factory=list)  # when, share done
    tests: list[tuple[int, str, float]] = field(default_factory=list)  # when, phase, mark
    completed_at: int | None = None
    result: str | None = None
    mark: float | None = None
    left_at: int | None = None  # told to the hub; who only stays away has left_at None
    left_why: str | None = None
    credential_at: int | None = None
    employer: Employer | None = None  # where the person worked at completion
    noticed_at: int | None = None

    @property
    def finished(self) -> bool:
        """Reached the end and did not fail."""
        return self.completed_at is not None and self.result != "FAILED"

    def service_times(self) -> list[int]:
        """Every instant at which the course was given or taken."""
        ends = (self.enrolled_at, self.completed_at, self.left_at)
        times = [at for at in ends if at is not None]
        times += [at for at, _ in self.sessions]
        times += [at for at, _, _ in self.tests]
        return times


@dataclass(slots=True)
class Job:
    """One job with one employer, its pay and its steps up."""

    code: str
    employer: Employer
    started_at: int
    ended_at: int | None
    end_reason: str | None
    occupation: str
    level: int
    pay: list[tuple[int, int]]  # since when, cents an hour
    promotions: list[tuple[int, str, int]] = field(default_factory=list)  # when, occupation, level
    role_changes: list[tuple[int, str]] = field(default_factory=list)

    def held_at(self, at: int) -> bool:
        return self.started_at <= at and (self.ended_at is None or at < self.ended_at)

    def cents_at(self, at: int) -> int:
        """Hourly pay at an instant within the job."""
        return max((since, cents) for since, cents in self.pay if since <= at)[1]


@dataclass(slots=True)
class Promise:
    """One promise of an employer, and what came of it."""

    code: str
    pathway: Pathway
    made_at: int
    accepted_at: int | None = None
    met_at: int | None = None  # everything done: the days count from here
    due_by: int | None = None
    guaranteed_at: int | None = None  # of an interview
    kept_at: int | None = None  # in time or not
    lapsed_at: int | None = None

    def is_past(self, until: int) -> bool:
        """Settled, or overdue: told as history. The rest is the hub's to follow."""
        return self.kept_at is not None or (self.due_by is not None and self.due_by < until)


@dataclass(slots=True)
class SupportAct:
    at: int
    kind: str
    started_by: str
    giver: Organization
    minutes: int | None


@dataclass(slots=True)
class Skill:
    """One statement about a skill; `by` is None for the person's own."""

    at: int
    skill_id: str
    level: str
    by: Organization | None = None
    role: str = ""
    actor: str = ""
    evidence: str | None = None


@dataclass(frozen=True, slots=True)
class Sharing:
    """What the person agrees to share, and with whom."""

    recipient: Organization
    categories: tuple[str, ...]
    purposes: tuple[str, ...]
    months: int


@dataclass(slots=True)
class Life:
    """One person, and everything that happened."""

    index: int
    code: str  # the same in every run of the same seed
    worker_id: UUID  # in direct mode; over HTTP the hub gives its own
    name: str
    email: str
    language: str
    group: str  # self-declared: women, men or not_stated
    registered_at: int
    claimed: bool  # has taken the record into their own hands
    helped: float  # how likely support reaches this person, 0 to 1
    jobs: list[Job] = field(default_factory=list)
    enrolments: list[Enrolment] = field(default_factory=list)
    promises: list[Promise] = field(default_factory=list)
    support: list[SupportAct] = field(default_factory=list)
    skills: list[Skill] = field(default_factory=list)
    sharing: list[Sharing] = field(default_factory=list)

    def job_at(self, at: int) -> Job | None:
        return next((job for job in self.jobs if job.held_at(at)), None)

    def organizations(self) -> list[Organization]:
        """Everyone outside who writes about this person, each once, in the order met."""
        met: dict[str, Organization] = {}
        for job in self.jobs:
            met.setdefault(job.employer.id, job.employer)
        for enrolment in self.enrolments:
            met.setdefault(enrolment.course.provider.id, enrolment.course.provider)
            if enrolment.offered_by is not None:
                met.setdefault(enrolment.offered_by.id, enrolment.offered_by)
        for promise in self.promises:
            met.setdefault(promise.pathway.employer.id, promise.pathway.employer)
        for act in self.support:
            met.setdefault(act.giver.id, act.giver)
        return list(met.values())
