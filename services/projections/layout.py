"""From a declared projection to the columns of its table.

`Latest` and `Earliest` need to know, beside the value, which event it came from. That is one
`bytea`, the order of that event: the stream's order fields as big-endian bytes, so that comparing
bytes compares instants, then event ids. Columns that always take their value from the same event
share one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from schemas.fields import FieldRef
from services.projections.declaration import STORIES, Current, Merge, Projection
from services.projections.types import BYTES, ColumnType


@dataclass(frozen=True, slots=True)
class Column:
    """One column as it is folded, stored and merged."""

    name: str
    type: ColumnType
    merge: Merge
    rule: str  # as Merge.rule; latest and earliest of `occurred_at` are greatest and least
    order: str | None = None  # the column that holds the order of the event it came from

    @property
    def default(self) -> str | None:
        return self.merge.default


@dataclass(frozen=True, eq=False)
class Layout:
    """The table of a projection. Equal only to itself, so that plans can be kept by it."""

    projection: type[Projection]
    keys: dict[str, ColumnType]
    columns: tuple[Column, ...]

    @property
    def table(self) -> str:
        return self.projection.table

    @cached_property
    def orders(self) -> dict[str, Column]:
        """The order columns, each with a column that it speaks for."""
        return {column.order: column for column in reversed(self.columns) if column.order}

    @cached_property
    def types(self) -> dict[str, ColumnType]:
        """Every column of the table in order: keys, values, orders."""
        values = {column.name: column.type for column in self.columns}
        return self.keys | values | dict.fromkeys(sorted(self.orders), BYTES)


def layout_of(projection: type[Projection]) -> Layout:
    """Lay out the table of a projection."""
    keys = {name: projection.key_type(name) for name in projection.key.fields}
    orders: dict[object, str] = {}
    columns = []
    for name, merge in projection.columns.items():
        rule = _rule(projection, merge)
        order = None
        if rule in ("latest", "earliest"):
            order = orders.setdefault(_winner(merge, name), f"{name}_order")
        columns.append(Column(name, merge.type, merge, rule, order))
    return Layout(projection, keys, tuple(columns))


def _rule(projection: type[Projection], merge: Merge) -> str:
    """The order of a story begins with `occurred_at`, so its latest value is its greatest."""
    if projection.stream is STORIES and {f.name for f in merge.fields} == {"occurred_at"}:
        return {"latest": "greatest", "earliest": "least"}.get(merge.rule, merge.rule)
    return merge.rule


def _winner(merge: Merge, name: str) -> object:
    """Equal for columns whose value always comes from the same event."""

    def may_be_skipped(field: FieldRef) -> bool:
        return field.nullable and not isinstance(merge, Current)

    if any(may_be_skipped(field) for field in merge.fields):
        return name
    events = frozenset(field.event for field in merge.fields)
    return merge.rule, events, merge.where
