"""The outbox: what is put is there if and only if the sender's transaction committed."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from sqlalchemy.orm import Session

from connectors.sdk import InvalidEvent, NotInTransaction, Outbox, OutboxProblem, ddl
from connectors.sdk.ddl import LATEST, statements
from connectors.sdk.relay import open_store
from connectors.sdk.relay import store as store_of
from tests.sdk_kit import completed, django_on, plain

# `connectors.sdk.ddl` as an attribute is the function.
ddl_of = sys.modules["connectors.sdk.ddl"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The database of some system, with an outbox."""
    path = tmp_path / "lms.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(ddl("sqlite"))
        connection.execute("CREATE TABLE grade (enrolment text)")
    return path


@pytest.fixture
def connection(file: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(file)) as opened:
        yield opened


def rows(file: Path) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(file)) as opened:
        found = opened.execute("SELECT event FROM throughline_outbox ORDER BY id").fetchall()
    return [json.loads(event) for (event,) in found]


def test_committed_is_there_and_rolled_back_is_not(
    file: Path, connection: sqlite3.Connection
) -> None:
    outbox = Outbox()
    with connection:
        connection.execute("INSERT INTO grade VALUES ('e-1')")
        outbox.put(connection, completed(1))
    with suppress(ZeroDivisionError), connection:
        outbox.put(connection.cursor(), completed(2))
        raise ZeroDivisionError
    assert [row["enrolment_id"] for row in rows(file)] == ["e-1"]


def test_put_answers_the_event_with_the_id_that_will_be_sent(
    file: Path, connection: sqlite3.Connection
) -> None:
    with connection:
        known = Outbox().put(connection, completed(1, source_event_id=None))
    assert rows(file)[0]["event_id"] == str(known.event_id)


def test_a_rolled_back_savepoint_takes_its_events_along(
    file: Path, connection: sqlite3.Connection
) -> None:
    outbox = Outbox()
    with connection:
        outbox.put(connection, completed(1))
        connection.execute("SAVEPOINT s")
        outbox.put(connection, completed(2))
        connection.execute("ROLLBACK TO s")
    assert [row["enrolment_id"] for row in rows(file)] == ["e-1"]


def test_many_are_put_in_order(file: Path, connection: sqlite3.Connection) -> None:
    with connection:
        assert Outbox().put_all(connection, (plain(n) for n in range(2_500))) == 2_500
    assert [row["enrolment_id"] for row in rows(file)] == [f"e-{n}" for n in range(2_500)]


def test_what_is_no_event_fails_in_the_transaction(
    file: Path, connection: sqlite3.Connection
) -> None:
    def put_both() -> None:
        with connection:
            Outbox().put(connection, completed(1))
            Outbox().put(connection, {**plain(2), "result": "GREAT"})

    with pytest.raises(InvalidEvent, match="result"):
        put_both()
    assert rows(file) == []


def test_a_connection_that_commits_by_itself_is_refused(file: Path) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as by_itself:
        with pytest.raises(NotInTransaction, match="rolled back"):
            Outbox().put(by_itself, completed(1))
        by_itself.execute("BEGIN")
        Outbox().put(by_itself, completed(2))
        by_itself.execute("COMMIT")
    assert [row["enrolment_id"] for row in rows(file)] == ["e-2"]


def test_what_is_no_connection_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match="takes a connection or cursor of sqlite3"):
        Outbox().put(object(), completed(1))


# --- SQLAlchemy ---


def test_sqlalchemy_sessions_and_connections(file: Path) -> None:
    engine = sqlalchemy.create_engine(f"sqlite:///{file}")
    outbox = Outbox()
    with Session(engine) as session, session.begin():
        session.execute(sqlalchemy.text("INSERT INTO grade VALUES ('e-1')"))
        outbox.put(session, completed(1))
    with suppress(ZeroDivisionError), Session(engine) as session, session.begin():
        outbox.put(session, completed(2))
        raise ZeroDivisionError
    with engine.connect() as connection:
        outbox.put(connection, completed(3))
        connection.commit()
        outbox.put(connection, completed(4))  # never committed
    engine.dispose()
    assert [row["enrolment_id"] for row in rows(file)] == ["e-1", "e-3"]


def test_sqlalchemy_in_autocommit_is_refused(file: Path) -> None:
    engine = sqlalchemy.create_engine(f"sqlite:///{file}", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection, pytest.raises(NotInTransaction, match="AUTOCOMMIT"):
        Outbox().put(connection, completed(1))
    engine.dispose()


async def test_asynchronous_takes_no_synchronous_connection(
    connection: sqlite3.Connection,
) -> None:
    with pytest.raises(TypeError, match="put_async"):
        await Outbox().put_async(connection, completed(1))


# --- Django ---


@pytest.fixture
def django_connection(file: Path) -> Iterator[Any]:
    with django_on(str(file)) as connection:
        yield connection


def test_django_atomic_blocks(file: Path, django_connection: Any) -> None:
    """With the ORM: a row of a model and its event live or die together."""
    from django.db import models, transaction

    class Grade(models.Model):  # type: ignore[misc,unused-ignore]
        enrolment = models.TextField(primary_key=True)

        class Meta:
            app_label = "lms"
            db_table = "grade"

    outbox = Outbox()

    def complete(number: int, *, fails: bool = False) -> None:
        with transaction.atomic(using="lms"):
            Grade.objects.using("lms").create(enrolment=f"e-{number}")
            outbox.put(django_connection, completed(number))
            with django_connection.cursor() as cursor:
                outbox.put(cursor, completed(f"{number}b"))
            if fails:
                raise ZeroDivisionError

    complete(1)
    with pytest.raises(ZeroDivisionError):
        complete(2, fails=True)
    with transaction.atomic(using="lms"):  # an inner block that fails takes its events along
        with suppress(ZeroDivisionError):
            complete(3, fails=True)
        complete(4)

    assert [row["enrolment_id"] for row in rows(file)] == ["e-1", "e-1b", "e-4", "e-4b"]
    kept = Grade.objects.using("lms").values_list("enrolment", flat=True)
    assert sorted(kept) == ["e-1", "e-4"]


def test_django_outside_atomic_is_refused(file: Path, django_connection: Any) -> None:
    with pytest.raises(NotInTransaction, match=r"transaction\.atomic"):
        Outbox().put(django_connection, completed(1))
    with django_connection.cursor() as cursor, pytest.raises(NotInTransaction):
        Outbox().put(cursor, completed(1))
    assert rows(file) == []


# --- tables ---


@pytest.mark.parametrize("name", ["Robert'); --", "a.b.c", "", "x" * 31, "1a", "a b"])
def test_a_table_is_a_plain_name(name: str) -> None:
    with pytest.raises(ValueError, match="is not a table's name"):
        Outbox(name)


async def test_init_makes_the_tables_once(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/new.db", "sent_events")
    assert await store.init() == 0
    assert await store.init() == LATEST
    await store.check()
    await store.close()


async def test_tables_of_another_version_are_named(file: Path) -> None:
    store = open_store(str(file), "throughline_outbox")
    missing = open_store(str(file), "elsewhere")
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(f"UPDATE throughline_outbox_schema SET version = {LATEST + 1}")
    with pytest.raises(OutboxProblem, match=r"newer than this SDK's .* update the SDK"):
        await store.check()
    with pytest.raises(OutboxProblem, match="run `init`"):
        await missing.check()
    await store.close()
    await missing.close()


async def test_init_brings_an_older_table_to_the_latest_version(
    file: Path, connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connection:
        Outbox().put(connection, completed(1))
    second = ("ALTER TABLE {table} ADD COLUMN tries INTEGER NOT NULL DEFAULT 0",)
    versions = {"sqlite": (*ddl_of._VERSIONS["sqlite"], second)}
    monkeypatch.setattr(ddl_of, "_VERSIONS", versions)
    for module in (ddl_of, store_of):
        monkeypatch.setattr(module, "LATEST", LATEST + 1)
    store = open_store(str(file), "throughline_outbox")

    with pytest.raises(OutboxProblem, match=f"this SDK needs {LATEST + 1}: run `init`"):
        await store.check()
    assert await store.init() == LATEST
    await store.check()
    assert connection.execute("SELECT tries FROM throughline_outbox").fetchall() == [(0,)]
    await store.close()


async def test_a_wrong_path_is_no_new_database(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "nowhere.db"), "throughline_outbox")
    with pytest.raises(OutboxProblem, match=r"there is no file .*nowhere\.db"):
        await store.check()
    assert not (tmp_path / "nowhere.db").exists()
    with pytest.raises(OutboxProblem, match="PostgreSQL or SQLite, not mysql"):
        open_store("mysql://db/lms", "throughline_outbox")


def test_an_upgrade_leaves_the_earlier_statements_out() -> None:
    assert statements("postgresql", since=LATEST) == []
    assert "CREATE TABLE app.outbox (" in ddl("postgresql", "app.outbox")
    assert "CREATE INDEX outbox_waiting ON app.outbox" in ddl("postgresql", "app.outbox")
    with pytest.raises(ValueError, match="without a schema"):
        ddl("sqlite", "app.outbox")
