"""The table of decisions: which statement becomes which event."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.xapi.events import code, events_of, record_id, slug

AT = datetime(2026, 3, 1, tzinfo=UTC)
COURSE = {"id": "https://lms.example/courses/7"}
ACTIVITY = "http://adlnet.gov/expapi/activities/"
VERB = "http://adlnet.gov/expapi/verbs/"
CODE = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._:/+@-]{0,199}$")


def event(verb: str = "completed", **parts: Any) -> Any:
    statement = {
        "id": "6690e6c9-3ef0-4ed3-8b37-7f3964730bee",
        "actor": {"mbox": "mailto:ana@example.org"},
        "verb": {"id": VERB + verb},
        "object": COURSE,
        **parts,
    }
    (made,) = events_of(statement, "1.0.3", "college", AT, lambda text: f"hash{len(text)}")
    return made


def typed(name: str, iri: str = COURSE["id"]) -> dict[str, Any]:
    return {"id": iri, "definition": {"type": ACTIVITY + name}}


def within(name: str, **more: Any) -> dict[str, Any]:
    return {"contextActivities": {name: [COURSE]}, **more}


@pytest.mark.parametrize(
    ("verb", "parts", "expected"),
    [
        ("registered", {}, "TrainingEnrolled"),
        ("enrolled", {}, "TrainingEnrolled"),
        ("unregistered", {}, "TrainingExited"),
        ("completed", {}, "TrainingCompleted"),
        ("completed", {"object": typed("course")}, "TrainingCompleted"),
        ("completed", {"result": {"completion": False}}, "TrainingProgressed"),
        ("completed", {"object": typed("media", "http://a.b/v"), "context": within("parent")},
         "TrainingProgressed"),
        ("passed", {"object": typed("assessment"), "result": {"score": {"scaled": 0.5}}},
         "AssessmentTaken"),
        ("scored", {"object": typed("assessment"), "result": {"score": {"raw": 5}}},
         "AssessmentTaken"),
        ("passed", {"object": typed("assessment", "http://a.b/t"), "context": within("grouping")},
         "TrainingProgressed"),
        ("answered", {"object": typed("cmi.interaction"), "result": {"score": {"scaled": 1}}},
         "TrainingProgressed"),
        ("played", {}, "TrainingProgressed"),
    ],
)  # fmt: skip
def test_verb_and_activity_decide(verb: str, parts: dict[str, Any], expected: str) -> None:
    assert event(verb, **parts).event_type == expected


@pytest.mark.parametrize(
    ("verb", "result", "expected"),
    [
        ("completed", {}, "COMPLETED"),
        ("completed", {"success": True}, "PASSED"),
        ("completed", {"success": False}, "FAILED"),
        ("passed", {}, "PASSED"),
        ("failed", {"success": True}, "FAILED"),
    ],
)
def test_how_a_course_ended(verb: str, result: dict[str, Any], expected: str) -> None:
    assert event(verb, **({"result": result} if result else {})).result == expected


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        ({"scaled": 0.7}, 0.7),
        ({"scaled": -0.5}, 0.0),
        ({"raw": 15, "min": 10, "max": 20}, 0.5),
        ({"raw": 5, "max": 20}, 0.25),
        ({"raw": 5}, None),
    ],
)
def test_a_score_lies_between_0_and_1(score: dict[str, float], expected: float | None) -> None:
    assert event("passed", object=typed("quiz"), result={"score": score}).score == expected


@pytest.mark.parametrize("name", ["grouping", "parent", "category"])
def test_the_context_names_the_course(name: str) -> None:
    made = event("played", object={"id": "http://a.b/video"}, context=within(name))

    assert (made.course_id, made.activity_id) == ("lms.example/courses/7", "a.b/video")


def test_a_registration_is_the_enrolment_else_a_keyed_hash_is() -> None:
    registration = "EC531277-b57b-4c15-8d91-d292c5b2b8f7"

    assert event(context={"registration": registration}).enrolment_id == registration.lower()
    assert event().enrolment_id.startswith("x-hash")
    assert "ana" not in str(event().enrolment_id)


def test_a_statement_about_a_group_is_about_each_member() -> None:
    members = [{"mbox": "mailto:a@x.org"}, {"mbox": "mailto:b@x.org"}, {"mbox": "mailto:a@X.org"}]
    statement = {
        "id": "6690e6c9-3ef0-4ed3-8b37-7f3964730bee",
        "actor": {"objectType": "Group", "member": members},
        "verb": {"id": VERB + "attended"},
        "object": COURSE,
    }

    made = list(events_of(statement, "1.0.3", "college", AT, lambda text: f"h{len(text)}"))

    assert [e.source_record_id for e in made] == ["mailto:a@x.org", "mailto:b@x.org"]  # type: ignore[attr-defined]
    assert len({e.source_event_id for e in made}) == 2


def test_what_is_not_an_activity_has_no_person_in_a_code() -> None:
    person = {"objectType": "Agent", "mbox": "mailto:bob@x.org"}
    reference = {"objectType": "StatementRef", "id": "8F87CCDE-bb56-4c2e-ab83-44982ef22df0"}

    about_person, about_statement = event("saw", object=person), event("saw", object=reference)

    assert (about_person.activity_id, about_person.course_id) == (None, "no-course")
    assert about_statement.activity_id == f"statement:{reference['id'].lower()}"


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        ({"mbox": "mailto:Ana@Example.ORG"}, "mailto:Ana@example.org"),
        ({"mbox_sha1sum": "CD9B"}, "mbox_sha1sum:cd9b"),
        ({"openid": "http://ana.example"}, "openid:http://ana.example"),
        ({"account": {"homePage": "http://x.org", "name": "7"}}, "account:http://x.org|7"),
    ],
)
def test_the_same_person_has_the_same_record(agent: dict[str, Any], expected: str) -> None:
    assert record_id(agent) == expected
    assert record_id({**agent, "name": "Another spelling"}) == expected


def test_a_long_account_has_a_record_that_fits() -> None:
    names = [record_id({"account": {"homePage": "http://x.org", "name": c * 400}}) for c in "ab"]

    assert all(len(name) <= 200 for name in names)
    assert names[0] != names[1]


@given(st.text(min_size=1, max_size=400))
def test_any_iri_gives_a_code_that_the_log_takes(tail: str) -> None:
    assert CODE.fullmatch(code(f"https://a.example/{tail}"))
    assert CODE.fullmatch(code(tail))


@given(st.lists(st.text(min_size=1, max_size=300), min_size=2, max_size=2, unique=True))
def test_different_iris_have_different_codes(tails: list[str]) -> None:
    first, second = (f"https://a.example/{tail}" for tail in tails)

    assert code(first) != code(second)


@given(st.text(max_size=300))
def test_any_verb_gives_a_word(tail: str) -> None:
    assert re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", slug(f"http://x.org/verbs/{tail}"))
    assert slug(VERB + "completed") == "completed"
