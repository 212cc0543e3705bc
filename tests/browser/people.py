"""People with a story for the tests of the portal, written to the log as the hub writes it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from aiokafka import AIOKafkaProducer

from schemas.catalog import event_types
from services.common.codec import encode
from services.common.emit import Actor, Event, about_worker, publish, stored
from services.common.kafka import Position
from services.common.settings import Settings
from services.common.vault import Keyring, Place

NOW = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
WORKER = Actor("WORKER", "self")
ACME = Actor("EMPLOYER", "hr-1", "acme-foods")
HARBOR = Actor("EMPLOYER", "hr-1", "harbor-logistics")
COLLEGE = Actor("PROVIDER", "registrar", "river-college")
OPEN = Actor("PROVIDER", "registry", "open-university")
ORGANIZATIONS = {
    "acme-foods": ("Acme Foods", "EMPLOYER"),
    "harbor-logistics": ("Harbor Logistics", "EMPLOYER"),
    "river-college": ("River College", "PROVIDER"),
    "open-university": ("The Open University", "PROVIDER"),
}
COURSES = {
    ("river-college", "forklift"): "Forklift safety",
    ("river-college", "food-2"): "Food safety, level 2",
    ("open-university", "BBB-2013J"): "Module BBB, from October 2013",
    ("open-university", "AAA-2013J"): "Module AAA, from October 2013",
    ("open-university", "GGG-2013J"): "Module GGG, from October 2013",
}


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


class Log:
    """Writes events and remembers how far the read model must come to hold them."""

    def __init__(self, settings: Settings, producer: AIOKafkaProducer, keyring: Keyring) -> None:
        self._settings = settings
        self._producer = producer
        self._keyring = keyring
        self.ends: dict[tuple[str, int], Position] = {}
        self.names: set[str] = set()  # of everyone who was registered here

    async def add(self, *events: Event) -> Position:
        """Write in order; answer the last position."""
        done = await asyncio.gather(
            *(publish(self._producer, self._settings, event) for event in events)
        )
        for position in done:
            key = position.topic, position.partition
            self.ends[key] = max(position, self.ends.get(key, position))
        return done[-1]

    async def sealed(
        self, event_id: UUID, worker_id: UUID, category: str, field: str, text: str
    ) -> bytes:
        keys = await self._keyring.for_sealing([(worker_id, category)])
        place = Place("stories", event_id, worker_id, field)
        return keys[worker_id, category].seal(place, text.encode())

    async def says(self, worker_id: UUID, promise_id: str, reason: str, words: str) -> None:
        """A person says something of a promise, yesterday."""
        event_id = uuid4()
        sealed = await self.sealed(event_id, worker_id, "promise", "statement", words)
        own = {"promise_id": promise_id, "reason": reason, "statement": sealed}
        said = about_worker("PromiseDisputed", event_id, worker_id, WORKER, at=ago(1), **own)
        await self.add(said)

    async def directory(self) -> None:
        common = {"version": 1, "city": None, "region": None, "postal_code": None, "website": None}
        for key, (name, kind) in ORGANIZATIONS.items():
            own = {"entity_id": key, "name": name, "kind": kind, **common}
            await self.add(organization("OrganizationRegistered", key, **own))
        for (provider, course), title in COURSES.items():
            await self.add(organization("ProgrammePublished", provider, **programme(course, title)))

    async def register(self, name: str, worker_id: UUID | None = None, *, at: datetime) -> UUID:
        """A person with a sealed name."""
        self.names.add(name)
        worker_id, event_id = worker_id or uuid4(), uuid4()
        sealed = await self.sealed(event_id, worker_id, "identity", "display_name", name)
        own = {"display_name": sealed, "contact_email": None, "language": "en"}
        await self.add(about_worker("WorkerRegistered", event_id, worker_id, COLLEGE, at=at, **own))
        return worker_id


def organization(kind: str, organization_id: str, /, **own: Any) -> Event:
    fields = {
        "event_id": uuid4().bytes,
        "organization_id": organization_id,
        "occurred_at": ago(1500),
        "recorded_at": ago(1500),
        "source": "hub",
        "actor_role": "OPERATOR",
        "actor_id": "op",
        **own,
    }
    return stored(encode(event_types()[kind], fields), organization_id.encode())


def programme(course: str, title: str) -> dict[str, Any]:
    optional = (
        "cip",
        "weeks",
        "contact_hours",
        "tuition",
        "currency",
        "credential_name",
        "website",
    )
    return {
        "entity_id": course,
        "version": 1,
        "title": title,
        "occupations": [],
        "delivery_method": "IN_PERSON",
        **dict.fromkeys(optional),
    }


def about(name: str, worker_id: UUID, actor: Actor, at: datetime, **own: Any) -> Event:
    return about_worker(name, uuid4(), worker_id, actor, at=at, **own)


def course(enrolment: str, course_id: str = "forklift") -> dict[str, Any]:
    return {"enrolment_id": enrolment, "course_id": course_id, "provider_id": "river-college"}


def pay(amount: str) -> dict[str, Any]:
    return {"wage_amount": Decimal(amount), "wage_currency": "USD", "wage_period": "HOUR"}


def job(**own: Any) -> dict[str, Any]:
    return {"employment_id": "j-1", "employer_id": "acme-foods", **own}


def grant(
    worker_id: UUID,
    grant_id: UUID,
    recipient_id: str = "acme-foods",
    *categories: str,
    at: datetime,
    days: float = 180,
) -> Event:
    return about(
        "ConsentGranted",
        worker_id,
        WORKER,
        at,
        grant_id=grant_id.bytes,
        recipient_id=recipient_id,
        categories=sorted(categories or ("training", "skill")),
        purposes=["advancement"],
        valid_from=at,
        valid_until=at + timedelta(days=days),
        wording_version="2026-11",
        wording_language="en",
        wording_sha256="0" * 64,
        request_id=None,
    )


def rosa(worker_id: UUID) -> list[Event]:
    """Three years of a working life: courses, a job, pay, promises kept, late and open."""

    def said(name: str, actor: Actor, at: datetime, **own: Any) -> Event:
        return about(name, worker_id, actor, at, **own)

    def promised(key: str, outcome: str, days: float) -> Event:
        own = {"promise_id": key, "employer_id": "acme-foods", "pathway_id": "shift-lead"}
        more = {"pathway_version": 3, "outcome": outcome, "due_in_days": 30}
        return said("PromiseMade", ACME, ago(days), **own, **more)

    finished = {"result": "PASSED", "score": 0.86}
    skill = {"skill_id": "skill:forklift-driving", "level": "CAN_DO"}
    due = {"promise_id": "p-pay", "due_at": ago(6)}
    interview = {"interview_id": "i-1", "employer_id": "acme-foods", "promise_id": "p-1"}
    help_given = {"support_id": "s-1", "kind": "PAID_TIME", "started_by": "SUPERVISOR"}
    left = {"reason": "FOUND_WORK", "day_known": True}
    packer, lead = "53-7062.00", "53-1042.00"
    return [
        said("TrainingEnrolled", COLLEGE, ago(1010), **course("e-0", "food-1")),
        said("TrainingExited", COLLEGE, ago(960), **course("e-0", "food-1"), **left),
        said(
            "EmploymentStarted",
            ACME,
            ago(820),
            **job(occupation=packer, job_level=1, **pay("17.20")),
        ),
        said("SkillClaimed", WORKER, ago(700), **skill),
        said("TrainingOffered", ACME, ago(560), **course("e-1")),
        said("TrainingEnrolled", COLLEGE, ago(540), **course("e-1")),
        said("SupportGiven", ACME, ago(530), **help_given, minutes=240),
        said("TrainingCompleted", COLLEGE, ago(500), **course("e-1"), **finished),
        said(
            "TrainingAcknowledged",
            ACME,
            ago(470),
            enrolment_id="e-1",
            course_id="forklift",
            employer_id="acme-foods",
        ),
        said(
            "SkillAttested",
            ACME,
            ago(460),
            **skill,
            attestation_id="a-1",
            attested_by="SUPERVISOR",
            evidence=None,
        ),
        said(
            "CredentialAwarded",
            COLLEGE,
            ago(450),
            credential_id="c-1",
            credential_kind="forklift",
            expires_at=ago(-600),
        ),
        promised("p-1", "INTERVIEW", 420),
        said("InterviewHeld", ACME, ago(400), **interview),
        said("PromiseKept", ACME, ago(400), promise_id="p-1"),
        said("Promoted", ACME, ago(380), **job(occupation=lead, job_level=2)),
        said("WageChanged", ACME, ago(380), **job(**pay("19.75"))),
        promised("p-pay", "WAGE_STEP", 120),
        said("TrainingEnrolled", COLLEGE, ago(90), **course("e-2", "food-2")),
        said(
            "TrainingCompleted",
            COLLEGE,
            ago(40),
            **course("e-2", "food-2"),
            result="DISTINCTION",
            score=0.97,
        ),
        said("PromiseDue", Actor("SYSTEM", "throughline"), ago(36), **due),
        promised("p-role", "ROLE", 20),
    ]


def ended_promises(worker_id: UUID) -> list[Event]:
    """Promises that are late, kept, broken, and taken back: before they were due, and after."""

    def of(key: str, made: float, *, due: float | None = None, **then: float) -> list[Event]:
        system, own = Actor("SYSTEM", "throughline"), {"promise_id": key}
        what = {"employer_id": "acme-foods", "pathway_id": "shift-lead", "pathway_version": 3}
        what |= {"outcome": "INTERVIEW", "due_in_days": 30, "criteria": ["training:forklift"]}
        found = [
            about("PromiseMade", worker_id, ACME, ago(made), **own, **what),
            about("PromiseAccepted", worker_id, WORKER, ago(made - 1), **own),
        ]
        if due is not None:
            at = {"due_at": ago(due)}
            found.append(about("PromiseDue", worker_id, system, ago(due + 30), **own, **at))
        for name, days in then.items():
            back = {"employer_id": "acme-foods", "reason": "POSITION_CLOSED"}
            is_back = name == "PromiseWithdrawn"
            actor, more = (ACME, back) if is_back else (system, {})
            found.append(about(name, worker_id, actor, ago(days), **own, **more))
        return found

    return [
        *of("late", 90, due=5, PromiseLapsed=5),
        *of("broken", 300, due=200, PromiseLapsed=200),
        *of("back", 60, PromiseWithdrawn=20),
        *of("due-back", 70, due=-10, PromiseWithdrawn=10),
        *of("kept", 400, due=330, PromiseKept=340),
    ]


def lapsed_promise(worker_id: UUID, promise_id: str) -> list[Event]:
    """A promise for a course that was finished: `promises` itself finds that its days are over."""
    own = {"promise_id": promise_id}
    what = {"employer_id": "acme-foods", "pathway_id": "shift-lead", "pathway_version": 1}
    what |= {"outcome": "INTERVIEW", "due_in_days": 30, "criteria": ["training:forklift"]}
    done = {**course(f"e-{promise_id}"), "result": "PASSED", "score": None}
    return [
        about("PromiseMade", worker_id, ACME, ago(90), **own, **what),
        about("PromiseAccepted", worker_id, WORKER, ago(89), **own),
        about("TrainingCompleted", worker_id, COLLEGE, ago(50), **done),
    ]


def asked(worker_id: UUID) -> Event:
    return about(
        "AccessRequested",
        worker_id,
        HARBOR,
        ago(2),
        request_id="r-1",
        recipient_id="harbor-logistics",
        categories=["skill"],
        purposes=["hiring"],
        expires_at=ago(-20),
    )


def request(worker_id: UUID, request_id: str, *categories: str, days: float) -> Event:
    """Acme Foods asks, and waits for so many days."""
    return about(
        "AccessRequested",
        worker_id,
        ACME,
        ago(3),
        request_id=request_id,
        recipient_id="acme-foods",
        categories=sorted(categories),
        purposes=["advancement"],
        expires_at=ago(-days),
    )


def seen(worker_id: UUID, grant_id: UUID, kind: str, category: str, at: datetime) -> Event:
    """What delivery writes when it has sent something."""
    return about(
        "DisclosureAttempted",
        worker_id,
        Actor("SYSTEM", "throughline"),
        at,
        message_id=f"msg_{uuid4().hex}",
        connection_id="acme-hr",
        recipient_id="acme-foods",
        grant_id=grant_id.bytes,
        subject_event_id=uuid4().bytes,
        subject_type=kind,
        subject_category=category,
        outcome="DELIVERED",
        reason="sent",
        http_status=204,
        attempt=1,
        decided_at=at,
    )


def seen_on_two_days(worker_id: UUID, grant_id: UUID) -> list[Event]:
    """One thing lately, and three on a day before."""
    return [
        seen(worker_id, grant_id, "TrainingCompleted", "training", ago(40)),
        seen(worker_id, grant_id, "TrainingCompleted", "training", ago(59)),
        seen(worker_id, grant_id, "TrainingEnrolled", "training", ago(59)),
        seen(worker_id, grant_id, "SkillAttested", "skill", ago(59)),
    ]


def student(course_id: str, result: str, number: int) -> list[Event]:
    """One person of a public cohort: PASSED, DISTINCTION, FAILED or LEFT."""
    worker_id, key = uuid4(), f"{course_id}-{result}-{number}"
    own = {"enrolment_id": key, "course_id": course_id, "provider_id": "open-university"}
    events = [about("TrainingEnrolled", worker_id, OPEN, ago(900), **own)]
    if result == "LEFT":
        left = {"reason": "WITHDREW", "day_known": True}
        return [*events, about("TrainingExited", worker_id, OPEN, ago(800), **own, **left)]
    marked = {"result": result, "score": None}
    return [*events, about("TrainingCompleted", worker_id, OPEN, ago(700), **own, **marked)]


def cohort(course_id: str, **counts: int) -> list[Event]:
    return [
        event
        for result, count in counts.items()
        for number in range(count)
        for event in student(course_id, result, number)
    ]
