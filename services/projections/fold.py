"""Fold a batch of events into rows: one per key, each column merged as it is declared.

The rows that come out are merged with the stored ones by the same rules in PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import polars as pl

from services.projections.declaration import Count, Current, Exists, Where
from services.projections.events import ORDER
from services.projections.layout import Column, Layout
from services.projections.types import BYTES, type_of

_AT = "_at"
# Of so few events most have a key to themselves, and to look costs less than to fold.
_FEW = 1_000


def fold(layout: Layout, by_type: Mapping[str, pl.DataFrame]) -> pl.DataFrame | None:
    """The batch's rows of a table, sorted by key; None when no event feeds it.

    `by_type` holds the events of each type as `Events.by_type` does, in any order.
    """
    plan = _plan_of(layout)
    feeds = [
        by_type[event].select_seq(feed) for event, feed in plan.feeds.items() if event in by_type
    ]
    if not feeds:
        return None
    rows = pl.concat(feeds) if len(feeds) > 1 else feeds[0]
    if plan.unnamed and any(rows.get_column(name).null_count() for name in plan.keys):
        rows = rows.drop_nulls(plan.keys)
    if rows.height < _FEW and _are_alone(rows, plan.keys):
        alone = rows.select_seq(plan.alone)  # to share it out among threads takes twice as long
        return alone.sort(plan.keys) if alone.height > 1 else alone
    rows = rows.sort(ORDER).with_row_index(_AT)
    folded = rows.group_by(plan.keys).agg(plan.aggregates).sort(plan.keys)
    for name in plan.unions:
        folded = folded.join(_collected(rows, plan.keys, name), on=plan.keys, how="left")
    return folded.select(*_values(layout, rows))


def _are_alone(rows: pl.DataFrame, keys: Sequence[str]) -> bool:
    """Whether no two rows share a key. In Python, for a query costs more than few rows do."""
    found = zip(*(rows.get_column(name).to_list() for name in keys), strict=True)
    return len(set(found)) == rows.height


@dataclass(frozen=True, slots=True)
class _Plan:
    """The expressions of a fold, which are the same for every batch."""

    keys: list[str]
    unnamed: bool  # some events may lack a key, and then have no row
    feeds: dict[str, list[pl.Expr]]  # by event type
    aggregates: list[pl.Expr]
    unions: list[str]
    alone: list[pl.Expr]  # the row that an event makes that shares its key with none


@cache
def _plan_of(layout: Layout) -> _Plan:
    projection = layout.projection
    return _Plan(
        keys=list(layout.keys),
        unnamed=any(
            projection.key_field(name, event).nullable
            for name in layout.keys
            for event in projection.events
        ),
        feeds={event: list(_feed(layout, event)) for event in projection.events},
        aggregates=list(_aggregates(layout)),
        unions=[column.name for column in layout.columns if column.rule == "union"],
        alone=list(_alone(layout)),
    )


def _feed(layout: Layout, event: str) -> Iterator[pl.Expr]:
    """What the events of one type bring: keys, order, a value or null for each column, and for
    each order column whether the event has a say."""
    for name, kind in layout.keys.items():
        yield pl.col(layout.projection.key.fields[name]).cast(kind.polars).alias(name)
    yield pl.col(ORDER)
    for column in layout.columns:
        yield _value(column, event).alias(column.name)
    for order, column in layout.orders.items():
        yield _says(column, event).alias(order)


def _value(column: Column, event: str) -> pl.Expr:
    field = column.merge.field_of(event)
    if field is None:
        return pl.lit(None, column.type.polars)
    if isinstance(column.merge, Count):
        value: pl.Expr = pl.lit(1, pl.Int64)
    elif isinstance(column.merge, Exists):
        value = pl.lit(True)
    elif column.rule == "union" and field.kind != "array":
        value = pl.concat_list(pl.col(field.name).cast(pl.String))
    else:
        value = pl.col(field.name).cast(column.type.polars)
    condition = _condition(column, event)
    return value if condition is None else pl.when(condition).then(value)


def _condition(column: Column, event: str) -> pl.Expr | None:
    conditions = [_holds(where) for where in column.merge.conditions(event)]
    return pl.all_horizontal(conditions) if conditions else None


def _holds(where: Where) -> pl.Expr:
    kind = type_of(where.field).polars
    return pl.col(where.field.name).cast(kind).is_in(pl.Series(where.values, dtype=kind).implode())


def _says(column: Column, event: str) -> pl.Expr:
    """Whether the event counts for the column: it feeds it, and has a value where it must."""
    field = column.merge.field_of(event)
    if field is None:
        return pl.lit(False)
    condition = _condition(column, event)
    says = pl.lit(True) if condition is None else condition
    if field.nullable and not isinstance(column.merge, Current):
        says = says & pl.col(field.name).is_not_null()
    return says


def _aggregates(layout: Layout) -> Iterator[pl.Expr]:
    """Aggregates over rows in order. `_at` counts up, so the last event is the greatest `_at`."""
    for order, column in layout.orders.items():
        told = pl.when(pl.col(order)).then(pl.col(_AT))
        yield (told.max() if column.rule == "latest" else told.min()).alias(order)
    for column in layout.columns:
        value = pl.col(column.name)
        if column.rule == "greatest":
            yield value.max()
        elif column.rule == "least":
            yield value.min()
        elif column.rule == "sum":
            yield value.sum()
        elif column.rule == "exists":
            yield value.any()


def _collected(rows: pl.DataFrame, keys: list[str], name: str) -> pl.DataFrame:
    """The codes seen for each key, once, sorted by their bytes."""
    seen = rows.select(*keys, name).drop_nulls(name).explode(name).drop_nulls(name).unique()
    return seen.sort(name).group_by(keys, maintain_order=True).agg(name)


def _values(layout: Layout, rows: pl.DataFrame) -> Iterator[pl.Expr]:
    """The columns of the table, those with an order taken from the event that won."""
    yield pl.col(list(layout.keys))
    for column in layout.columns:
        if column.order:
            taken = pl.lit(rows.get_column(column.name)).gather(pl.col(column.order))
            yield taken.alias(column.name)
        elif column.rule == "union":
            yield pl.col(column.name).fill_null(pl.lit([], column.type.polars))
        else:
            yield pl.col(column.name).cast(column.type.polars)
    orders = pl.lit(rows.get_column(ORDER))
    for order in sorted(layout.orders):
        yield orders.gather(pl.col(order)).cast(BYTES.polars).alias(order)


def _alone(layout: Layout) -> Iterator[pl.Expr]:
    """The columns of the table for events that share their key with none: what `_aggregates` and
    `_values` make of a single event."""
    yield pl.col(list(layout.keys))
    for column in layout.columns:
        value = pl.col(column.name)
        if column.order:
            yield pl.when(pl.col(column.order)).then(value).alias(column.name)
        elif column.rule == "union":
            codes = value.list.drop_nulls().list.unique().list.sort()
            yield codes.fill_null(pl.lit([], column.type.polars))
        elif column.rule == "sum":
            yield value.fill_null(0).cast(column.type.polars)
        elif column.rule == "exists":
            yield value.fill_null(False)
        else:
            yield value.cast(column.type.polars)
    for order in sorted(layout.orders):
        yield pl.when(pl.col(order)).then(pl.col(ORDER)).cast(BYTES.polars).alias(order)
