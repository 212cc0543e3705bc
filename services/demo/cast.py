"""The named cast: people with a fixed story, counted back from the day the region ends.

Rosa finished two courses at work: Acme Foods noticed one and has let its promise of more pay run
late, and never noticed the other. She is about to finish a third, and Acme asks to see her record.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from services.demo.model import (
    DAY,
    HOUR,
    Enrolment,
    Job,
    Life,
    Promise,
    Sharing,
    Skill,
    SupportAct,
    Window,
)
from services.demo.places import (
    ACME,
    FOOD_SAFETY,
    FORKLIFT,
    PATHWAYS,
    RIVER,
    SHIFT_LEAD,
    Course,
    Employer,
)

_PATHWAY: Final = {pathway.id: pathway for pathway in PATHWAYS}
_RAISE: Final = _PATHWAY["acme-foods.rc-food-safety-2"]
_INTERVIEW: Final = _PATHWAY["acme-foods.rc-shift-lead"]


class Days:
    """Instants counted back from the window's end."""

    def __init__(self, window: Window) -> None:
        self._today = window.until - window.until % DAY

    def ago(self, days: int, hour: int = 9, minute: int = 0) -> int:
        return self._today - days * DAY + hour * HOUR + minute * 60


def _named(life: Life, name: str, language: str, group: str, registered_at: int) -> Life:
    life.name, life.language, life.group = name, language, group
    life.email = f"{name.lower().replace(' ', '.')}@people.example"
    life.registered_at, life.claimed, life.helped = registered_at, True, 1.0
    return life


def _job(life: Life, employer: Employer, rung: int, started_at: int) -> Job:
    step = employer.ladder[rung]
    job = Job(
        code=f"j-{life.code}-{len(life.jobs) + 1}",
        employer=employer,
        started_at=started_at,
        ended_at=None,
        end_reason=None,
        occupation=step.occupation,
        level=step.level,
        pay=[(started_at, step.hourly_cents)],
    )
    life.jobs.append(job)
    return job


def rosa(life: Life, window: Window) -> Life:
    """Rosa Martinez: two courses done, one of them never noticed, and a promise late."""
    day = Days(window)
    _named(life, "Rosa Martinez", "es", "women", day.ago(600))
    job = _job(life, ACME, 0, day.ago(590))
    job.pay.append((day.ago(230), 1690))
    _finished_food_safety(life, day)
    _finished_forklift(life, day)
    _running_shift_lead(life, day)
    life.support.append(SupportAct(day.ago(60, 12), "MENTORING", "WORKER", ACME, 30))
    life.support.append(SupportAct(day.ago(20, 17), "NUDGE", "SYSTEM", RIVER, None))
    life.skills += [
        Skill(day.ago(70), "onet:2.B.3.m", "CAN_DO"),
        Skill(day.ago(33), "onet:2.B.3.m", "CAN_DO", RIVER, "ASSESSOR", "assessor-2"),
        Skill(day.ago(18, 15), "onet:2.B.1.b", "CAN_DO", ACME, "SUPERVISOR", "dana-ruiz",
              "Rosa ran the packing line alone for a week."),
    ]  # fmt: skip
    return life


def _finished_food_safety(life: Life, day: Days) -> None:
    food = Enrolment(f"e-{life.code}-1", FOOD_SAFETY, day.ago(100), ACME, day.ago(93))
    food.sessions = [(day.ago(91 - 7 * n, 18), round(n / 8, 2)) for n in range(8)]
    food.tests = [(day.ago(91), "BEFORE", 0.42), (day.ago(35, 10), "AFTER", 0.91)]
    food.completed_at, food.result, food.mark = day.ago(35, 12), "PASSED", 0.91
    food.credential_at = day.ago(34)
    food.employer, food.noticed_at = ACME, day.ago(31, 14)
    life.enrolments.append(food)
    late = Promise(f"p-{life.code}-1", _RAISE, day.ago(90), day.ago(88), day.ago(35, 12))
    late.due_by = day.ago(5, 12)
    life.promises.append(late)


def _finished_forklift(life: Life, day: Days) -> None:
    forklift = Enrolment(f"e-{life.code}-2", FORKLIFT, None, None, day.ago(75))
    forklift.sessions = [(day.ago(74 - 5 * n, 18, 30), round(n / 6, 2)) for n in range(5)]
    forklift.completed_at, forklift.result, forklift.mark = day.ago(47, 16), "PASSED", 0.88
    forklift.credential_at, forklift.employer = day.ago(45), ACME
    life.enrolments.append(forklift)


def _running_shift_lead(life: Life, day: Days) -> None:
    lead = Enrolment(f"e-{life.code}-3", SHIFT_LEAD, day.ago(112), RIVER, day.ago(105))
    lead.sessions = [(day.ago(103 - 7 * n, 19), round(n / 16, 2)) for n in range(15)]
    lead.tests = [(day.ago(104), "BEFORE", 0.38)]
    life.enrolments.append(lead)
    life.promises.append(Promise(f"p-{life.code}-2", _INTERVIEW, day.ago(101), day.ago(100)))


def ben(life: Life, window: Window) -> Life:
    """Ben Tran: shares with Acme Foods; one promise was kept in time, one waits for his course."""
    day = Days(window)
    _named(life, "Ben Tran", "en", "men", day.ago(700))
    job = _job(life, ACME, 0, day.ago(690))
    _done(life, day, FOOD_SAFETY, began=330, ended=272, noticed=270)
    kept = Promise(f"p-{life.code}-1", _RAISE, day.ago(325), day.ago(324), day.ago(272, 12))
    kept.due_by, kept.kept_at = day.ago(242, 12), day.ago(260, 11)
    life.promises.append(kept)
    job.pay.append((day.ago(260, 10, 59), 1760))
    lead = Enrolment(f"e-{life.code}-2", SHIFT_LEAD, None, None, day.ago(60))
    lead.sessions = [(day.ago(58 - 7 * n, 19), round(n / 16, 2)) for n in range(8)]
    life.enrolments.append(lead)
    life.promises.append(Promise(f"p-{life.code}-2", _INTERVIEW, day.ago(57), day.ago(55)))
    life.sharing.append(
        Sharing(ACME, ("training", "skill", "credential", "promise"), ("advancement",), 6)
    )
    return life


def dana(life: Life, window: Window) -> Life:
    """Dana Ruiz: Rosa's supervisor, who came up from the packing line herself."""
    day = Days(window)
    _named(life, "Dana Ruiz", "en", "women", day.ago(700))
    job = _job(life, ACME, 1, day.ago(695))
    _done(life, day, SHIFT_LEAD, began=500, ended=386, noticed=380)
    lead = ACME.ladder[2]
    job.promotions.append((day.ago(340), lead.occupation, lead.level))
    job.pay += [(day.ago(339), 2260), (day.ago(20), 2350)]
    promised = Promise(f"p-{life.code}-1", _INTERVIEW, day.ago(495), day.ago(494))
    promised.met_at, promised.due_by = day.ago(386, 12), day.ago(356, 12)
    promised.guaranteed_at, promised.kept_at = day.ago(384), day.ago(362, 15)
    life.promises.append(promised)
    life.skills.append(Skill(day.ago(300), "onet:2.B.5.d", "CAN_TEACH", ACME, "MENTOR", "mentor-1"))
    life.sharing.append(Sharing(ACME, ("training", "skill"), ("advancement",), 6))
    return life


def amir(life: Life, window: Window) -> Life:
    """Amir Haddad: left a long course in its second month with no help, and works elsewhere."""
    day = Days(window)
    _named(life, "Amir Haddad", "en", "men", day.ago(420))
    course = Enrolment(f"e-{life.code}-1", SHIFT_LEAD, day.ago(410), RIVER, day.ago(400))
    course.sessions = [(day.ago(398 - 7 * n, 18), round(n / 16, 2)) for n in range(6)]
    course.left_at, course.left_why = day.ago(355), "FOUND_WORK"
    life.enrolments.append(course)
    job = _job(life, ACME, 0, day.ago(350))
    job.ended_at, job.end_reason = day.ago(150), "CONTRACT_ENDED"
    life.helped = 0.0
    return life


def _done(life: Life, day: Days, course: Course, *, began: int, ended: int, noticed: int) -> None:
    """A course taken to its end, passed and noticed by Acme Foods."""
    taken = Enrolment(f"e-{life.code}-{len(life.enrolments) + 1}", course)
    taken.enrolled_at = day.ago(began)
    days = range(began - 2, ended, -7)
    taken.sessions = [(day.ago(d, 18), round((began - d) / (began - ended), 2)) for d in days]
    taken.completed_at, taken.result, taken.mark = day.ago(ended, 12), "PASSED", 0.84
    taken.credential_at, taken.employer = day.ago(ended - 2), ACME
    taken.noticed_at = day.ago(noticed, 14)
    life.enrolments.append(taken)


CAST: Final[tuple[Callable[[Life, Window], Life], ...]] = (rosa, ben, dana, amir)
# Who can be opened by name, and the number of the life.
NAMES: Final = {maker.__name__: index for index, maker in enumerate(CAST)}
