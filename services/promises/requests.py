"""What callers send: pathways, promises, answers, disputes, and training that was noticed."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    field_validator,
    model_validator,
)

from services.promises.criteria import (
    ANYBODY,
    AnyCriterion,
    Assessment,
    EmployedDays,
    Skill,
    Training,
)

Code = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")]
# Shorter than other codes, for the criterion around it is a code, too.
Subject = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,149}$")]
SkillId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]{1,20}:[A-Za-z0-9._-]{1,80}$")]
OrganizationId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")]


class _Order(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TrainingOrder(_Order):
    """A course to finish."""

    training: Subject

    def criterion(self) -> AnyCriterion:
        return Training(self.training)


class SkillOrder(_Order):
    """A skill that others saw, `times` times; by whom, if that matters."""

    skill: SkillId
    attested_by: Literal["SUPERVISOR", "MENTOR", "ASSESSOR", "PEER"] | None = None
    times: Annotated[int, Field(ge=1, le=99)] = 1

    @field_validator("attested_by", mode="before")
    @classmethod
    def _any_case(cls, value: Any) -> Any:
        return value.upper() if isinstance(value, str) else value

    def criterion(self) -> AnyCriterion:
        return Skill(self.skill, self.attested_by or ANYBODY, self.times)


class AssessmentOrder(_Order):
    """A test, with the score that is enough, from 0 to 1."""

    assessment: Subject
    at_least: Annotated[Decimal, Field(gt=0, le=1, decimal_places=4)]

    def criterion(self) -> AnyCriterion:
        return Assessment(self.assessment, self.at_least)


class EmployedOrder(_Order):
    """Days of employment with the employer that promises."""

    employed_days: Annotated[int, Field(ge=1, le=99_999)]

    def criterion(self) -> AnyCriterion:
        return EmployedDays(self.employed_days)


_KINDS = ("training", "skill", "assessment", "employed_days")


def _kind_of(value: Any) -> str | None:
    given = value if isinstance(value, dict) else getattr(value, "__dict__", {})
    return next((kind for kind in _KINDS if kind in given), None)


CriterionOrder = Annotated[
    Annotated[TrainingOrder, Tag("training")]
    | Annotated[SkillOrder, Tag("skill")]
    | Annotated[AssessmentOrder, Tag("assessment")]
    | Annotated[EmployedOrder, Tag("employed_days")],
    Discriminator(
        _kind_of,
        custom_error_type="no_criterion",
        custom_error_message="Name what can be measured: training, skill, assessment or "
        "employed_days",
    ),
]


class AllOf(_Order):
    """Everything that must be done."""

    all: Annotated[tuple[CriterionOrder, ...], Field(min_length=1, max_length=20)]

    @model_validator(mode="after")
    def _once_each(self) -> AllOf:
        codes = self.codes()
        if len(set(codes)) < len(codes):
            raise ValueError("a criterion is there twice")
        return self

    def codes(self) -> list[str]:
        return [order.criterion().code for order in self.all]


class PathwayOrder(_Order):
    """What leads to what. The same id again is the pathway's next version."""

    pathway_id: Code
    title: Annotated[str, StringConstraints(min_length=1, max_length=300, strip_whitespace=True)]
    criteria: AllOf
    # A bonus shows in no event yet, so it could never be seen to be kept.
    outcome: Literal["INTERVIEW", "ROLE", "WAGE_STEP"]
    due_in_days: Annotated[int, Field(ge=1, le=3650)]


class PromiseOrder(_Order):
    """A pathway, promised to one person: the version in force, unless another is named."""

    pathway_id: Code
    version: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    worker_id: UUID | None = None
    source_record_id: Annotated[str, Field(min_length=1, max_length=200)] | None = None

    @model_validator(mode="after")
    def _somebody(self) -> PromiseOrder:
        if (self.worker_id is None) == (self.source_record_id is None):
            raise ValueError("give worker_id or source_record_id: who is it promised to?")
        return self


class AnswerOrder(_Order):
    """A person's answer to a promise; the first one stands."""

    answer: Literal["accept", "decline"]


class DisputeOrder(_Order):
    """What a person says of a promise, in the own words: a question needs some."""

    reason: Literal["NOT_KEPT", "QUESTION"]
    statement: (
        Annotated[
            str,
            StringConstraints(
                min_length=1,
                max_length=1000,
                strip_whitespace=True,
                pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f]*$",  # pages and logs trip over these
            ),
        ]
        | None
    ) = None
    dispute_id: UUID | None = None  # the same again is the same; without one, one of each reason

    @model_validator(mode="after")
    def _something(self) -> DisputeOrder:
        if self.reason == "QUESTION" and self.statement is None:
            raise ValueError("give statement: what is the question?")
        return self


class NoticeOrder(_Order):
    """Training of one person that the employer has seen."""

    worker_id: UUID | None = None
    subject: Annotated[str, StringConstraints(pattern=r"^w-[0-9a-f]{32}$")] | None = None
    enrolment_id: Code

    @model_validator(mode="after")
    def _somebody(self) -> NoticeOrder:
        if (self.worker_id is None) == (self.subject is None):
            raise ValueError("give worker_id or subject: whose training is it?")
        return self
