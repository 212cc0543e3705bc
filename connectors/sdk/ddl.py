"""The outbox's tables as SQL, in versions, so that a migration tool can carry them.

`event` is the JSON that is sent; it is emptied once the hub has it, for it may hold personal data.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

DEFAULT_TABLE = "throughline_outbox"
DIALECTS = ("postgresql", "sqlite")
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,29}(\.[a-z_][a-z0-9_]{0,29})?")

# Version 1 first; a later version is appended and never changes an earlier one.
_POSTGRESQL: Sequence[Sequence[str]] = (
    (
        """CREATE TABLE {table} (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event text,
    put_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    sent_at timestamptz,
    outcome text,
    position text,
    set_aside_at timestamptz,
    problem text
)""",
        "CREATE INDEX {name}_waiting ON {table} (id)"
        " WHERE sent_at IS NULL AND set_aside_at IS NULL",
        "CREATE INDEX {name}_sent ON {table} (sent_at) WHERE sent_at IS NOT NULL",
        "CREATE INDEX {name}_aside ON {table} (id) WHERE set_aside_at IS NOT NULL",
        """CREATE FUNCTION {table}_notify() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('{channel}', '');
    RETURN NULL;
END $$""",
        "CREATE TRIGGER {name}_notify AFTER INSERT ON {table}"
        " FOR EACH STATEMENT EXECUTE FUNCTION {table}_notify()",
    ),
)
_SQLITE: Sequence[Sequence[str]] = (
    (
        """CREATE TABLE {table} (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    event TEXT,
    put_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    sent_at TEXT,
    outcome TEXT,
    position TEXT,
    set_aside_at TEXT,
    problem TEXT
)""",
        "CREATE INDEX {name}_waiting ON {table} (id)"
        " WHERE sent_at IS NULL AND set_aside_at IS NULL",
        "CREATE INDEX {name}_sent ON {table} (sent_at) WHERE sent_at IS NOT NULL",
        "CREATE INDEX {name}_aside ON {table} (id) WHERE set_aside_at IS NOT NULL",
    ),
)
_VERSIONS = {"postgresql": _POSTGRESQL, "sqlite": _SQLITE}
LATEST = len(_POSTGRESQL)


def checked_table(table: str) -> str:
    """The table's name, safe to write into SQL. Raises ValueError."""
    if not _NAME.fullmatch(table):
        raise ValueError(
            f"{table!r} is not a table's name: use up to 30 of a-z, 0-9, _, and a schema before it"
        )
    return table


def channel_of(table: str) -> str:
    """The PostgreSQL channel that tells of new rows."""
    return table.replace(".", "_")


def statements(dialect: str, table: str = DEFAULT_TABLE, *, since: int = 0) -> list[str]:
    """What brings the tables from version `since` (0: there are none) to the latest.

    Raises ValueError for a table's name with a schema in SQLite, which has none.
    """
    checked_table(table)
    if dialect == "sqlite" and "." in table:
        raise ValueError(f"{table!r}: in SQLite a table is named without a schema")
    names = {"table": table, "name": table.rpartition(".")[2], "channel": channel_of(table)}
    made = [
        statement.format(**names) for version in _VERSIONS[dialect][since:] for statement in version
    ]
    if since == 0:
        made += [
            f"CREATE TABLE {table}_schema (version integer NOT NULL)",
            f"INSERT INTO {table}_schema (version) VALUES ({LATEST})",  # noqa: S608
        ]
    elif since < LATEST:
        made.append(f"UPDATE {table}_schema SET version = {LATEST}")  # noqa: S608
    return made


def ddl(dialect: str, table: str = DEFAULT_TABLE, *, since: int = 0) -> str:
    """The same as one text, for Django's RunSQL, Alembic or psql."""
    return "".join(f"{statement};\n" for statement in statements(dialect, table, since=since))
