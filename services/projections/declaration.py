"""The words a read model is declared with: `Key`, the merges, `Where`, and `Projection`.

A column names the event fields that feed it and how two values become one. Every merge here is
commutative and associative, so that any order, any batch size and any replay give the same table.
A null never replaces a value, unless the merge is `Current`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import ClassVar

from schemas.catalog import EventType, event_types
from schemas.fields import FieldRef
from services.projections.types import BIGINT, BOOLEAN, TEXTS, ColumnType, type_of


class DeclarationError(TypeError):
    """A projection that cannot be built. Names the projection, the column and the field."""


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


@dataclass(frozen=True, slots=True)
class Where:
    """Only events whose field has this value count: `Where(DisclosureAttempted.outcome, "FAILED")`.

    It says nothing about events of other types.
    """

    field: FieldRef
    value: str


class Key:
    """The columns that name a row: event fields, by their own name or `column="field"`.

    An event whose key field is null has no row.
    """

    def __init__(self, *fields: str, **renamed: str) -> None:
        self.fields: Mapping[str, str] = {name: name for name in fields} | renamed


class Merge:
    """One column: the fields that feed it, and what is kept of them."""

    #: How the merge combines: latest, earliest, greatest, least, sum, union, exists.
    rule: ClassVar[str]

    def __init__(self, *fields: FieldRef, where: Where | None = None) -> None:
        self.fields = fields
        self.where = where

    def field_of(self, event: str) -> FieldRef | None:
        """The field of this event type that feeds the column."""
        return next((field for field in self.fields if field.event == event), None)

    @property
    def type(self) -> ColumnType:
        return type_of(self.fields[0])

    @property
    def default(self) -> str | None:
        """The SQL value of a row that no event has fed yet."""
        return None

    def check(self) -> None:
        """Raises TypeError when the fields do not fit the merge."""
        if not self.fields:
            raise TypeError("no event feeds it")
        if len({field.event for field in self.fields}) < len(self.fields):
            raise TypeError("an event type feeds it twice")
        types = {type_of(field).sql: str(field) for field in self.fields}
        if len(types) > 1:
            found = ", ".join(f"{field} is {sql}" for sql, field in types.items())
            raise TypeError(f"fields of different types: {found}")
        if self.where is not None:
            self._check_where(self.where)

    def _check_where(self, where: Where) -> None:
        if self.field_of(where.field.event) is None:
            raise TypeError(f"Where names {where.field}, but {where.field.event} does not feed it")
        if type_of(where.field).sql != "text":
            raise TypeError(f"Where names {where.field}, which is not a code")
        avro_type = event_types()[where.field.event].fields[where.field.name].avro_type
        if where.field.kind == "enum" and where.value not in avro_type["symbols"]:
            raise TypeError(f"{where.field} is never {where.value!r}")


class Latest(Merge):
    """The value of the latest event (occurred, then recorded, then event id) that has one."""

    rule = "latest"


class Current(Latest):
    """What the latest event says, also when it says nothing: here a null replaces a value."""


class Earliest(Merge):
    """The value of the earliest event that has one."""

    rule = "earliest"


class Greatest(Merge):
    """The greatest value, whenever it came."""

    rule = "greatest"

    def check(self) -> None:
        super().check()
        if not self.type.is_ordered:
            raise TypeError(f"{self.fields[0]} is {self.type.sql}, which has no greatest or least")


class Least(Greatest):
    """The least value, whenever it came."""

    rule = "least"


class Sum(Merge):
    """All values added up. Whole numbers and decimals only: other sums depend on the order."""

    rule = "sum"

    @property
    def type(self) -> ColumnType:
        own = super().type
        return BIGINT if own.polars.is_integer() else own

    @property
    def default(self) -> str | None:
        return "0"

    def check(self) -> None:
        super().check()
        if not super().type.adds_up:
            raise TypeError(f"{self.fields[0]} is {super().type.sql}, which does not add up")


class Union(Merge):
    """Every value seen, once, sorted by their bytes. Takes codes and lists of codes."""

    rule = "union"

    @property
    def type(self) -> ColumnType:
        return TEXTS

    @property
    def default(self) -> str | None:
        return "'{}'"

    def check(self) -> None:
        super().check()
        if super().type.sql not in ("text", "text[]"):
            raise TypeError(f"{self.fields[0]} is {super().type.sql}, only codes are collected")


def _ids_of(events: tuple[type, ...]) -> tuple[FieldRef, ...]:
    return tuple(FieldRef(event.__name__, "event_id", "fixed", False, False) for event in events)


class Count(Merge):
    """How many events of these types there were."""

    rule = "sum"

    def __init__(self, *events: type, where: Where | None = None) -> None:
        super().__init__(*_ids_of(events), where=where)

    @property
    def type(self) -> ColumnType:
        return BIGINT

    @property
    def default(self) -> str | None:
        return "0"


class Exists(Merge):
    """Whether there was an event of these types."""

    rule = "exists"

    def __init__(self, *events: type, where: Where | None = None) -> None:
        super().__init__(*_ids_of(events), where=where)

    @property
    def type(self) -> ColumnType:
        return BOOLEAN

    @property
    def default(self) -> str | None:
        return "false"


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
        cls.table = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", cls.__name__).lower()
        cls.columns = {name: m for name, m in vars(cls).items() if isinstance(m, Merge)}
        for name, merge in cls.columns.items():
            try:
                merge.check()
            except TypeError as error:
                raise DeclarationError(f"{cls.__name__}.{name}: {error}") from error
        refs = [field for merge in cls.columns.values() for field in merge.fields]
        cls.events = tuple(sorted({field.event for field in refs}))
        cls.stream = _stream_of(cls.__name__, cls.events)
        cls._check_key()
        cls._check_indexes()

    @classmethod
    def key_field(cls, column: str, event: str) -> FieldRef:
        """The field of an event type that holds a key column."""
        found = event_types()[event].fields[cls.key.fields[column]]
        return FieldRef(event, found.name, found.kind, found.nullable, found.sealed)

    @classmethod
    def key_type(cls, column: str) -> ColumnType:
        return type_of(cls.key_field(column, cls.events[0]))

    @classmethod
    def _check_key(cls) -> None:
        if next(iter(cls.key.fields), None) != cls.stream.owner:
            raise DeclarationError(f"{cls.__name__}.key: must begin with {cls.stream.owner}")
        for column, field in cls.key.fields.items():
            if column in cls.columns:
                raise DeclarationError(f"{cls.__name__}.{column}: is a key, and has a merge too")
            for event in cls.events:
                _check_key_field(f"{cls.__name__}.{column}", event_types()[event], field)
            kinds = {type_of(cls.key_field(column, event)).sql for event in cls.events}
            if len(kinds) > 1 or kinds & {"bytea", "text[]", "double precision", "real"}:
                raise DeclarationError(f"{cls.__name__}.{column}: {sorted(kinds)} is no key")

    @classmethod
    def _check_indexes(cls) -> None:
        known = set(cls.key.fields) | set(cls.columns)
        for column in (column for index in cls.indexes for column in index):
            if column not in known:
                raise DeclarationError(f"{cls.__name__}.indexes: there is no column {column}")


def _check_key_field(where: str, event: EventType, field: str) -> None:
    if field not in event.fields:
        raise DeclarationError(f"{where}: {event.name} has no field {field}")
    if event.fields[field].sealed:
        raise DeclarationError(f"{where}: {event.name}.{field} is sealed and names no row")


def _stream_of(projection: str, events: tuple[str, ...]) -> Stream:
    topics = {event: event_types()[event].topic for event in events}
    for stream in STREAMS:
        if topics and set(topics.values()) <= set(stream.topics):
            return stream
    raise DeclarationError(f"{projection}: its events share no stream: {topics}")


def declared_in(module: ModuleType) -> tuple[type[Projection], ...]:
    """The projections of a module, in the order they are written down."""
    return tuple(
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Projection) and value is not Projection
    )
