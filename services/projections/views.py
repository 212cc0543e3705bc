"""Views over the tables of the read model, declared beside them in plain SQL.

A view is what is true now, or a sum over rows that can be retracted one by one. Its SQL is
checked when its module is imported: the tables and columns that it names must be declared, and
each column stands with the alias of its table. PostgreSQL checks the rest when it makes the view.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Iterator, Mapping, Set
from types import ModuleType
from typing import ClassVar

from schemas.catalog import event_types
from services.projections.declaration import (
    STREAMS,
    DeclarationError,
    Projection,
    table_name,
)
from services.projections.layout import layout_of

_READS = re.compile(r"\b(FROM|JOIN)\s+([a-z_]+)\s+([a-z]+)\b")
_SUBQUERY = re.compile(r"\)\s+([a-z]+)\b")
_COLUMN = re.compile(r"\b([a-z]+)\.([a-z_]+)\b")
_EVENT_OF = re.compile(r"\bevent_of\(([a-z]+)\.([a-z_]+)\)")
_EVENTS_OF = re.compile(r"\bevents_of\(([a-z]+)\)")
_TEXT = re.compile(r"'[^']*'")
_EVENT_NAME = re.compile(r"'([A-Z][a-z]+[A-Za-z]*)'")
# What a view may look at of the logs. Payloads are for code that can open them.
_LOG = {"event_id", "occurred_at", "recorded_at", "event_type", "category", "source", "topic"}
_LOGS: Mapping[str, Set[str]] = {stream.log: _LOG | {stream.owner} for stream in STREAMS}


class View:
    """A view of the read model: `of` names the tables and views it reads.

    In `sql`, `now()` is the moment that is asked about, `event_of(x.column)` the id of the event
    that a `Latest`, `Current` or `Earliest` column has its value from, and `events_of(x)` the ids
    of the events that such columns of a row have their values from.

    Raises DeclarationError when the class is made, that is when its module is imported.
    """

    of: ClassVar[tuple[type[Projection] | type[View], ...]] = ()
    sql: ClassVar[str]

    table: ClassVar[str]
    columns: ClassVar[tuple[str, ...]]

    def __init_subclass__(cls) -> None:
        cls.table = table_name(cls.__name__)
        try:
            cls.columns = _outputs(cls.sql)
            _check(cls)
        except ValueError as error:
            raise DeclarationError(f"{cls.__name__}: {error}") from error

    @classmethod
    def query(cls, schema: str | None, at: str = "now()") -> str:
        """The SELECT over the tables of a schema, as of the instant that the SQL `at` says.

        Without a schema over whatever has the tables' names, such as what stands in WITH.
        """
        ids, known = _event_ids(cls), _tables(cls)
        prefix = f"{schema}." if schema else ""
        text = _READS.sub(
            lambda m: f"{m[1]} {prefix}{m[2]} {m[3]}" if m[2] in known else m[0], cls.sql
        )
        text = _EVENT_OF.sub(lambda m: ids[m[1], m[2]], text)
        text = _EVENTS_OF.sub(lambda m: _all_of(ids, m[1]), text)
        return text.replace("now()", at).strip()


def _tables(view: type[View]) -> Mapping[str, type[Projection] | type[View] | None]:
    """What a view may read, by name; None stands for a log."""
    return {**dict.fromkeys(_LOGS), **{one.table: one for one in view.of}}


def _columns_of(view: type[View], table: str) -> Set[str]:
    found = _tables(view)[table]
    if found is None:
        return _LOGS[table]
    if issubclass(found, View):
        return set(found.columns)
    return {*found.columns, *found.key.fields}


def _aliases(view: type[View]) -> Mapping[str, str]:
    """The table that each alias stands for. Raises ValueError for one that is not declared."""
    found: dict[str, str] = {}
    for _, table, alias in _READS.findall(view.sql):
        if table not in _tables(view):
            raise ValueError(f"reads {table}, which `of` does not name")
        if found.setdefault(alias, table) != table:
            raise ValueError(f"{alias} stands for {found[alias]} and for {table}")
    return found


def _check(view: type[View]) -> None:
    """Raises ValueError for a table, a column or an event type that there is not."""
    aliases = _aliases(view)
    if unread := {one.table for one in view.of} - set(aliases.values()):
        raise ValueError(f"`of` names {', '.join(sorted(unread))}, which it does not read")
    subqueries = set(_SUBQUERY.findall(view.sql))
    for alias, column in _COLUMN.findall(_TEXT.sub("''", view.sql)):
        if alias in aliases:
            if column not in _columns_of(view, aliases[alias]):
                raise ValueError(f"{aliases[alias]} has no column {column}")
        elif alias not in subqueries:
            raise ValueError(f"{alias}.{column}: no table is called {alias} here")
    known = _event_ids(view)
    for alias, column in _EVENT_OF.findall(view.sql):
        if (alias, column) not in known:
            raise ValueError(f"{alias}.{column} does not say which event it is from")
    for alias in _EVENTS_OF.findall(view.sql):
        if not any(alias == known_alias for known_alias, _ in known):
            raise ValueError(f"events_of({alias}): no column says which event it is from")
    for name in _EVENT_NAME.findall(view.sql):
        if name not in event_types():
            raise ValueError(f"there is no event type {name}")


def _event_ids(view: type[View]) -> Mapping[tuple[str, str], str]:
    """By alias and column, the SQL of the id of the event that the column has its value from.

    It stands at the end of the order column, behind instants and numbers of 8 bytes.
    """
    found: dict[tuple[str, str], str] = {}
    for alias, table in _aliases(view).items():
        declared = _tables(view)[table]
        if declared is None or issubclass(declared, View):
            continue
        start = 8 * (len(declared.stream.order) - 1) + 1
        for column in layout_of(declared).columns:
            if column.order:
                event_id = f"substring({alias}.{column.order} FROM {start})"
                found[alias, column.name] = f"encode({event_id}, 'hex')::uuid"
    return found


def _all_of(ids: Mapping[tuple[str, str], str], alias: str) -> str:
    found = sorted({event_id for (its_alias, _), event_id in ids.items() if its_alias == alias})
    return f"ARRAY[{', '.join(found)}]"


def _outputs(sql: str) -> tuple[str, ...]:
    """The names of the columns that a SELECT gives. Raises ValueError when one has no name."""
    names = []
    for item in _select_list(sql):
        found = re.search(r"(?:^[a-z]+\.|\bAS )([a-z_]+)$", item)
        if found is None:
            raise ValueError(f"{item!r} has no name, say AS")
        names.append(found[1])
    if len(set(names)) < len(names):
        raise ValueError("two columns have the same name")
    return tuple(names)


def _select_list(sql: str) -> Iterator[str]:
    """What stands between SELECT and its FROM, by commas that are in no parentheses."""
    select, *words = re.findall(r"[A-Za-z_]+|\s+|.", sql.strip(), re.DOTALL)
    if select != "SELECT":
        raise ValueError("its SQL does not begin with SELECT")
    depth, item = 0, ""
    for word in words:
        depth += (word == "(") - (word == ")")
        if depth or word not in (",", "FROM"):
            item += word
            continue
        yield " ".join(item.split())
        if word == "FROM":
            return
        item = ""
    raise ValueError("its SQL has no FROM")


def views_in(module: ModuleType) -> tuple[type[View], ...]:
    """The views of a module, in the order they are written down, which is the order to make them.

    Raises DeclarationError when one says not what its rows are.
    """
    found = tuple(
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, View) and value is not View
    )
    for view in found:
        if not view.__doc__:
            raise DeclarationError(f"{view.__name__}: has no docstring, say what a row is")
    return found


def views_of(projections: Collection[type[Projection]]) -> tuple[type[View], ...]:
    """The views that are declared beside these tables and read no others."""
    modules = dict.fromkeys(projection.__module__ for projection in projections)
    views = [view for name in modules for view in views_in(sys.modules[name])]
    found: list[type[View]] = []
    for view in views:
        if all(one in projections or one in found for one in view.of):
            found.append(view)
    return tuple(found)
