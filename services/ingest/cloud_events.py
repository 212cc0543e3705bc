"""CloudEvents as senders write them, turned into the plain events of `POST /v1/events`.

The SDK (`cloudevents`) knows no batches and gives up at the first fault, so it is used in the tests
only. Source: CloudEvents 1.0.2; JSON format 1.0.2; HTTP protocol binding 1.0.2.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote
from uuid import UUID

from schemas.catalog import event_types
from services.common.access import Principal, Role
from services.common.emit import Actor
from services.common.errors import FieldError
from services.ingest.drafts import ItemResult, Status
from services.ingest.explain import echo

_PREFIX = "ce-"
_DERIVED_VERSION = 5
_REQUIRED = {
    "specversion": 'Write "1.0".',
    "id": "Write your own number for the event, or a random UUID.",
    "source": "",
    "type": "Write the event type, such as throughline.training.TrainingCompleted.",
}


@dataclass(frozen=True, slots=True)
class Sender:
    """Names under which the caller may send."""

    source: str  # as in the envelope of its events
    home: str  # as a CloudEvents `source`; `home/…` is one of its systems

    @classmethod
    def of(cls, principal: Principal) -> Sender:
        kind = "workers" if principal.role is Role.WORKER else "organizations"
        return cls(Actor.of(principal).source, f"/{kind}/{principal.subject}")

    def refusal(self, claimed: str) -> ItemResult:
        """Of an event that says it comes from somebody else."""
        fix = f"Write {self.home}, or one of your systems as {self.home}/lms-1."
        error = FieldError("source", f"{echo(claimed)} is not this key's", fix)
        return ItemResult(Status.FORBIDDEN, errors=(error,))


def attributes_of(headers: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    """The attributes of an event in binary mode (`ce-…` headers); empty in another mode."""
    found = {
        name[len(_PREFIX) :].lower(): unquote(value)
        for name, value in headers
        if name.lower().startswith(_PREFIX)
    }
    return found if "specversion" in found else {}


def plain_event(event: Any, sender: Sender) -> Mapping[str, Any] | ItemResult:
    """The event as its sender would write it plainly, or why it is no CloudEvent of this sender.

    `type` may be short or full. `id` is the event's id when it is a random UUID; otherwise the
    sender's own number, which is its alone within `source`. `data` has the fields. What `data` says
    of time and id goes before `time` and `id`; other attributes say nothing that we keep.
    """
    if not isinstance(event, Mapping):
        return _invalid("", "is not an object", "Send one JSON object per event.")
    for name, fix in _REQUIRED.items():
        if not isinstance(event.get(name), str) or not event[name]:
            return _invalid(name, "is missing, or not text", fix or f"Write {sender.home}.")
    if event["specversion"] != "1.0":
        return _invalid("specversion", f"{echo(event['specversion'])} is not known", 'Write "1.0".')
    system = _system(event["source"], sender)
    if system is None:
        return sender.refusal(event["source"])
    data = event.get("data")
    if not isinstance(data, Mapping):
        return _invalid("data", "is not an object", "Write the event's fields as a JSON object.")
    return _plain(event, system, data)


def _plain(event: Mapping[str, Any], system: str, data: Mapping[str, Any]) -> Mapping[str, Any]:
    plain = {**data, "type": _short(event["type"])}
    if "time" in event:
        plain.setdefault("occurred_at", event["time"])
    if not {"event_id", "source_event_id"} & plain.keys():
        if _is_random_uuid(event["id"]):
            plain["event_id"] = event["id"]
        else:
            plain["source_event_id"] = f"{system}#{event['id']}" if system else event["id"]
    return plain


def _system(source: str, sender: Sender) -> str | None:
    """Which of the sender's systems it is, "" for none in particular; None for somebody else's."""
    if source in (sender.home, sender.home.rpartition("/")[2]):
        return ""
    head, _, system = source.partition(f"{sender.home}/")
    return system if system and not head else None


def _short(name: str) -> str:
    """`throughline.training.TrainingCompleted` is `TrainingCompleted`."""
    if not name.startswith("throughline."):
        return name
    found = event_types().get(name.rpartition(".")[2])
    return found.name if found is not None and found.full_name == name else name


def _is_random_uuid(given: str) -> bool:
    try:
        return UUID(given).version not in (None, _DERIVED_VERSION)
    except ValueError:
        return False


def _invalid(field: str, problem: str, fix: str) -> ItemResult:
    return ItemResult(Status.INVALID, errors=(FieldError(field, problem, fix),))
