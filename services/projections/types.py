"""One table of types: what an Avro kind becomes in polars and in PostgreSQL."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from schemas.catalog import event_types
from schemas.fields import FieldRef


@dataclass(frozen=True, slots=True)
class ColumnType:
    """How one column is held in a frame and in a table."""

    sql: str
    polars: pl.DataType

    @property
    def is_ordered(self) -> bool:
        """Whether `Greatest` and `Least` mean something: numbers and instants."""
        return self.polars.is_numeric() or self.polars.is_temporal()

    @property
    def adds_up(self) -> bool:
        """Whether sums are the same in any order. Floating point sums are not."""
        return self.polars.is_integer() or self.polars.is_decimal()


UUID = ColumnType("uuid", pl.Binary())
TEXT = ColumnType("text", pl.String())
INSTANT = ColumnType("timestamptz", pl.Datetime("us", "UTC"))
BIGINT = ColumnType("bigint", pl.Int64())
BOOLEAN = ColumnType("boolean", pl.Boolean())
BYTES = ColumnType("bytea", pl.Binary())
TEXTS = ColumnType("text[]", pl.List(pl.String()))
# Wide enough for every money field; all of them have two decimals.
NUMERIC = ColumnType("numeric", pl.Decimal(38, 2))

_BY_KIND = {
    "fixed": UUID,
    "uuid": UUID,
    "string": TEXT,
    "enum": TEXT,
    "int": ColumnType("integer", pl.Int32()),
    "long": BIGINT,
    "float": ColumnType("real", pl.Float32()),
    "double": ColumnType("double precision", pl.Float64()),
    "boolean": BOOLEAN,
    "timestamp-micros": INSTANT,
    "date": ColumnType("date", pl.Date()),
    "bytes": BYTES,
    "decimal": NUMERIC,
    "array": TEXTS,
}


def type_of(field: FieldRef) -> ColumnType:
    """The column type of an event field. Raises TypeError for a kind that no table can hold."""
    found = _BY_KIND.get(field.kind)
    if found is None:
        raise TypeError(f"{field} is {field.kind!r}, which no column can hold")
    avro_type = event_types()[field.event].fields[field.name].avro_type
    if found is NUMERIC and avro_type["scale"] != 2:
        raise TypeError(f"{field} has {avro_type['scale']} decimals, columns of money have 2")
    if found is TEXTS and avro_type["items"] != "string":
        raise TypeError(f"{field} is an array of {avro_type['items']!r}, only strings are held")
    return found
