"""Checks the bytes of an Avro datum against its schema, before a library reads them.

fastavro takes an enum or union index of -1 as "the last one" and an `int` of any width, so bytes
that mean nothing would read as something. polars cuts such numbers to 32 bits.
Source: Avro 1.12, Binary Encoding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

from schemas.catalog import EventType, FieldType
from services.common.errors import DoesNotDecode

_INT = 2**31
_LONGEST_VARINT = 10  # bytes of a 64-bit number
_WIDTHS = {"double": 8, "float": 4}
# The columns hold 128 bits; the time to turn a longer one into digits grows with its square.
_LONGEST_DECIMAL = 16  # bytes

# Takes the bytes and where the value begins, answers where it ends. Raises ValueError, IndexError.
_Step = Callable[[bytes, int], int]


def check_datum(writer: EventType, value: bytes, start: int) -> None:
    """Raise DoesNotDecode unless the bytes from `start` on are one datum of the writer's schema."""
    if left := len(value) - end_of_datum(writer, value, start):
        raise DoesNotDecode(f"{writer.name}: {left} bytes are left over")


def end_of_datum(writer: EventType, value: bytes, start: int) -> int:
    """Where the datum that begins at `start` ends: others may follow. Raises DoesNotDecode."""
    at = start
    for name, step in _steps(writer):
        try:
            at = step(value, at)
        except IndexError:
            raise DoesNotDecode(f"{writer.name}.{name}: the record ends too early") from None
        except ValueError as error:
            raise DoesNotDecode(f"{writer.name}.{name}: {error}") from None
    if at > len(value):
        raise DoesNotDecode(f"{writer.name}: the record ends too early")
    return at


_KNOWN: dict[tuple[str, int, int], Sequence[tuple[str, _Step]]] = {}


def _steps(writer: EventType) -> Sequence[tuple[str, _Step]]:
    key = writer.name, writer.version, writer.schema_id
    found = _KNOWN.get(key)
    if found is None:
        found = _KNOWN[key] = [(name, _step(field)) for name, field in writer.fields.items()]
    return found


def _step(field: FieldType) -> _Step:
    avro_type = field.avro_type
    name = avro_type["type"] if isinstance(avro_type, dict) else avro_type
    if name == "enum":
        step = _within(len(avro_type["symbols"]), "symbols")
    elif name == "fixed":
        step = _wide(avro_type["size"])
    elif name in _WIDTHS:
        step = _wide(_WIDTHS[name])
    elif isinstance(avro_type, dict) and avro_type.get("logicalType") == "decimal":
        step = _decimal
    elif name in _STEPS:
        step = _STEPS[name]
    else:
        raise DoesNotDecode(f"{field.name}: {name} is no type of the catalogue")
    return _optional(step) if field.nullable else step


def _varint(value: bytes, at: int) -> tuple[int, int]:
    """A zigzag number and where it ends."""
    byte = value[at]
    if byte < 0x80:  # most are short
        return (byte >> 1) ^ -(byte & 1), at + 1
    number, shift, first = byte & 0x7F, 7, at
    while byte & 0x80:
        at += 1
        byte = value[at]
        number |= (byte & 0x7F) << shift
        shift += 7
    if at - first >= _LONGEST_VARINT or number >> 64:
        raise ValueError("a number is wider than 64 bits")
    return (number >> 1) ^ -(number & 1), at + 1


def _number(value: bytes, at: int) -> int:
    return _varint(value, at)[1]


def _int(value: bytes, at: int) -> int:
    number, end = _varint(value, at)
    if not -_INT <= number < _INT:
        raise ValueError(f"{number} is no 32-bit number")
    return end


def _boolean(value: bytes, at: int) -> int:
    if value[at] > 1:
        raise ValueError(f"{value[at]} is neither true nor false")
    return at + 1


def _text(value: bytes, at: int) -> int:
    """A string or bytes: the length, then as many bytes."""
    length, end = _varint(value, at)
    if length < 0:
        raise ValueError(f"{length} is no length")
    return end + length


def _decimal(value: bytes, at: int) -> int:
    length, _ = _varint(value, at)
    if length > _LONGEST_DECIMAL:
        raise ValueError(f"a decimal of {length} bytes; {_LONGEST_DECIMAL} are the most")
    return _text(value, at)


def _texts(value: bytes, at: int) -> int:
    """An array of strings: blocks of a count and items, the last one empty. A negative count is
    followed by the block's size.
    """
    count, at = _varint(value, at)
    while count:
        if count < 0:
            at = _number(value, at)
        for _ in range(abs(count)):
            at = _text(value, at)
        count, at = _varint(value, at)
    return at


@cache
def _within(count: int, what: str) -> _Step:
    def step(value: bytes, at: int) -> int:
        index, end = _varint(value, at)
        if not 0 <= index < count:
            raise ValueError(f"index {index} is none of its {count} {what}")
        return end

    return step


@cache
def _wide(width: int) -> _Step:
    return lambda _value, at: at + width


@cache
def _optional(step: _Step) -> _Step:
    """A union of null and one type."""
    branch = _within(2, "branches")

    def either(value: bytes, at: int) -> int:
        end = branch(value, at)
        return end if value[at] == 0 else step(value, end)

    return either


_STEPS: dict[str, _Step] = {
    "int": _int,
    "long": _number,
    "boolean": _boolean,
    "string": _text,
    "bytes": _text,
    "array": _texts,
}
