"""A declaration that cannot be built says so when it is imported: projection, column and field."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from schemas.catalog import event_types
from schemas.events import (
    AssessmentTaken,
    DisclosureAttempted,
    DisclosureRecalled,
    EmploymentStarted,
    OrganizationRegistered,
    PathwayPublished,
    ProgrammePublished,
    SkillAttested,
    SkillClaimed,
    TrainingCompleted,
    TrainingExited,
    TrainingProgressed,
    WorkerRegistered,
)
from schemas.fields import FieldRef
from services.projections import describe, projections
from services.projections.declaration import (
    Count,
    DeclarationError,
    Exists,
    Greatest,
    Key,
    Latest,
    Least,
    Merge,
    Projection,
    Sum,
    Union,
    Where,
    declared_in,
)
from services.projections.layout import layout_of
from services.projections.projections import (
    NO_TABLE,
    PROJECTIONS,
    Disclosure,
    Programme,
    Training,
)
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
            r"Wrong\.score: AssessmentTaken\.score is double precision, which names no row",
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
            r"Wrong\.x: TrainingExited has no field x$",
        ),
        (
            lambda: declare(WORKER, x=Latest(FieldRef("Exited", "reason", "enum", False, False))),
            r"Wrong\.x: there is no event type Exited$",
        ),
        (
            lambda: declare(
                WORKER, x=Latest(FieldRef("TrainingExited", "reason", "string", False, False))
            ),
            r"Wrong\.x: TrainingExited\.reason is another type in the schema: run `make events`",
        ),
        (
            lambda: declare(WORKER, x=Latest(TrainingExited)),  # type: ignore[arg-type]
            r"Wrong\.x: TrainingExited is not a field of an event",
        ),
        (
            lambda: declare(WORKER, x=Count(TrainingExited.reason)),  # type: ignore[arg-type]
            r"Wrong\.x: TrainingExited\.reason is a field, Count takes event types",
        ),
        (
            lambda: declare(WORKER, x=Exists(int)),
            r"Wrong\.x: there is no event type int",
        ),
        (
            lambda: declare(WORKER, x=TrainingExited.reason),  # type: ignore[arg-type]
            r"Wrong\.x: TrainingExited\.reason has no merge, such as Latest\(TrainingExited\.reason\)",
        ),
        (
            lambda: declare(WORKER, x=Count(TrainingExited, where=Where(TrainingExited.reason))),
            r"Wrong\.x: Where names TrainingExited\.reason and no value of it",
        ),
        (
            lambda: declare(
                WORKER, x=Count(TrainingExited, where=Where(TrainingExited.day_known, "yes"))
            ),
            r"Wrong\.x: TrainingExited\.day_known is never 'yes'",
        ),
        (
            lambda: declare(
                WORKER, x=Count(TrainingExited, where=Where(TrainingExited.reason, True))
            ),
            r"Wrong\.x: TrainingExited\.reason is never True",
        ),
        (
            lambda: declare(
                WORKER, x=Count(TrainingExited, where=Where(TrainingExited.course_id, "a b"))
            ),
            r"Wrong\.x: TrainingExited\.course_id is never 'a b'",
        ),
        (
            lambda: declare(
                WORKER, x=Count(AssessmentTaken, where=Where(AssessmentTaken.score, "1"))
            ),
            r"Wrong\.x: Where names AssessmentTaken\.score, which is neither a code nor a yes or no",
        ),
        (
            lambda: declare(
                WORKER, x=Count(SkillAttested, where=Where(SkillAttested.evidence, "seen"))
            ),
            r"Wrong\.x: Where names SkillAttested\.evidence, which is neither",
        ),
        (lambda: declare(WORKER), r"Wrong: has no column"),
        (
            lambda: type("Wrong", (Projection,), {"x": Count(TrainingExited)}),
            r"Wrong\.key: is missing, such as Key\('worker_id'\)",
        ),
        (
            lambda: declare(WORKER, Total=Count(TrainingExited)),
            r"Wrong\.Total: is no name of a column",
        ),
        (
            lambda: declare(WORKER, result_order=Count(TrainingExited)),
            r"Wrong\.result_order: names that end in _order belong to the engine",
        ),
        (
            lambda: declare(Key("organization_id", "version", "name"), x=Count(PathwayPublished)),
            r"Wrong\.name: PathwayPublished has no field name",
        ),
        (
            lambda: declare(
                Key("worker_id", row="enrolment_id"), x=Count(TrainingExited, SkillClaimed)
            ),
            r"Wrong\.row: SkillClaimed has no field enrolment_id",
        ),
        (
            lambda: declare(Key("worker_id", "categories"), x=Count(DisclosureRecalled)),
            r"Wrong\.categories: DisclosureRecalled\.categories is text\[\], which names no row",
        ),
    ],
)
def test_what_cannot_be_built_is_named(wrong: Callable[[], object], says: str) -> None:
    with pytest.raises(DeclarationError, match=says):
        wrong()


@pytest.mark.parametrize(
    ("index", "says"),
    [
        ("y", r"Wrong\.indexes: there is no column y"),
        ("x", r"Wrong\.indexes: SkillAttested\.evidence is sealed, none finds it"),
    ],
)
def test_an_index_needs_a_column_that_can_be_looked_up(index: str, says: str) -> None:
    columns = {"x": Latest(SkillAttested.evidence), "indexes": ((index,),)}
    with pytest.raises(DeclarationError, match=says):
        type("Wrong", (Projection,), {"key": WORKER, **columns})


def test_a_table_says_what_its_rows_are() -> None:
    module = ModuleType("wrong")
    module.Wrong = declare(WORKER, x=Count(TrainingExited))  # type: ignore[attr-defined]
    with pytest.raises(DeclarationError, match="Wrong: has no docstring"):
        declared_in(module)


def test_no_table_is_called_as_one_of_the_engine() -> None:
    parked = type("Parked", (Projection,), {"key": WORKER, "x": Count(TrainingExited)})
    with pytest.raises(DeclarationError, match="parked: more than one table or view"):
        schema_ddl("read", [parked])


def test_every_event_type_feeds_a_table_or_there_is_a_reason() -> None:
    fed = {event for projection in PROJECTIONS for event in projection.events}
    assert set(event_types()) - fed == set(NO_TABLE)
    assert not fed & set(NO_TABLE)


def test_the_engine_knows_no_event_type() -> None:
    engine = Path(projections.__file__).parent
    names = re.compile(r"\b(" + "|".join(event_types()) + r")\b")
    found = {
        (path.name, name)
        for path in engine.rglob("*.py")
        if path.name != "projections.py"
        for name in names.findall(path.read_text())
    }
    assert found == set()


def test_a_column_counts_what_its_conditions_let_through_for_each_event_type() -> None:
    known = Where(TrainingExited.day_known, True)
    why = Where(TrainingExited.reason, "WITHDREW", "NO_SHOW")
    passed = Where(TrainingCompleted.result, "PASSED")
    merge = Count(TrainingExited, TrainingCompleted, where=(known, why, passed))
    assert declare(WORKER, x=merge).columns["x"].conditions("TrainingExited") == (known, why)
    assert merge.conditions("TrainingCompleted") == (passed,)
    assert Count(TrainingExited, where=known).conditions("TrainingCompleted") == ()


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
