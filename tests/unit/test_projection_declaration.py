"""A declaration that cannot be built says so when it is imported: projection, column and field."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from schemas.events import (
    AssessmentTaken,
    DisclosureAttempted,
    EmploymentStarted,
    OrganizationRegistered,
    ProgrammePublished,
    SkillAttested,
    TrainingCompleted,
    TrainingExited,
    TrainingProgressed,
    WorkerRegistered,
)
from schemas.fields import FieldRef
from services.projections import describe
from services.projections.declaration import (
    Count,
    DeclarationError,
    Greatest,
    Key,
    Latest,
    Least,
    Merge,
    Projection,
    Sum,
    Union,
    Where,
)
from services.projections.layout import layout_of
from services.projections.projections import PROJECTIONS, Disclosure, Programme, Training
from services.projections.sql import fingerprint, schema_ddl


def declare(key: Key, **columns: Merge) -> type[Projection]:
    """A projection named Wrong, as a class statement would make it."""
    return type("Wrong", (Projection,), {"key": key, **columns})


WORKER = Key("worker_id")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (
            lambda: declare(WORKER, x=Latest(TrainingCompleted.score, TrainingExited.reason)),
            r"Wrong\.x: fields of different types: TrainingCompleted\.score is double.*TrainingExited\.reason is text",
        ),
        (lambda: declare(WORKER, x=Latest()), r"Wrong\.x: no event feeds it"),
        (
            lambda: declare(WORKER, x=Latest(TrainingExited.reason, TrainingExited.course_id)),
            r"Wrong\.x: an event type feeds it twice",
        ),
        (
            lambda: declare(WORKER, x=Sum(TrainingCompleted.score)),
            r"Wrong\.x: TrainingCompleted\.score is double precision, which does not add up",
        ),
        (
            lambda: declare(WORKER, x=Greatest(TrainingExited.reason)),
            r"Wrong\.x: TrainingExited\.reason is text, which has no greatest",
        ),
        (
            lambda: declare(WORKER, x=Least(SkillAttested.evidence)),
            r"Wrong\.x: SkillAttested\.evidence",
        ),
        (
            lambda: declare(WORKER, x=Union(EmploymentStarted.job_level)),
            r"Wrong\.x: EmploymentStarted\.job_level is integer, only codes",
        ),
        (
            lambda: declare(
                WORKER,
                x=Latest(
                    DisclosureAttempted.occurred_at,
                    where=Where(DisclosureAttempted.outcome, "SENT"),
                ),
            ),
            r"Wrong\.x: DisclosureAttempted\.outcome is never 'SENT'",
        ),
        (
            lambda: declare(
                WORKER, x=Count(TrainingExited, where=Where(DisclosureAttempted.outcome, "FAILED"))
            ),
            r"Wrong\.x: Where names DisclosureAttempted\.outcome, but DisclosureAttempted does not",
        ),
        (
            lambda: declare(Key("worker_id", "enrolment_id"), x=Count(SkillAttested)),
            r"Wrong\.enrolment_id: SkillAttested has no field enrolment_id",
        ),
        (
            lambda: declare(Key("worker_id", "display_name"), x=Count(WorkerRegistered)),
            r"Wrong\.display_name: WorkerRegistered\.display_name is sealed",
        ),
        (
            lambda: declare(Key("worker_id", "score"), x=Count(AssessmentTaken)),
            r"Wrong\.score: .*is no key",
        ),
        (
            lambda: declare(Key("enrolment_id"), x=Count(TrainingProgressed)),
            r"Wrong\.key: must begin with worker_id",
        ),
        (
            lambda: declare(WORKER, worker_id=Count(TrainingProgressed)),
            r"Wrong\.worker_id: is a key, and has a merge too",
        ),
        (
            lambda: declare(WORKER, x=Count(TrainingProgressed, OrganizationRegistered)),
            r"Wrong: its events share no stream",
        ),
        (
            lambda: declare(WORKER, x=Latest(FieldRef("TrainingExited", "x", "map", False, False))),
            r"Wrong\.x: TrainingExited\.x is 'map', which no column can hold",
        ),
    ],
)
def test_what_cannot_be_built_is_named(wrong: Callable[[], object], says: str) -> None:
    with pytest.raises(DeclarationError, match=says):
        wrong()


def test_an_index_needs_its_column() -> None:
    with pytest.raises(DeclarationError, match=r"Wrong\.indexes: there is no column y"):
        type(
            "Wrong",
            (Projection,),
            {"key": WORKER, "x": Count(TrainingExited), "indexes": (("y",),)},
        )


def test_columns_that_follow_the_same_event_share_an_order() -> None:
    orders = {column.name: column.order for column in layout_of(Training).columns if column.order}
    assert orders["exit_reason"] == orders["exit_day_known"]
    assert orders["course_id"] != orders["provider_id"], "they come from different events"
    assert orders["progress"] not in (orders["course_id"], orders["result"])


def test_instants_of_stories_need_no_order() -> None:
    assert {c.name: c.rule for c in layout_of(Disclosure).columns if c.name.endswith("_at")} == {
        "first_at": "least",
        "last_at": "greatest",
        "delivered_at": "least",
    }


def test_instants_of_the_directory_follow_the_version() -> None:
    column = next(c for c in layout_of(Programme).columns if c.name == "published_at")
    assert column.rule == "latest"
    assert column.order == "version_order"
    assert str(ProgrammePublished.version) == "ProgrammePublished.version"


def test_the_fingerprint_follows_the_meaning() -> None:
    one = declare(WORKER, x=Count(TrainingExited))
    same = declare(WORKER, x=Count(TrainingExited))
    other = declare(WORKER, x=Count(TrainingProgressed))
    assert fingerprint([one]) == fingerprint([same]) != fingerprint([other])


def test_the_schema_has_another_name_when_asked() -> None:
    ddl = schema_ddl("read_next", PROJECTIONS)
    assert "CREATE TABLE IF NOT EXISTS read_next.training" in ddl
    assert " read." not in ddl


def test_the_page_of_the_read_model_is_up_to_date() -> None:
    assert describe.PAGE.read_text() == describe.page()
