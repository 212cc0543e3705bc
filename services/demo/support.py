"""Support: who is helped, how, and who started it. Groups are helped unevenly, on purpose."""

from __future__ import annotations

from typing import Final

from services.demo.model import Chance, Enrolment, Life, SupportAct, Window
from services.demo.places import WORKFORCE_BOARD, Organization

# How likely help reaches a learner, by self-declared group, and what reading Spanish does to it.
REACHES: Final = {"women": 0.46, "men": 0.63, "not_stated": 0.5}
SPANISH: Final = 0.72
# Kind, weight, longest time in minutes (0: not measured), who may start it with what weight.
_KINDS: Final = (
    ("NUDGE", 26, 0, (5, 20, 25, 50)),
    ("MENTORING", 20, 60, (30, 50, 15, 5)),
    ("MENTORING_CIRCLE", 7, 90, (25, 35, 40, 0)),
    ("COACHING", 15, 60, (35, 20, 45, 0)),
    ("TUITION", 12, 0, (45, 15, 40, 0)),
    ("PAID_TIME", 10, 480, (30, 70, 0, 0)),
    ("CHILDCARE", 5, 0, (85, 5, 10, 0)),
    ("TRANSPORT", 5, 0, (80, 5, 15, 0)),
)
_WEIGHTS: Final = tuple(kind[1] for kind in _KINDS)
_STARTERS: Final = ("WORKER", "SUPERVISOR", "PROVIDER", "SYSTEM")
_AT_WORK: Final = frozenset({"PAID_TIME"})


def help_learners(life: Life, chance: Chance, window: Window) -> None:
    """Give support while courses run. What helps also keeps people in: see school._leaves_at."""
    for enrolment in life.enrolments:
        times = enrolment.service_times()
        if not times or not chance.yes(life.helped):
            continue
        for _ in range(1 + chance.weighted(40, 30, 18, 12)):
            at = chance.working_hours(min(times) + int((max(times) - min(times)) * chance.roll()))
            at = max(at, min(times) + 60)
            if at <= window.until:
                life.support.append(_act(life, chance, enrolment, at))


def _act(life: Life, chance: Chance, enrolment: Enrolment, at: int) -> SupportAct:
    kind, _, longest, starters = _KINDS[chance.weighted(*_WEIGHTS)]
    job = life.job_at(at)
    if job is None and kind in _AT_WORK:
        kind, _, longest, starters = _KINDS[0]
    starter = _STARTERS[chance.weighted(*starters)]
    if starter == "SUPERVISOR" and job is None:
        starter = "PROVIDER"
    giver: Organization = enrolment.course.provider
    if job is not None and (starter == "SUPERVISOR" or kind in _AT_WORK):
        giver = job.employer
    elif kind in {"TUITION", "CHILDCARE", "TRANSPORT"}:
        giver = WORKFORCE_BOARD
    minutes = 5 * chance.between(3, longest // 5) if longest else None
    return SupportAct(at, kind, starter, giver, minutes)


def reach_of(group: str, language: str) -> float:
    """How likely support reaches somebody of a group who reads this language."""
    return REACHES[group] * (SPANISH if language == "es" else 1.0)
