"""A view that names what there is not says so when it is imported; its SQL follows the tables."""

from __future__ import annotations

import re
from typing import Any

import pytest

from services.projections.declaration import DeclarationError
from services.projections.layout import layout_of
from services.projections.projections import (
    PROJECTIONS,
    VIEWS,
    Credential,
    Dispute,
    LiveAttestation,
    OpenDispute,
    Organization,
    Training,
)
from services.projections.sql import fingerprint, schema_ddl
from services.projections.views import View, views_of


def declare(sql: str, *of: Any) -> type[View]:
    """A view named Wrong, as a class statement would make it."""
    return type("Wrong", (View,), {"of": of, "sql": sql})


@pytest.mark.parametrize(
    ("sql", "of", "says"),
    [
        ("SELECT t.result FROM training t", (), "reads training, which `of` does not name"),
        ("SELECT t.result FROM training t", (Training, Credential), "`of` names credential, which"),
        ("SELECT t.mark FROM training t", (Training,), "training has no column mark"),
        ("SELECT a.payload FROM live_attestation a", (LiveAttestation,), "live_attestation has no"),
        ("SELECT y.payload FROM story y", (), "story has no column payload"),
        ("SELECT t.result, t.result FROM training t", (Training,), "two columns have the same"),
        ("SELECT count(*) FROM training t", (Training,), r"'count\(\*\)' has no name, say AS"),
        ("SELECT x.result FROM training t", (Training,), "x.result: no table is called x here"),
        ("WITH a AS (SELECT 1)", (), "its SQL does not begin with SELECT"),
        ("SELECT 1 AS one", (), "its SQL has no FROM"),
        (
            "SELECT t.result FROM training t JOIN credential t ON true",
            (Training, Credential),
            "t stands for training and for credential",
        ),
        (
            "SELECT event_of(t.sessions) AS event_id FROM training t",
            (Training,),
            "t.sessions does not say which event it is from",
        ),
        (
            "SELECT events_of(y) AS events FROM story y",
            (),
            r"events_of\(y\): no column says which event it is from",
        ),
        (
            "SELECT y.event_id FROM story y WHERE y.event_type = 'TrainingDone'",
            (),
            "there is no event type TrainingDone",
        ),
    ],
)
def test_what_a_view_cannot_read_is_named(sql: str, of: tuple[Any, ...], says: str) -> None:
    with pytest.raises(DeclarationError, match=f"^Wrong: {says}"):
        declare(sql, *of)


def test_a_text_is_not_a_column_and_a_subquery_has_columns_of_its_own() -> None:
    view = declare(
        "SELECT q.n, 'training.mark' AS text FROM (SELECT count(*) AS n FROM training t) q",
        Training,
    )
    assert view.columns == ("n", "text")


def test_the_event_of_a_value_stands_in_its_order_column() -> None:
    story = declare("SELECT event_of(t.exit_day_known) AS event_id FROM training t", Training)
    orders = {column.name: column.order for column in layout_of(Training).columns}
    assert f"substring(t.{orders['exit_day_known']} FROM 17)" in story.query("read")
    directory = declare("SELECT event_of(o.name) AS event_id FROM organization o", Organization)
    assert "FROM 25)" in directory.query("read"), "the version stands before the instants"


def test_a_view_can_be_asked_of_other_tables_at_another_moment() -> None:
    sql = OpenDispute.query("later", "$2")
    assert set(re.findall(r"(?:FROM|JOIN) (\S+)", sql)) == {"later.dispute", "later.story"}
    assert "$2" in sql
    assert "now()" not in sql


def test_a_view_is_made_where_all_its_tables_are() -> None:
    assert views_of(PROJECTIONS) == VIEWS
    assert views_of([Dispute]) == (OpenDispute,)
    assert views_of([Training]) == ()


def test_the_fingerprint_follows_what_views_say(monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint(PROJECTIONS)
    monkeypatch.setattr(OpenDispute, "sql", OpenDispute.sql.replace("\n", "\n    "))
    assert fingerprint(PROJECTIONS) == before
    monkeypatch.setattr(OpenDispute, "sql", OpenDispute.sql.replace("<=", "<"))
    assert fingerprint(PROJECTIONS) != before


def test_views_are_made_in_the_schema_of_their_tables() -> None:
    ddl = schema_ddl("read_next", PROJECTIONS)
    assert re.findall(r"CREATE VIEW read_next\.(\S+) WITH \(security_invoker = true\)", ddl) == [
        view.table for view in VIEWS
    ]
    assert " read." not in ddl
