"""The words a read model is declared with: `Projection` and `Key`, and the merges of its columns.

A mistake is told when the module of the declaration is imported, with the projection, the column
and the field it is about.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import ClassVar

from schemas.catalog import event_types
from schemas.fields import FieldRef
from services.projections.merges import (
    Count,
    Current,
    Earliest,
    Exists,
    Greatest,
    Latest,
    Least,
    Merge,
    Sum,
    Union,
    Where,
    field_of,
)
from services.projections.types import ColumnType, type_of

__all__ = [
    "DIRECTORY",
    "STORIES",
    "STREAMS",
    "Count",
    "Current",
    "DeclarationError",
    "Earliest",
    "Exists",
    "Greatest",
    "Key",
    "Latest",
    "Least",
    "Merge",
    "Projection",
    "Stream",
    "Sum",
    "Union",
    "Where",
    "declared_in",
    "table_name",
]

# A name is at most 63 bytes long in PostgreSQL, and `_order` may be added to a column's.
_NAME = re.compile(r"[a-z][a-z0-9_]{0,55}")


class DeclarationError(TypeError):
    """A table or view that cannot be built. Names it, its column and the field."""


@dataclass(frozen=True, slots=True)
class Stream:
    """Topics whose events share an envelope, an owner and a log table.

    `owner` is the envelope field that is the record's key on the topic, `order` the fields that
    decide which of two events is the later one.
    """

    log: str
    topics: tuple[str, ...]
    owner: str
    owner_type: str
    order: tuple[str, ...]


STORIES = Stream(
    log="story",
    topics=("stories", "deliveries"),
    owner="worker_id",
    owner_type="uuid",
    order=("occurred_at", "recorded_at", "event_id"),
)
DIRECTORY = Stream(
    log="directory_event",
    topics=("directory",),
    owner="organization_id",
    owner_type="text",
    order=("version", "occurred_at", "recorded_at", "event_id"),
)
STREAMS = (STORIES, DIRECTORY)


class Key:
    """The columns that name a row: event fields, by their own name or `column="field"`.

    An event whose key field is null has no row.
    """

    def __init__(self, *fields: str, **renamed: str) -> None:
        self.fields: Mapping[str, str] = {name: name for name in fields} | renamed


class Projection:
    """A table of the read model. Subclass it, name a key, and give each column its merge.

    Raises DeclarationError when the class is made, that is when its module is imported.
    """

    key: ClassVar[Key]
    #: Further indexes, each a tuple of columns.
    indexes: ClassVar[tuple[tuple[str, ...], ...]] = ()

    table: ClassVar[str]
    columns: ClassVar[Mapping[str, Merge]]
    stream: ClassVar[Stream]
    events: ClassVar[tuple[str, ...]]

    def __init_subclass__(cls) -> None:
        cls.columns = dict(_columns_of(cls))
        cls.table = table_name(cls.__name__)
        refs = [field for merge in cls.columns.values() for field in merge.fields]
        cls.events = tuple(sorted({field.event for field in refs}))
        cls.stream = _stream_of(cls.__name__, cls.events)
        _check_key(cls)
        _check_indexes(cls)

    @classmethod
    def key_field(cls, column: str, event: str) -> FieldRef:
        """The field of an event type that holds a key column."""
        found = event_types()[event].fields[cls.key.fields[column]]
        return FieldRef(event, found.name, found.kind, found.nullable, found.sealed)

    @classmethod
    def key_type(cls, column: str) -> ColumnType:
        return type_of(cls.key_field(column, cls.events[0]))


def table_name(class_name: str) -> str:
    """`PromiseCriterion` is the table `promise_criterion`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", class_name).lower()


def _columns_of(cls: type[Projection]) -> Iterator[tuple[str, Merge]]:
    """The merges of a class by name, each checked against the schemas."""
    found = {
        name: value
        for name, value in vars(cls).items()
        if not name.startswith("__") and name not in ("key", "indexes")
    }
    if not found:
        raise DeclarationError(f"{cls.__name__}: has no column")
    for name, value in found.items():
        where = f"{cls.__name__}.{name}"
        if not isinstance(value, Merge):
            raise DeclarationError(f"{where}: {value} has no merge, such as Latest({value})")
        _check_name(where, name)
        try:
            value.check()
        except TypeError as error:
            raise DeclarationError(f"{where}: {error}") from error
        yield name, value


def _check_name(where: str, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise DeclarationError(f"{where}: is no name of a column: a-z, 0-9, _, at most 56 letters")
    if name.endswith("_order"):
        raise DeclarationError(f"{where}: names that end in _order belong to the engine")


def _check_key(cls: type[Projection]) -> None:
    name = cls.__name__
    if not isinstance(getattr(cls, "key", None), Key):
        raise DeclarationError(f"{name}.key: is missing, such as Key({cls.stream.owner!r})")
    if next(iter(cls.key.fields), None) != cls.stream.owner:
        raise DeclarationError(f"{name}.key: must begin with {cls.stream.owner}")
    for column, field in cls.key.fields.items():
        where = f"{name}.{column}"
        _check_name(where, column)
        if column in cls.columns:
            raise DeclarationError(f"{where}: is a key, and has a merge too")
        kinds = {_key_kind(where, event, field): event for event in cls.events}
        if len(kinds) > 1:
            found = ", ".join(f"{event}.{field} is {kind}" for kind, event in kinds.items())
            raise DeclarationError(f"{where}: fields of different types: {found}")


def _key_kind(where: str, event: str, field: str) -> str:
    """The type of a key field. Raises DeclarationError when it cannot name a row."""
    found = event_types()[event].fields.get(field)
    if found is None:
        raise DeclarationError(f"{where}: {event} has no field {field}")
    if found.sealed:
        raise DeclarationError(f"{where}: {event}.{field} is sealed and names no row")
    kind = type_of(FieldRef(event, found.name, found.kind, found.nullable, found.sealed)).sql
    if kind not in ("uuid", "text", "integer", "bigint", "date", "timestamptz"):
        raise DeclarationError(f"{where}: {event}.{field} is {kind}, which names no row")
    return kind


def _check_indexes(cls: type[Projection]) -> None:
    for column in (column for index in cls.indexes for column in index):
        if column not in cls.columns and column not in cls.key.fields:
            raise DeclarationError(f"{cls.__name__}.indexes: there is no column {column}")
        fields = cls.columns[column].fields if column in cls.columns else ()
        if sealed := next((f for f in fields if field_of(f).sealed), None):
            raise DeclarationError(f"{cls.__name__}.indexes: {sealed} is sealed, none finds it")


def _stream_of(projection: str, events: tuple[str, ...]) -> Stream:
    topics = {event: event_types()[event].topic for event in events}
    for stream in STREAMS:
        if set(topics.values()) <= set(stream.topics):
            return stream
    raise DeclarationError(f"{projection}: its events share no stream: {topics}")


def declared_in(module: ModuleType) -> tuple[type[Projection], ...]:
    """The projections of a module, in the order they are written down.

    Raises DeclarationError when one says not what its rows are.
    """
    found = tuple(
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Projection) and value is not Projection
    )
    for projection in found:
        if not projection.__doc__:
            raise DeclarationError(f"{projection.__name__}: has no docstring, say what a row is")
    return found
