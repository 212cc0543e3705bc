"""A mapping to begin with: columns are set beside event fields whose names are like theirs. What
only a person can know is left as `CHOOSE: …`, and a mapping with that in it is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Any

import yaml

from schemas.catalog import EventType, FieldType, event_types
from schemas.edge import StoryEvent
from schemas.models import MODELS
from services.common.access import Role
from services.common.authors import may_author
from services.common.errors import FieldError, Problem
from services.ingest.imports.columns import Column
from services.ingest.imports.parsing import CHOOSE

_ALIKE = 0.6  # names below this are not alike
_MOST_VALUES = 40  # of a column that stands for an enum
_DATES = ("date", "instant")
_BOOLEANS = {"yes": "true", "y": "true", "t": "true", "true": "true", "1": "true",
             "no": "false", "n": "false", "f": "false", "false": "false", "0": "false"}  # fmt: skip
# Words that people use for ours.
_SAME = {
    "person": "student learner participant employee worker trainee client apprentice record",
    "course": "class module programme program training subject",
    "enrolment": "enrollment registration admission",
    "score": "mark marks grade points percent percentage",
    "result": "outcome status",
    "at": "date day on when time datetime timestamp",
    "wage": "pay salary rate",
    "employment": "job position hire",
    "organization": "organisation company",
    "id": "number no nr num code key identifier ref",
}
_WORD = {word: ours for ours, words in _SAME.items() for word in words.split()}


@dataclass(frozen=True, slots=True)
class Proposal:
    """`open`: the fields that must still be chosen, with why."""

    type: str
    mapping: str  # YAML
    open: list[str] = field(default_factory=list)
    considered: list[str] = field(default_factory=list)  # other types, best first

    def as_dict(self) -> dict[str, Any]:
        return {
            "type": self.type,
            "considered": self.considered,
            "open": self.open,
            "mapping": self.mapping,
        }


def propose(columns: Sequence[Column], role: Role, wanted: str | None, quote: str) -> Proposal:
    """For the type that is wanted, or the one whose fields fit best. Raises Problem 422."""
    usable = [column for column in columns if column.name and not set("{}") & set(column.name)]
    allowed = [name for name in MODELS if may_author(role, name)]
    if wanted is not None and wanted not in allowed:
        fix = f"Your key may send {', '.join(sorted(allowed))}."
        error = FieldError("type", f"{wanted[:60]!r} is not a type you may send", fix)
        raise Problem(422, "invalid-type", "No mapping can be proposed.", errors=[error])
    made = {name: _Draft(event_types()[name], usable) for name in ([wanted] if wanted else allowed)}
    ranked = sorted(made, key=lambda name: -made[name].fitness)
    best = ranked[0]
    return made[best].proposal(ranked[1:4], quote)


class _Draft:
    """One type's fields, each with the column that is most like it."""

    def __init__(self, event_type: EventType, columns: Sequence[Column]) -> None:
        self._type = event_type
        self._about_person = issubclass(MODELS[event_type.name], StoryEvent)
        self._columns = columns
        self._found: dict[str, Column] = {}
        self._scores: list[float] = []
        wanted = [f.name for f in event_type.own_fields if not _own_id(f)]
        wanted += ["occurred_at"] + (["source_record_id"] if self._about_person else [])
        self._match(wanted)

    def _match(self, wanted: Sequence[str]) -> None:
        """The most alike pairs first; a column is used once."""
        kinds = {f.name: f.kind for f in self._type.own_fields}
        kinds |= {"occurred_at": "timestamp-micros", "source_record_id": "string"}
        pairs = sorted(
            (
                (alike(name, column.name), name, column)
                for name in wanted
                for column in self._columns
                if _may_hold(kinds[name], column)
            ),
            key=lambda pair: -pair[0],
        )
        for score, name, column in pairs:
            if score >= _ALIKE and name not in self._found and column not in self._found.values():
                self._found[name] = column
                self._scores.append(score)
        dates = [c for c in self._columns if c.guess[0] in _DATES and c not in self._found.values()]
        if "occurred_at" not in self._found and dates:
            self._found["occurred_at"] = dates[0]

    @property
    def fitness(self) -> float:
        """Columns that fit count for it, required fields without one against it."""
        needed = [f for f in self._type.own_fields if not f.nullable and not _own_id(f)]
        missing = sum(f.name not in self._found for f in needed)
        return sum(self._scores) - 0.7 * missing

    def proposal(self, considered: list[str], quote: str) -> Proposal:
        fields: dict[str, Any] = {}
        if self._about_person:
            fields["source_record_id"] = self._reference("source_record_id", "your number for them")
        fields["source_event_id"] = self._event_number()
        fields["occurred_at"] = self._when("occurred_at")
        for own in self._type.own_fields:
            spec = self._spec(own)
            if spec is not None:
                fields[own.name] = spec
        whole: dict[str, Any] = {"name": f"my-{_dashed(self._type.name)}"}
        words = {word for column in self._found.values() for word in column.empty_words}
        whole["empty"] = sorted(words | {""})
        if quote != '"':
            whole["quote"] = quote
        whole["events"] = [{"type": self._type.name, "fields": fields}]
        text = yaml.safe_dump(whole, sort_keys=False, allow_unicode=True, width=100)
        return Proposal(self._type.name, text, _still_open(fields), considered)

    def _reference(self, name: str, what: str) -> str:
        column = self._found.get(name)
        return f"{{{column.name}}}" if column else f"{CHOOSE}: a column in braces, for {what}"

    def _event_number(self) -> str:
        """A column that numbers the rows, or else what the row says."""
        for column in self._columns:
            numbers = len(column.values) == column.cells and column.guess[0] in ("integer", "code")
            if numbers and column not in self._found.values() and "id" in _words(column.name):
                return f"{_dashed(self._type.name)}/{{{column.name}}}"
        return f"{_dashed(self._type.name)}/{{@row}}"

    def _when(self, name: str) -> Any:
        column = self._found.get(name)
        if column is None:
            return f"{CHOOSE}: a column with the day"
        return _date_spec(column)

    def _spec(self, own: FieldType) -> Any:
        """None leaves an optional field out."""
        column = self._found.get(own.name)
        if _own_id(own):
            return "{@caller}"
        if column is None:
            if (
                own.name == "enrolment_id"
                and {"course_id", "source_record_id"} <= self._found.keys()
            ):
                course, person = self._found["course_id"], self._found["source_record_id"]
                return f"{{{course.name}}}-{{{person.name}}}"
            return None if own.nullable else f"{CHOOSE}: {own.doc}"
        return _spec_of(own, column)


def _spec_of(own: FieldType, column: Column) -> Any:
    source = f"{{{column.name}}}"
    match own.kind:
        case "enum":
            return {"from": source, "map": _enum_map(own.avro_type["symbols"], column)}
        case "timestamp-micros" | "date":
            return _date_spec(column)
        case "boolean":
            said = {v: _BOOLEANS.get(v.lower(), f"{CHOOSE}: true or false") for v in column.values}
            return {"from": source, "map": said}
        case "double" | "float" | "decimal" | "int" | "long":
            return _number_spec(own, column)
    return source


def _number_spec(own: FieldType, column: Column) -> dict[str, Any]:
    whole = own.kind in ("int", "long")
    spec = {"from": f"{{{column.name}}}", "as": "integer" if whole else "number"}
    if own.kind == "decimal":
        spec["as"] = "money"
    if column.ambiguous:
        spec["decimal"] = f"{CHOOSE}: {column.ambiguous}"
    elif column.guess[0] == "decimal_comma":
        spec["decimal"] = ","
    if own.name == "score" and any(re.fullmatch(r"\d{2,3}", value) for value in column.values):
        spec["divide_by"] = "100"
    return spec


def _date_spec(column: Column) -> Any:
    """The order of day and month is proposed only where the file itself settles it."""
    source = f"{{{column.name}}}"
    forms = sorted(column.date_forms)
    if not forms or forms == ["%Y-%m-%d"]:
        return {"from": source, "as": "iso"}
    if column.ambiguous:
        return {"from": source, "as": "date", "formats": [f"{CHOOSE}: {' or '.join(forms)}"]}
    return {"from": source, "as": "date", "formats": forms}


def _enum_map(symbols: Sequence[str], column: Column) -> dict[str, str]:
    made = {}
    for value, _count in column.values.most_common(_MOST_VALUES):
        best = max(symbols, key=lambda symbol: _ratio(value.upper(), symbol))
        alike_enough = _ratio(value.upper(), best) >= _ALIKE
        made[value] = best if alike_enough else f"{CHOOSE}: one of {', '.join(symbols)}"
    return made


def alike(ours: str, theirs: str) -> float:
    """From 0 to 1: how much two names mean the same, by their words and by their letters."""
    one, other = _words(ours), _words(theirs)
    if ours == "occurred_at":
        return 0.9 if "at" in other else 0.0
    if ours == "source_record_id":
        one = {"person", "id"}
        return 1.0 if other == one else 0.9 if "person" in other else 0.65 if other == {"id"} else 0
    shared = len(one & other) / max(len(one | other), 1)
    known = one - {"id", "at"}
    if known and known == other - {"id", "at"}:
        return max(shared, 0.8)
    if known and known < other:
        return max(shared, 0.7)
    return max(shared, _ratio("_".join(sorted(one)), "_".join(sorted(other))) - 0.1)


def _words(name: str) -> set[str]:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return {_WORD.get(word, word) for word in re.findall(r"[a-z]+|\d+", spaced.lower())}


def _ratio(one: str, other: str) -> float:
    return SequenceMatcher(None, one, other).ratio()


def _own_id(own: FieldType) -> bool:
    """The organisation that sends."""
    return own.name in ("provider_id", "employer_id", "organization_id") and not own.nullable


def _may_hold(kind: str, column: Column) -> bool:
    """Whether such a field may be made of what the column holds."""
    found = column.guess[0]
    if kind in ("timestamp-micros", "date"):
        return found in _DATES
    if kind in ("double", "float", "decimal", "int", "long"):
        return found.startswith("decimal") or found == "integer" or found == "boolean"
    if kind in ("enum", "boolean"):
        return 0 < len(column.values) <= _MOST_VALUES
    return found not in (*_DATES, "empty")


def _dashed(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()


def _still_open(fields: Mapping[str, Any]) -> list[str]:
    return [name for name, spec in fields.items() if CHOOSE in str(spec)]
