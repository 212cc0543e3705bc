"""Criteria: what can be measured, as callers write it and as one code, and how facts meet it.

A criterion travels as a code that the schema's pattern checks:
`training:c-101`, `skill:onet:2.B.1;attested_by=SUPERVISOR;times=2`, `assessment:a-7;at_least=0.8`,
`employed_days:180`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol, TypeAlias

from services.promises.facts import Fact
from services.promises.moments import Moment, Time

# Who may have seen it: any of the roles that the event type knows.
ANYBODY = "ANY"


class Criterion(Protocol):
    """One thing that must be done."""

    @property
    def code(self) -> str:
        """The canonical form: equal criteria have equal codes."""
        ...

    def as_json(self) -> dict[str, object]: ...

    def met(self, facts: Iterable[Fact], employer_id: str, time: Time) -> Moment | None:
        """When the facts first met it."""
        ...


@dataclass(frozen=True, slots=True)
class Training:
    """A course was finished and not failed."""

    course_id: str

    @property
    def code(self) -> str:
        return f"training:{self.course_id}"

    def as_json(self) -> dict[str, object]:
        return {"training": self.course_id}

    def met(self, facts: Iterable[Fact], employer_id: str, time: Time) -> Moment | None:
        return _first(
            fact
            for fact in facts
            if fact.name == "TrainingCompleted"
            and fact.fields["course_id"] == self.course_id
            and fact.fields["result"] != "FAILED"
        )


@dataclass(frozen=True, slots=True)
class Skill:
    """Somebody who saw it said so, this many times. A claim of one's own does not count."""

    skill_id: str
    attested_by: str
    times: int

    @property
    def code(self) -> str:
        return f"skill:{self.skill_id};attested_by={self.attested_by};times={self.times}"

    def as_json(self) -> dict[str, object]:
        by = {} if self.attested_by == ANYBODY else {"attested_by": self.attested_by}
        return {"skill": self.skill_id, **by, "times": self.times}

    def met(self, facts: Iterable[Fact], employer_id: str, time: Time) -> Moment | None:
        seen: dict[tuple[str, str], Moment] = {}
        for fact in facts:
            if fact.name == "SkillAttested" and self._counts(fact):
                attestation = fact.source, fact.fields["attestation_id"]
                seen[attestation] = min(fact.moment, seen.get(attestation, fact.moment))
        moments = sorted(seen.values())
        return moments[self.times - 1] if len(moments) >= self.times else None

    def _counts(self, fact: Fact) -> bool:
        by_whom = self.attested_by in (ANYBODY, fact.fields["attested_by"])
        return by_whom and bool(fact.fields["skill_id"] == self.skill_id)


@dataclass(frozen=True, slots=True)
class Assessment:
    """A test was taken with at least this score, from 0 to 1; any try counts."""

    assessment_id: str
    at_least: Decimal

    @property
    def code(self) -> str:
        return f"assessment:{self.assessment_id};at_least={self.at_least.normalize():f}"

    def as_json(self) -> dict[str, object]:
        return {"assessment": self.assessment_id, "at_least": float(self.at_least)}

    def met(self, facts: Iterable[Fact], employer_id: str, time: Time) -> Moment | None:
        return _first(
            fact
            for fact in facts
            if fact.name == "AssessmentTaken"
            and fact.fields["assessment_id"] == self.assessment_id
            and fact.fields["score"] is not None
            and Decimal(str(fact.fields["score"])) >= self.at_least
        )


@dataclass(frozen=True, slots=True)
class EmployedDays:
    """One job with the employer that promises went on for this many days of 24 hours."""

    days: int

    @property
    def code(self) -> str:
        return f"employed_days:{self.days}"

    def as_json(self) -> dict[str, object]:
        return {"employed_days": self.days}

    def met(self, facts: Iterable[Fact], employer_id: str, time: Time) -> Moment | None:
        reached = sorted(self._reached(facts, employer_id))
        return next((moment for moment in reached if time.has_passed(moment.at)), None)

    def _reached(self, facts: Iterable[Fact], employer_id: str) -> Sequence[Moment]:
        """When each job reaches the days, unless it ended before."""
        known = [fact for fact in facts if fact.fields.get("employer_id") == employer_id]
        ended: dict[str, datetime] = {}
        for fact in known:
            if fact.name == "EmploymentEnded":
                job = fact.fields["employment_id"]
                ended[job] = min(fact.occurred_at, ended.get(job, fact.occurred_at))
        starts = [fact for fact in known if fact.name == "EmploymentStarted"]
        full = [
            (Moment(fact.occurred_at + timedelta(days=self.days), fact.event_id), fact)
            for fact in starts
        ]
        return [
            moment
            for moment, fact in full
            if (end := ended.get(fact.fields["employment_id"])) is None or end >= moment.at
        ]


AnyCriterion: TypeAlias = Training | Skill | Assessment | EmployedDays


def _first(facts: Iterable[Fact]) -> Moment | None:
    return min((fact.moment for fact in facts), default=None)


def criterion_of(code: str) -> AnyCriterion:
    """Read a code as the schema's pattern has it. Raises ValueError for another text."""
    kind, _, rest = code.partition(":")
    subject, *options = rest.split(";")
    given = dict(option.split("=", 1) for option in options)
    if not subject:
        raise ValueError(f"{code!r} is no criterion")
    if kind == "training" and not given:
        return Training(subject)
    if kind == "skill" and given.keys() == {"attested_by", "times"}:
        return Skill(subject, given["attested_by"], int(given["times"]))
    if kind == "assessment" and given.keys() == {"at_least"}:
        return Assessment(subject, Decimal(given["at_least"]))
    if kind == "employed_days" and not given:
        return EmployedDays(int(subject))
    raise ValueError(f"{code!r} is no criterion")
