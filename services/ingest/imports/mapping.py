"""The mapping language: how the columns of a CSV file become events. `docs/imports.md` explains it.

Everything in a mapping is text; the event's own model gives each value its type at the end.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from schemas.edge import StoryEvent
from schemas.models import MODELS
from services.ingest.explain import echo
from services.ingest.imports.values import TRANSFORMS, check_zone, is_date_form, swapped

CALLER = "@caller"  # the organisation whose key posts
ROW = "@row"  # a hash of what the row says, for rows without a number of their own
_REFERENCE = re.compile(r"\{([^{}]+)\}")
# Encodings of names and of program text, in which no file is written.
_NO_FILES = frozenset({"idna", "punycode", "unicode_escape", "raw_unicode_escape", "utf-7"})
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,60}$")]


@lru_cache(2_000)
def references(template: str) -> tuple[str, ...]:
    """The names between braces: `"{a}-{b}"` refers to a and b."""
    return tuple(_REFERENCE.findall(template))


@lru_cache(2_000)
def parts(template: str) -> tuple[tuple[bool, str], ...]:
    """The template's pieces in order: (is a reference, text)."""
    pieces = enumerate(_REFERENCE.split(template))
    return tuple((index % 2 == 1, piece) for index, piece in pieces if piece)


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Spec(Part):
    """How one value is made: a template, then a value map, then a transform."""

    from_: str = Field(alias="from")
    map: dict[str, str] | None = None
    otherwise: str | None = None  # for what the map does not name
    as_: str | None = Field(default=None, alias="as")
    formats: tuple[str, ...] = ()  # of dates, as strptime has them
    start: str | None = None  # template of the day that `days_after` counts from
    divide_by: float | None = Field(default=None, gt=0)
    decimal: Literal[".", ","] = "."  # of numbers: 1.5 or 1,5
    default: str | None = None  # template of what stands for an empty value

    @field_validator("as_")
    @classmethod
    def _known_transform(cls, name: str | None) -> str | None:
        if name is not None and name not in TRANSFORMS:
            raise ValueError(f"is not one of {', '.join(sorted(TRANSFORMS))}")
        return name

    @field_validator("formats")
    @classmethod
    def _one_reading(cls, forms: tuple[str, ...]) -> tuple[str, ...]:
        """Day first or month first is never left to whichever happens to fit."""
        for form in forms:
            if not is_date_form(form):
                fix = "Write one such as %d/%m/%Y, with each part once"
                raise ValueError(f"{echo(form)} is not the form of a date. {fix}")
            if "%m" in form and swapped(form) in forms:
                both = f"{echo(form)} and {echo(swapped(form))}"
                raise ValueError(f"{both} both fit 03/04/2024: give one")
        return forms

    @model_validator(mode="after")
    def _fits_together(self) -> Spec:
        if (self.as_ == "days_after") != (self.start is not None):
            raise ValueError("'as: days_after' and 'start' need each other")
        if (self.as_ == "date") != bool(self.formats):
            raise ValueError("'as: date' and 'formats' need each other")
        return self

    @cached_property
    def references(self) -> tuple[str, ...]:
        return references(self.from_ + (self.start or "") + (self.default or ""))


class Lookup(Part):
    """A small table, keyed: its rows stand in the mapping, or come as a second CSV file."""

    by: str  # template over the imported row: which entry is meant
    rows: dict[str, dict[str, str]] | None = None
    key: str | None = None  # template over the second file's columns

    @model_validator(mode="after")
    def _rows_or_file(self) -> Lookup:
        if (self.rows is None) == (self.key is None):
            raise ValueError("give 'rows', or 'key' for a table that comes as a file")
        return self


class Condition(Part):
    """When an event applies. The column (or value) is empty, filled, in or not in a list."""

    column: str
    in_: tuple[str, ...] | None = Field(default=None, alias="in")
    not_in: tuple[str, ...] | None = None
    empty: bool | None = None

    @model_validator(mode="after")
    def _one_test(self) -> Condition:
        if sum(test is not None for test in (self.in_, self.not_in, self.empty)) != 1:
            raise ValueError("give exactly one of 'in', 'not_in', 'empty'")
        return self

    def holds(self, value: str | None) -> bool:
        if self.empty is not None:
            return (value is None) == self.empty
        if self.in_ is not None:
            return value in self.in_
        return value not in (self.not_in or ())


FieldSpec = Spec | list[Spec]


class EventMapping(Part):
    """One event that a row may give."""

    type: str
    when: tuple[Condition, ...] = ()
    once: bool = False  # many rows give the same event: the first one counts
    fields: dict[str, FieldSpec]

    @field_validator("type")
    @classmethod
    def _known_type(cls, name: str) -> str:
        if name not in MODELS:
            raise ValueError(f"is not an event type; there are {', '.join(sorted(MODELS))}")
        return name

    @field_validator("fields", mode="before")
    @classmethod
    def _short_forms(cls, fields: object) -> object:
        if not isinstance(fields, dict):
            return fields
        return {name: _long_form(spec) for name, spec in fields.items()}

    @model_validator(mode="after")
    def _fields_of_the_type(self) -> EventMapping:
        model = MODELS[self.type]
        allowed = model.model_fields.keys() - {"type", "event_id", "worker_id"}
        if unknown := sorted(self.fields.keys() - allowed):
            raise ValueError(f"{self.type} has no field {', '.join(unknown)}")
        needed = {n for n, f in model.model_fields.items() if f.is_required()} - {"type"}
        needed |= {"source_event_id"}
        if issubclass(model, StoryEvent):
            needed |= {"source_record_id"}
        if missing := sorted(needed - self.fields.keys()):
            raise ValueError(f"{self.type} needs {', '.join(missing)}")
        return self


def _long_form(spec: object) -> object:
    if isinstance(spec, str):
        return {"from": spec}
    return [_long_form(item) for item in spec] if isinstance(spec, list) else spec


class ImportMapping(Part):
    """A whole mapping."""

    name: Name = "mapping"
    language: Literal["1"] = "1"  # of this mapping language
    about: str = ""
    empty: tuple[str, ...] = ("",)  # what stands for "not known" in the file
    encoding: str | None = None  # of the file, where it can't be told
    delimiter: Literal[",", ";", "\t", "|"] | None = None  # the same
    quote: Literal['"', "'"] = '"'
    timezone: str = "UTC"  # of dates that name none
    lookups: dict[Name, Lookup] = {}
    values: dict[Name, Spec] = {}  # made once a row, for use in events
    events: Annotated[tuple[EventMapping, ...], Field(min_length=1, max_length=10)]

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        return check_zone(name)

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, name: str | None) -> str | None:
        try:
            if name is not None and codecs.lookup(name).name not in _NO_FILES:
                "".encode(name)
                return name
        except (LookupError, UnicodeError):
            pass
        if name is not None:
            raise ValueError(f"{name!r} is not the encoding of a text file, such as cp1252")
        return None

    @field_validator("values", mode="before")
    @classmethod
    def _short_forms(cls, values: object) -> object:
        if not isinstance(values, dict):
            return values
        return {name: _long_form(spec) for name, spec in values.items()}

    @model_validator(mode="after")
    def _no_circles(self) -> ImportMapping:
        """Values and lookups may use only what stands before them, lookups first."""
        known: list[str] = []
        for name, lookup in self.lookups.items():
            self._refuse_later(f"lookups.{name}", references(lookup.by), known)
            known.append(name)
        for name, spec in self.values.items():
            self._refuse_later(f"values.{name}", spec.references, known)
            known.append(name)
        return self

    @model_validator(mode="after")
    def _whole_tables(self) -> ImportMapping:
        for name, lookup in self.lookups.items():
            for key, row in (lookup.rows or {}).items():
                if missing := sorted(self.lookup_columns(name) - row.keys()):
                    raise ValueError(f"lookups.{name}.rows.{key} has no {', '.join(missing)}")
        return self

    def _refuse_later(self, where: str, used: Sequence[str], known: Sequence[str]) -> None:
        for reference in used:
            name = reference.partition(".")[0] if self.lookup_of(reference) else reference
            if name in {*self.lookups, *self.values} and name not in known:
                raise ValueError(f"{where} uses {{{reference}}}, which comes later")

    def lookup_of(self, reference: str) -> str | None:
        """The lookup that `assessments.weight` refers to, or None."""
        name, dot, _column = reference.partition(".")
        return name if dot and name in self.lookups else None

    @cached_property
    def _used(self) -> frozenset[str]:
        """Every reference the mapping makes to an imported row."""
        used: set[str] = set()
        for lookup in self.lookups.values():
            used.update(references(lookup.by))
        for spec in self.values.values():
            used.update(spec.references)
        for event in self.events:
            used.update(condition.column for condition in event.when)
            for field in event.fields.values():
                for spec in field if isinstance(field, list) else [field]:
                    used.update(spec.references)
        return frozenset(used)

    @cached_property
    def columns(self) -> frozenset[str]:
        """The columns that the imported file must have."""
        own = {CALLER, ROW, *self.values}
        return frozenset(n for n in self._used if n not in own and self.lookup_of(n) is None)

    def lookup_columns(self, name: str) -> frozenset[str]:
        """The columns that a lookup's table must have."""
        wanted = {n.partition(".")[2] for n in self._used if self.lookup_of(n) == name}
        return frozenset(wanted | set(references(self.lookups[name].key or "")))

    @property
    def files(self) -> Mapping[str, str]:
        """The lookups that come as files, with the template of their key."""
        return {n: lookup.key for n, lookup in self.lookups.items() if lookup.key is not None}
