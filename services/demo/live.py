"""The gentle stream: people of the region go on with their lives, a step every half second.

What can happen only once (a course's end, an employer taking note) has a number of its own, so
that a stream that was started again can't tell it twice: the hub answers that it has it.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from services.common.access import Role
from services.common.errors import RetryableError
from services.common.log import get_logger
from services.demo.cast import CAST
from services.demo.client import HubClient, Refused
from services.demo.forms import flat
from services.demo.measures import standing
from services.demo.model import Enrolment, Life
from services.demo.places import COURSES, SELF, WORKFORCE_BOARD, Organization
from services.demo.region import Region
from services.demo.state import DemoState, Person
from services.demo.tell import Fields, Happening

log = get_logger("demo")
_MOST_LIVES: Final = 2_000
_LAST_CALL_S: Final = 1.0
_LEVELS: Final = ("BEGINNER", "CAN_DO", "CAN_TEACH")
_HELP: Final = ("NUDGE", "MENTORING", "COACHING", "TRANSPORT")


class Continuing:
    """The lives that go on. The named cast waits for whoever looks at the demo."""

    def __init__(self, region: Region, dice: random.Random) -> None:
        self._dice = dice
        self._region = region
        stop = min(region.workers, _MOST_LIVES)
        self.lives = list(region.lives(len(CAST), stop))
        self._steps: tuple[tuple[int, Callable[[Life, int], Happening | None]], ...] = (
            (60, self._attend),
            (14, self._help),
            (8, self._claim),
            (7, self._attest),
            (5, self._notice),
            (6, self._begin),
        )

    def step(self, at: int) -> tuple[Life, Happening]:
        """What happens next, at an instant. Raises LookupError when nobody has anything to do."""
        weights = [weight for weight, _ in self._steps]
        for _ in range(1000):
            life = self._dice.choice(self.lives)
            act = self._dice.choices(self._steps, weights)[0][1]
            happening = act(life, at)
            if happening is not None:
                return life, happening
        raise LookupError("nobody in this region has anything left to do")

    def _running(self, life: Life) -> Enrolment | None:
        window = self._region.window
        return next((e for e in life.enrolments if standing(e, window) == "running"), None)

    def _attend(self, life: Life, at: int) -> Happening | None:
        course = self._running(life)
        if course is None:
            return None
        done = course.sessions[-1][1] if course.sessions else 0.0
        done = round(min(0.99, done + 0.01), 2)
        course.sessions.append((at, done))
        own = _course(course) | {
            "activity_id": f"unit-{len(course.sessions)}",
            "verb": self._dice.choice(("attended", "answered", "watched")),
            "progress": done,
        }
        return Happening(at, "TrainingProgressed", course.course.provider, "lms", own)

    def _help(self, life: Life, at: int) -> Happening | None:
        course = self._running(life)
        if course is None or self._dice.random() > life.helped:
            return None
        kind = self._dice.choice(_HELP)
        giver = WORKFORCE_BOARD if kind == "TRANSPORT" else course.course.provider
        starter = self._dice.choice(("WORKER", "PROVIDER"))
        own: Fields = {
            "support_id": f"s-{life.code}-{at}",
            "kind": kind,
            "started_by": starter,
            "minutes": self._dice.randrange(15, 65, 5) if kind in _HELP[1:3] else None,
        }
        return Happening(at, "SupportGiven", giver, starter.lower(), own)

    def _claim(self, life: Life, at: int) -> Happening | None:
        if not life.claimed:
            return None
        return Happening(at, "SkillClaimed", SELF, "self", self._skill())

    def _attest(self, life: Life, at: int) -> Happening | None:
        job = life.job_at(at)
        if job is None:
            return None
        own = self._skill() | {"attestation_id": f"a-{life.code}-{at}", "attested_by": "SUPERVISOR"}
        return Happening(at, "SkillAttested", job.employer, "supervisor-1", own)

    def _skill(self) -> Fields:
        skill_id = self._dice.choice(self._dice.choice(COURSES).skills)
        return {"skill_id": skill_id, "level": self._dice.choice(_LEVELS)}

    def _notice(self, life: Life, at: int) -> Happening | None:
        job = life.job_at(at)
        for course in life.enrolments:
            unnoticed = course.finished and course.noticed_at is None
            if job is not None and unnoticed and course.employer is job.employer:
                course.noticed_at = at
                own = _course(course) | {"employer_id": job.employer.id}
                return Happening(at, "TrainingAcknowledged", job.employer, "supervisor", own)
        return None

    def _begin(self, life: Life, at: int) -> Happening | None:
        if self._running(life) is not None:
            return None
        course = Enrolment(f"e-{life.code}-{at}", self._dice.choice(COURSES))
        course.enrolled_at = at
        life.enrolments.append(course)
        own = _course(course) | {"provider_id": course.course.provider.id}
        return Happening(at, "TrainingEnrolled", course.course.provider, "office", own)


def _course(enrolment: Enrolment) -> Fields:
    return {"enrolment_id": enrolment.code, "course_id": enrolment.course.id}


def sent_id_of(life: Life, happening: Happening, now: datetime) -> str:
    """What happens once per course is numbered by the course; the rest by the moment."""
    if happening.event_type == "TrainingAcknowledged":
        return f"{happening.own['enrolment_id']}.noticed"
    return f"{life.code}.live.{now.timestamp():.6f}"


async def live(
    hub: HubClient,
    state: DemoState,
    region: Region,
    stop: asyncio.Event,
    clock: Callable[[], datetime],
    *,
    per_second: float = 2.0,
    dice: random.Random | None = None,
) -> Counter[str]:
    """Send a step at a time until `stop`; answers what became of the events.

    A hub that is away is waited for; a refusal is told in the log, and life goes on.
    """
    dice = dice or random.Random()  # noqa: S311  plays lives, keeps no secrets
    continuing = Continuing(region, dice)
    known = state.region(region.seed, region.until)
    counts: Counter[str] = Counter()
    while not await _stopped(stop, dice.uniform(0.5, 1.5) / per_second):
        now = clock()
        life, happening = continuing.step(int(now.timestamp()))
        person = known.people.get(str(life.index))
        token = None if person is None else _token(state, happening.author, person)
        if person is None or token is None:
            continue
        body = flat(happening, UUID(person.worker_id), sent_id_of(life, happening, now))
        counts += await _sent(hub, token, body, stop)
    return counts


def _token(state: DemoState, author: Organization, person: Person) -> str | None:
    return person.token if author.role is Role.WORKER else state.keys.get(author.id)


async def _sent(
    hub: HubClient, token: str, body: dict[str, Any], stop: asyncio.Event
) -> Counter[str]:
    """Send one event, however long the hub is away; after `stop`, only what is nearly sent."""
    stopping = asyncio.create_task(stop.wait())
    sending = asyncio.create_task(_until_taken(hub, token, body))
    try:
        await asyncio.wait({stopping, sending}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait({sending}, timeout=_LAST_CALL_S)
        return sending.result() if sending.done() else Counter()
    finally:
        for task in (stopping, sending):
            task.cancel()


async def _until_taken(hub: HubClient, token: str, body: dict[str, Any]) -> Counter[str]:
    while True:
        try:
            return await hub.post_events(token, [body])
        except RetryableError as error:
            log.warning("the hub is away; the stream waits", error=str(error))
        except Refused as refused:
            log.warning("refused", error=str(refused))
            return Counter({"refused": 1})


async def _stopped(stop: asyncio.Event, wait_s: float) -> bool:
    try:
        async with asyncio.timeout(wait_s):
            await stop.wait()
    except TimeoutError:
        return False
    return True
