"""What the demo's generator leaves to a running hub, for the world of the benchmarks.

Links, consent, deliveries, offers, disputes and voids of one life, in plausible shares.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from schemas.catalog import event_types
from services.common.ids import event_id_of
from services.demo.forms import Record
from services.demo.model import DAY, HOUR, Chance, Life, instant
from services.demo.places import OPERATOR, SELF, Organization

_DISCLOSURES: Final = 5  # messages to the recipient of one grant
_VOIDED: Final = 0.01  # of all lives have an event that its sender takes back
_PASSES: Final = timedelta(seconds=40)  # from an event to its record


def besides(life: Life, chance: Chance, told: list[Record], until: int) -> Iterator[Record]:
    """told: the life's own events, in order, the registration first."""
    yield from _links(life, told)
    yield from _sharing(life, chance, told)
    yield from _opportunities(life, chance, until)
    if len(told) > 1 and chance.yes(_VOIDED):
        yield _void(life, chance.pick(tuple(told[1:])), until)


def _made(
    life: Life, name: str, number: object, at: int, author: Organization, /, **own: Any
) -> Record:
    """A record whose optional fields are empty."""
    kind = event_types()[name]
    optional = {raw["name"]: raw["default"] for raw in kind.schema["fields"] if "default" in raw}
    envelope: Mapping[str, Any] = {
        "event_id": event_id_of(author.id, f"{life.code}.{name}.{number}").bytes,
        "worker_id": life.worker_id.bytes,
        "occurred_at": instant(at),
        "recorded_at": instant(at) + _PASSES,
        "source": author.id,
        "actor_role": author.actor_role,
        "actor_id": "hub",
    }
    fields = {**optional, **envelope, **own}
    return Record(kind.topic, life.worker_id.bytes, kind, fields)


def _code(life: Life, what: str, number: object) -> UUID:
    return event_id_of(what, f"{life.code}.{number}")


def _links(life: Life, told: list[Record]) -> Iterator[Record]:
    """One record of each organisation that ever wrote about the person."""
    since: dict[str, int] = {}
    for record in told:
        since.setdefault(record.fields["source"], int(record.fields["occurred_at"].timestamp()))
    for number, (organization, at) in enumerate(since.items()):
        yield _made(
            life,
            "SourceRecordLinked",
            number,
            at,
            OPERATOR,
            link_id=_code(life, "link", number).bytes,
            organization_id=organization,
            record_id=bytes(48),
            evidence="FIRST_SEEN",
        )


def _sharing(life: Life, chance: Chance, told: list[Record]) -> Iterator[Record]:
    """A grant, messages under it, and sometimes its end."""
    for number, sharing in enumerate(life.sharing):
        at = life.registered_at + DAY * chance.between(1, 60)
        grant = _code(life, "grant", number).bytes
        recipient = sharing.recipient.id
        yield _made(
            life,
            "ConsentGranted",
            number,
            at,
            SELF,
            grant_id=grant,
            recipient_id=recipient,
            categories=list(sharing.categories),
            purposes=list(sharing.purposes),
            valid_from=instant(at),
            valid_until=instant(at + sharing.months * 30 * DAY),
            wording_version="2026-01",
            wording_language=life.language,
            wording_sha256="0" * 64,
        )
        for sent in told[-_DISCLOSURES:]:
            yield _disclosure(life, sent, grant, recipient)
        if chance.yes(0.1):
            yield _made(
                life,
                "ConsentWithdrawn",
                number,
                at + 20 * DAY,
                SELF,
                grant_id=grant,
                recipient_id=recipient,
                channel="PORTAL",
            )


def _disclosure(life: Life, sent: Record, grant: bytes, recipient: str) -> Record:
    event_id = sent.fields["event_id"]
    at = int(sent.fields["occurred_at"].timestamp()) + HOUR
    return _made(
        life,
        "DisclosureAttempted",
        event_id.hex(),
        at,
        OPERATOR,
        message_id=f"m-{event_id.hex()}",
        connection_id=f"hook-{recipient}",
        recipient_id=recipient,
        grant_id=grant,
        subject_event_id=event_id,
        subject_type=sent.event_type.name,
        subject_category=sent.event_type.category,
        outcome="DELIVERED",
        reason="",
        http_status=200,
        attempt=1,
        decided_at=instant(at),
    )


def _opportunities(life: Life, chance: Chance, until: int) -> Iterator[Record]:
    """What a person hopes for, and what is offered."""
    if not life.jobs or not chance.yes(0.25):
        return
    job = life.jobs[-1]
    at = min(job.started_at + 90 * DAY, until - 30 * DAY)
    where = job.employer
    yield _made(
        life,
        "GoalStated",
        1,
        at,
        SELF,
        goal_id="g-1",
        kind="ROLE",
        occupation=job.occupation,
        framework="ONET",
        wage_period="HOUR",
    )
    if chance.yes(0.4):
        which = {"offer_id": "o-1", "employer_id": where.id}
        own = {"occupation": job.occupation, "job_level": job.level, "wage_period": "HOUR"}
        yield _made(life, "OfferMade", 1, at + 10 * DAY, where, **which, **own)
        answer = "ACCEPTED" if chance.yes(0.6) else "DECLINED"
        yield _made(life, "OfferAnswered", 1, at + 12 * DAY, SELF, **which, answer=answer)


def _void(life: Life, target: Record, until: int) -> Record:
    """By the source that said it, some days later."""
    source: str = target.fields["source"]
    known = next((o for o in life.organizations() if o.id == source), OPERATOR)
    at = min(int(target.fields["occurred_at"].timestamp()) + 9 * DAY, until)
    own = {"voided_event_id": target.fields["event_id"], "reason": "MISTAKE"}
    return _made(life, "RecordVoided", target.fields["event_id"].hex(), at, known, **own)
