"""How values of many events become one: `Latest`, `Earliest`, `Greatest`, `Least`, `Count`, `Sum`,
`Union`, `Exists`, and `Where` to filter.

Every merge here is commutative and associative, so that any order, any batch size and any replay
give the same table. A null never replaces a value, unless the merge is `Current`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from schemas.catalog import FieldType, event_types
from schemas.fields import FieldRef
from services.projections.types import BIGINT, BOOLEAN, TEXTS, ColumnType, type_of


@dataclass(frozen=True, slots=True, init=False)
class Where:
    """Only events whose field has one of these values count: a code, or a yes or no.

    It says nothing about events of other types; a column may have one for each of them.
    """

    field: FieldRef
    values: tuple[str | bool, ...]

    def __init__(self, field: FieldRef, *values: str | bool) -> None:
        object.__setattr__(self, "field", field)
        object.__setattr__(self, "values", values)

    def check(self) -> None:
        """Raises TypeError when no event can have such a value."""
        found = field_of(self.field)
        kind = type_of(self.field).sql
        if found.sealed or kind not in ("text", "boolean"):
            raise TypeError(f"Where names {self.field}, which is neither a code nor a yes or no")
        if not self.values:
            raise TypeError(f"Where names {self.field} and no value of it")
        for value in self.values:
            if isinstance(value, bool) != (kind == "boolean") or not _may_be(found, value):
                raise TypeError(f"{self.field} is never {value!r}")


def _may_be(field: FieldType, value: str | bool) -> bool:
    if field.kind == "enum":
        return value in field.avro_type["symbols"]
    return field.pattern is None or re.fullmatch(field.pattern, str(value)) is not None


def field_of(field: object) -> FieldType:
    """What the schema says of a field. Raises TypeError when it has no such field."""
    if not isinstance(field, FieldRef):
        raise TypeError(f"{getattr(field, '__name__', field)} is not a field of an event")
    event = event_types().get(field.event)
    if event is None:
        raise TypeError(f"there is no event type {field.event}")
    if field.name not in event.fields:
        raise TypeError(f"{field.event} has no field {field.name}")
    found = event.fields[field.name]
    if (found.kind, found.nullable) != (field.kind, field.nullable):
        raise TypeError(f"{field} is another type in the schema: run `make events`")
    return found


class Merge:
    """One column: the fields that feed it, and what is kept of them."""

    #: How the merge combines: latest, earliest, greatest, least, sum, union, exists.
    rule: ClassVar[str]

    def __init__(self, *fields: FieldRef, where: Where | tuple[Where, ...] = ()) -> None:
        self.fields = fields
        self.where = where if isinstance(where, tuple) else (where,)

    def field_of(self, event: str) -> FieldRef | None:
        """The field of this event type that feeds the column."""
        return next((field for field in self.fields if field.event == event), None)

    def conditions(self, event: str) -> tuple[Where, ...]:
        """What an event of this type must fulfil to count."""
        return tuple(where for where in self.where if where.field.event == event)

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
        for field in self.fields:
            field_of(field)
        if len({field.event for field in self.fields}) < len(self.fields):
            raise TypeError("an event type feeds it twice")
        types = {type_of(field).sql: str(field) for field in self.fields}
        if len(types) > 1:
            found = ", ".join(f"{field} is {sql}" for sql, field in types.items())
            raise TypeError(f"fields of different types: {found}")
        for where in self.where:
            where.check()
            if self.field_of(where.field.event) is None:
                event = where.field.event
                raise TypeError(f"Where names {where.field}, but {event} does not feed it")


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


class _Occurrence(Merge):
    """A merge of events themselves, whatever they say."""

    def __init__(self, *events: type, where: Where | tuple[Where, ...] = ()) -> None:
        super().__init__(*map(_id_of, events), where=where)

    def check(self) -> None:
        for field in self.fields:
            if isinstance(field, FieldRef) and field.name != "event_id":
                raise TypeError(f"{field} is a field, {type(self).__name__} takes event types")
        super().check()


def _id_of(event: type) -> FieldRef:
    # What is no event type is left as it is for `check`, which knows the name of the column.
    if isinstance(event, type):
        return FieldRef(event.__name__, "event_id", "fixed", False, False)
    return event


class Count(_Occurrence):
    """How many events of these types there were."""

    rule = "sum"

    @property
    def type(self) -> ColumnType:
        return BIGINT

    @property
    def default(self) -> str | None:
        return "0"


class Exists(_Occurrence):
    """Whether there was an event of these types."""

    rule = "exists"

    @property
    def type(self) -> ColumnType:
        return BOOLEAN

    @property
    def default(self) -> str | None:
        return "false"
