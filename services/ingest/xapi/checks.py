"""Whether a statement is one: xAPI 1.0.3 (Data, 2 to 4) and 2.0 (IEEE 9274.1.1, 4.2).

The shapes are ralph's models, each used where the statement says which one applies, so that an
error names one place. What ralph leaves out or reads too loosely is checked here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from services.common.errors import FieldError
from services.ingest.xapi.forms import DURATION_FORM, MBOX_FORM, UUID_FORM, instant
from services.ingest.xapi.shapes import Shape, Shapes, shapes

VOIDED = "http://adlnet.gov/expapi/verbs/voided"
_DEEPEST = 40
_MOST_ERRORS = 20
_IFIS = ("mbox", "mbox_sha1sum", "openid", "account")
_SUB_KEYS = frozenset(
    {"actor", "verb", "object", "result", "context", "timestamp", "attachments", "objectType"}
)
_KEYS = (_SUB_KEYS - {"objectType"}) | {"id", "stored", "authority", "version"}
_INTERACTION = frozenset(
    {"interactionType", "correctResponsesPattern", "choices", "scale", "source", "target", "steps"}
)


def check(statement: object, version: str, place: str) -> list[FieldError]:
    """What is wrong with a statement; empty when nothing is."""
    checker = _Checker(version)
    if checker.blanks(statement, place, 0):
        checker.statement(statement, place)
    return checker.errors[:_MOST_ERRORS]


class _Checker:
    def __init__(self, version: str) -> None:
        self.version = version
        self.errors: list[FieldError] = []
        self._shapes: Shapes = shapes()

    def refuse(self, place: str, problem: str, fix: str | None = None) -> None:
        self.errors.append(FieldError(place, problem, fix))

    def blanks(self, value: object, place: str, depth: int) -> bool:
        """No null and no empty object outside extensions. False when it is nested too deeply."""
        if depth > _DEEPEST:
            self.refuse(place, f"is nested more than {_DEEPEST} deep")
            return False
        if value is None or value == {}:
            kind = "null" if value is None else "an empty object"
            self.refuse(place, f"is {kind}", "Leave the property out.")
        if isinstance(value, dict):
            return all(
                self.blanks(v, f"{place}.{k}", depth + 1)
                for k, v in value.items()
                if k != "extensions"
            )
        if isinstance(value, list):
            return all(self.blanks(v, f"{place}[{i}]", depth + 1) for i, v in enumerate(value))
        return True

    def statement(self, value: object, place: str, *, sub: bool = False) -> None:
        if not isinstance(value, dict):
            self.refuse(place, "is not an object")
            return
        self._keys(value, _SUB_KEYS if sub else _KEYS, place)
        for name in ("actor", "verb", "object"):
            if name not in value:
                self.refuse(f"{place}.{name}", "is missing")
        checks: dict[str, Callable[[Any, str], None]] = {
            "id": self._uuid,
            "actor": self.actor,
            "verb": self._verb,
            "result": self._result,
            "timestamp": self._instant,
            "stored": self._instant,
            "authority": self.actor,
            "version": self._version,
            "attachments": self._attachments,
        }
        for name, checked in checks.items():
            if name in value and name in (_SUB_KEYS if sub else _KEYS):
                checked(value[name], f"{place}.{name}")
        if "object" in value:
            self._object(value["object"], f"{place}.object", sub=sub)
        if "context" in value:
            self._context(value["context"], f"{place}.context", value.get("object"))

    def _keys(self, value: Mapping[str, object], allowed: frozenset[str], place: str) -> None:
        for name in sorted(value.keys() - allowed):
            self.refuse(f"{place}.{name}", "is not a property that may stand here", "Remove it.")

    def _shape(self, shape: Shape, value: object, place: str) -> None:
        for error in shape(value):
            self.refuse(f"{place}{error.field}", error.problem)

    def _uuid(self, value: object, place: str) -> None:
        if not isinstance(value, str) or not UUID_FORM.fullmatch(value):
            self.refuse(place, "is not a UUID", "Write 32 hex digits in the form 8-4-4-4-12.")

    def _instant(self, value: object, place: str) -> None:
        try:
            instant(value, self.version)
        except ValueError as error:
            self.refuse(place, str(error), "Write it as 2026-03-01T09:30:00Z.")

    def _version(self, value: object, place: str) -> None:
        allowed = r"[12]\.0(\.\d+)?" if self.version.startswith("2") else r"1\.0(\.\d+)?"
        if not isinstance(value, str) or not re.fullmatch(allowed, value):
            self.refuse(place, "is not a version this request may carry")

    def _verb(self, value: Any, place: str) -> None:
        self._shape(self._shapes.verb, value, place)
        if isinstance(value, dict) and value.get("id") == VOIDED:
            self.refuse(f"{place}.id", "voiding is not supported yet", "Leave the statement out.")

    def actor(self, value: Any, place: str) -> None:
        """An Agent, or a Group when it says so."""
        if isinstance(value, dict) and value.get("objectType") == "Group":
            self.group(value, place)
        else:
            self.agent(value, place)

    def agent(self, value: Any, place: str) -> None:
        if not isinstance(value, dict):
            self.refuse(place, "is not an Agent object")
            return
        if ifi := self._ifi(value, place, needed=True):
            self._shape(self._shapes.agents[ifi], _without_mail(value), place)

    def group(self, value: Any, place: str) -> None:
        if not isinstance(value, dict):
            self.refuse(place, "is not a Group object")
            return
        members = value.get("member")
        ifi = self._ifi(value, place, needed=False)
        if ifi is None and not members:
            self.refuse(f"{place}.member", "is missing: a Group without an identifier needs it")
            return
        for index, member in enumerate(members if isinstance(members, list) else []):
            self.agent(member, f"{place}.member[{index}]")
        plain = _without_mail(value)
        if isinstance(members, list):
            plain["member"] = [_SOMEBODY] * len(members)
        self._shape(self._shapes.groups[ifi], plain, place)

    def _ifi(self, value: Mapping[str, Any], place: str, *, needed: bool) -> str | None:
        """The one identifier of an agent or group. Checks an mbox, which ralph reads otherwise."""
        given = [name for name in _IFIS if name in value]
        if len(given) > 1 or (needed and not given):
            self.refuse(place, f"needs exactly one of {', '.join(_IFIS)}, and has {len(given)}")
        if "mbox" in given and not (
            isinstance(value["mbox"], str) and MBOX_FORM.fullmatch(value["mbox"])
        ):
            self.refuse(f"{place}.mbox", "is not an address", "Write it as mailto:ana@example.org.")
        if "openid" in given:
            self._shape(self._shapes.iri, value["openid"], f"{place}.openid")
        return given[0] if len(given) == 1 else None

    def _object(self, value: Any, place: str, *, sub: bool) -> None:
        kind = value.get("objectType", "Activity") if isinstance(value, dict) else "Activity"
        if kind == "Activity":
            self.activity(value, place)
        elif kind == "Agent":
            self.agent(value, place)
        elif kind == "Group":
            self.group(value, place)
        elif kind == "StatementRef":
            self._reference(value, place)
        elif kind == "SubStatement" and not sub:
            self.statement(value, place, sub=True)
        elif kind == "SubStatement":
            self.refuse(place, "is a SubStatement inside a SubStatement")
        else:
            kinds = "Activity, Agent, Group, StatementRef, SubStatement"
            self.refuse(f"{place}.objectType", f"is not one of {kinds}")

    def _reference(self, value: Any, place: str) -> None:
        self._shape(self._shapes.reference, value, place)
        if isinstance(value, dict) and "id" in value:
            self._uuid(value["id"], f"{place}.id")

    def activity(self, value: Any, place: str) -> None:
        plain = {k: v for k, v in value.items() if k != "definition"} if _is(value) else value
        self._shape(self._shapes.activity, plain, place)
        if _is(value) and "definition" in value:
            definition = value["definition"]
            interacts = _is(definition) and bool(_INTERACTION & definition.keys())
            shape = self._shapes.interaction if interacts else self._shapes.definition
            self._shape(shape, definition, f"{place}.definition")

    def _result(self, value: Any, place: str) -> None:
        if not _is(value):
            self.refuse(place, "is not an object")
            return
        plain = dict(value)
        if plain.get("response") == "":  # an empty answer is an answer
            del plain["response"]
        if "duration" in plain:
            duration = plain.pop("duration")
            if not isinstance(duration, str) or not DURATION_FORM.fullmatch(duration):
                self.refuse(f"{place}.duration", "is not an ISO 8601 duration", "PT1H30M")
        self._shape(self._shapes.result, plain, place)
        if _is(plain.get("score")):
            self._score(plain["score"], f"{place}.score")

    def _score(self, score: Mapping[str, Any], place: str) -> None:
        """Numbers are numbers, and raw lies between min and max also where one of them is 0."""
        for name, number in score.items():
            if isinstance(number, (str, bool)):
                self.refuse(f"{place}.{name}", "is not a number", "Write it without quotes.")
                return
        limits = [score[name] for name in ("min", "raw", "max") if name in score]
        if all(isinstance(n, (int, float)) for n in limits) and limits != sorted(limits):
            self.refuse(place, "is not in the order min, raw, max")

    def _attachments(self, value: Any, place: str) -> None:
        if not isinstance(value, list):
            self.refuse(place, "is not a list")
            return
        for index, attachment in enumerate(value):
            here = f"{place}[{index}]"
            self._shape(self._shapes.attachment, attachment, here)
            if _is(attachment) and not isinstance(attachment.get("length", 0), int):
                self.refuse(f"{here}.length", "is not a whole number")
            if _is(attachment) and "fileUrl" not in attachment:
                self.refuse(f"{here}.fileUrl", "is missing: content is not taken along here")

    def _context(self, value: Any, place: str, about: Any) -> None:
        if not _is(value):
            self.refuse(place, "is not an object")
            return
        plain = dict(value)
        on_activity = _is(about) and about.get("objectType", "Activity") == "Activity"
        for name in ("revision", "platform"):
            if name in value and not on_activity:
                self.refuse(f"{place}.{name}", "may stand only where the object is an Activity")
        parts: dict[str, Callable[[Any, str], None]] = {
            "registration": self._uuid,
            "instructor": self.actor,
            "team": self._team,
            "statement": self._reference,
            "contextActivities": self._context_activities,
        }
        if self.version.startswith("2"):
            parts["contextAgents"] = lambda v, p: self._relevant(v, p, "agent", self.agent)
            parts["contextGroups"] = lambda v, p: self._relevant(v, p, "group", self._team)
        for name, checked in parts.items():
            if name in plain:
                checked(plain.pop(name), f"{place}.{name}")
        self._shape(self._shapes.context, plain, place)

    def _team(self, value: Any, place: str) -> None:
        if not _is(value) or value.get("objectType") != "Group":
            self.refuse(place, "is not a Group")
        else:
            self.group(value, place)

    def _context_activities(self, value: Any, place: str) -> None:
        if not _is(value):
            self.refuse(place, "is not an object")
            return
        self._keys(value, frozenset({"parent", "grouping", "category", "other"}), place)
        for name, given in value.items():
            for index, activity in enumerate(given if isinstance(given, list) else [given]):
                self.activity(activity, f"{place}.{name}[{index}]")

    def _relevant(
        self, value: Any, place: str, name: str, checked: Callable[[Any, str], None]
    ) -> None:
        """`contextAgents` and `contextGroups` of xAPI 2.0."""
        if not isinstance(value, list):
            self.refuse(place, "is not a list")
            return
        for index, item in enumerate(value):
            here = f"{place}[{index}]"
            kind = f"context{name.capitalize()}"
            if not _is(item) or item.get("objectType") != kind:
                self.refuse(f"{here}.objectType", f"is not {kind}")
                continue
            self._keys(item, frozenset({"objectType", name, "relevantTypes"}), here)
            checked(item.get(name), f"{here}.{name}")
            types = item.get("relevantTypes", ["https://example.org/any"])
            if not isinstance(types, list) or not types:
                self.refuse(f"{here}.relevantTypes", "is not a list with at least one IRI")
                continue
            for number, iri in enumerate(types):
                self._shape(self._shapes.iri, iri, f"{here}.relevantTypes[{number}]")


_SOMEBODY = {"mbox": "mailto:checked@example.org"}


def _is(value: object) -> bool:
    return isinstance(value, dict)


def _without_mail(value: Mapping[str, Any]) -> dict[str, Any]:
    """ralph refuses addresses at names like company.local, which the standard does not."""
    plain = dict(value)
    if "mbox" in plain:
        plain["mbox"] = _SOMEBODY["mbox"]
    if isinstance(plain.get("mbox_sha1sum"), str):
        plain["mbox_sha1sum"] = plain["mbox_sha1sum"].lower()
    return plain


def duplicates(ids: Sequence[str]) -> list[int]:
    """Where an id stands that stood before in the same batch."""
    seen: set[str] = set()
    again = []
    for index, statement_id in enumerate(ids):
        if statement_id in seen:
            again.append(index)
        seen.add(statement_id)
    return again
