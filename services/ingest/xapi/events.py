"""Statements to events: every decision of the mapping, in one place. `docs/imports.md` tells it.

| verb | and | becomes |
|---|---|---|
| registered, enrolled | | TrainingEnrolled |
| unregistered | | TrainingExited, WITHDREW |
| completed, passed, failed, scored | on a test, with a score | AssessmentTaken |
| completed, passed, failed | on the course itself, not `completion: false` | TrainingCompleted |
| anything else | | TrainingProgressed |
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from schemas.edge import EdgeEvent
from schemas.models import MODELS
from services.ingest.xapi.forms import instant

Statement = Mapping[str, Any]
KeyedHash = Callable[[str], str]

_ENROLS = frozenset({"registered", "enrolled", "register", "enroll", "enrol"})
_LEAVES = frozenset({"unregistered", "unenrolled"})
_ENDS = {
    "completed": "COMPLETED",
    "complete": "COMPLETED",
    "passed": "PASSED",
    "failed": "FAILED",
}
_SCORES = _ENDS.keys() | {"scored"}
_TESTS = frozenset(
    {"assessment", "cmi.interaction", "question", "quiz", "test", "exam", "examination"}
)
_COURSES = frozenset({"course", "program", "programme", "curriculum"})
_LONGEST_CODE = 200
_LONGEST_RECORD_ID = 200
NO_COURSE = "no-course"


def code(iri: str) -> str:
    """A code made of an IRI: stable, readable, and different for different IRIs.

    The scheme http(s):// goes. What a code can't hold becomes a dash; then, or when the code
    would be too long, part of the IRI's hash stands at its end.
    """
    plain = re.sub(r"^https?://", "", iri)
    safe = re.sub(r"^[^A-Za-z0-9]+", "", re.sub(r"[^A-Za-z0-9._:/+@-]", "-", plain))
    if safe == plain and len(safe) <= _LONGEST_CODE:
        return safe
    digest = hashlib.sha256(iri.encode()).hexdigest()[:12]
    return f"{safe[: _LONGEST_CODE - 13]}-{digest}".lstrip("-")


def slug(iri: str) -> str:
    """The last part of an IRI as a word: `…/verbs/completed` is completed."""
    last = re.split(r"[/#:]", iri.rstrip("/#"))[-1]
    return re.sub(r"[^a-z0-9_-]+", "-", last.lower()).strip("-_")[:64] or "unnamed"


def record_id(agent: Mapping[str, Any]) -> str:
    """The person as the sender names them: the same text for the same person, always."""
    if "mbox" in agent:
        local, _, domain = str(agent["mbox"]).removeprefix("mailto:").rpartition("@")
        text = f"mailto:{local}@{domain.lower()}"
    elif "mbox_sha1sum" in agent:
        text = f"mbox_sha1sum:{str(agent['mbox_sha1sum']).lower()}"
    elif "openid" in agent:
        text = f"openid:{agent['openid']}"
    else:
        account = agent["account"]
        text = f"account:{account['homePage']}|{account['name']}"
    if len(text) <= _LONGEST_RECORD_ID:
        return text
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def people(actor: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Who the statement is about: an agent, or the members of a group.

    A group that names itself but no members is kept as a record of its own.
    """
    members = actor.get("member")
    if actor.get("objectType") == "Group" and members:
        return list({record_id(member): member for member in members}.values())
    return [actor]


@dataclass(frozen=True, slots=True)
class Reading:
    """One statement, and what follows from it whoever it is about."""

    statement: Statement
    version: str

    @property
    def verb(self) -> str:
        return slug(self.statement["verb"]["id"])

    @property
    def activity(self) -> Mapping[str, Any] | None:
        """The activity it is about, also inside a SubStatement. None for people and references."""
        about = self.statement["object"]
        if about.get("objectType") == "SubStatement":
            about = about["object"]
        is_activity = about.get("objectType", "Activity") == "Activity"
        return about if is_activity else None

    @property
    def activity_id(self) -> str | None:
        about = self.statement["object"]
        if about.get("objectType") == "StatementRef":
            return f"statement:{about['id'].lower()}"
        return code(self.activity["id"]) if self.activity is not None else None

    @property
    def kind(self) -> str:
        """The activity's type as a word, or nothing."""
        definition = (self.activity or {}).get("definition", {})
        return slug(definition["type"]) if "type" in definition else ""

    @property
    def course_id(self) -> str:
        """The context's first grouping, parent or category; else the activity itself."""
        context = self.statement.get("context", {}).get("contextActivities", {})
        if self.kind not in _COURSES:
            for name in ("grouping", "parent", "category"):
                given = context.get(name)
                first = given[0] if isinstance(given, list) and given else given
                if first:
                    return code(first["id"])
        return code(self.activity["id"]) if self.activity is not None else NO_COURSE

    @property
    def is_course(self) -> bool:
        return self.activity is not None and self.course_id == self.activity_id

    @property
    def score(self) -> float | None:
        """From 0 to 1: `scaled`, not below 0; or `raw` between `min` (or 0) and `max`."""
        score = self.statement.get("result", {}).get("score", {})
        if "scaled" in score:
            return max(0.0, float(score["scaled"]))
        low, high = float(score.get("min", 0)), float(score.get("max", 0))
        if "raw" not in score or high <= low:
            return None
        return min(1.0, max(0.0, (float(score["raw"]) - low) / (high - low)))

    def occurred_at(self, taken_at: datetime) -> datetime:
        """Its own timestamp, else when the hub first took it."""
        given = self.statement.get("timestamp")
        return taken_at if given is None else instant(given, self.version)

    def decided(self) -> tuple[str, dict[str, Any]]:
        """The event type, and the fields that only this type has."""
        result = self.statement.get("result", {})
        if self.verb in _ENROLS:
            return "TrainingEnrolled", {}
        if self.verb in _LEAVES:
            return "TrainingExited", {"reason": "WITHDREW", "day_known": True}
        if self.verb in _SCORES and self.kind in _TESTS and "score" in result:
            test = {"assessment_id": self.activity_id, "phase": "DURING", "carried_over": False}
            return "AssessmentTaken", {**test, "score": self.score}
        if self.verb in _ENDS and self.is_course and result.get("completion") is not False:
            return "TrainingCompleted", {"result": self._ending(result), "score": self.score}
        return "TrainingProgressed", {"activity_id": self.activity_id, "verb": self.verb}

    def _ending(self, result: Mapping[str, Any]) -> str:
        """A completion that says whether it was a success is a pass or a failure."""
        ending = _ENDS[self.verb]
        if ending == "COMPLETED" and "success" in result:
            return "PASSED" if result["success"] else "FAILED"
        return ending


def events_of(
    statement: Statement, version: str, provider_id: str, taken_at: datetime, keyed: KeyedHash
) -> Iterator[EdgeEvent]:
    """One event for each person the statement is about. Raises pydantic.ValidationError.

    Without a registration the enrolment is a keyed hash of person and course, which tells
    nobody outside who it is.
    """
    reading = Reading(statement, version)
    event_type, own = reading.decided()
    registration = statement.get("context", {}).get("registration")
    for index, person in enumerate(people(statement["actor"])):
        who = record_id(person)
        hashed = keyed("\x1f".join((provider_id, who, reading.course_id)))
        fields = {
            "type": event_type,
            "source_event_id": f"{statement['id']}/{index}" if index else statement["id"],
            "source_record_id": who,
            "occurred_at": reading.occurred_at(taken_at),
            "enrolment_id": registration.lower() if registration else f"x-{hashed}",
            "course_id": reading.course_id,
            **({"provider_id": provider_id} if event_type in _NAMES_PROVIDER else {}),
            **{name: value for name, value in own.items() if value is not None},
        }
        yield MODELS[event_type].model_validate(fields)


_NAMES_PROVIDER = frozenset({"TrainingEnrolled", "TrainingExited", "TrainingCompleted"})
