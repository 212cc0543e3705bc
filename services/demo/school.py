"""Training: offers, courses begun, and how they end. People leave in every month of a course."""

from __future__ import annotations

from typing import Final

from services.demo.job import find_work
from services.demo.model import DAY, HOUR, Chance, Enrolment, Life, Skill, Window
from services.demo.places import AGENCIES, COURSES, TAKEN_AT, Course, Organization

_LEAVING: Final = ("WITHDREW", "FOUND_WORK", "TRANSFERRED", "NO_SHOW", "OTHER", "DISMISSED")
_LEAVING_WEIGHTS: Final = (46, 22, 8, 9, 12, 3)
_LEVELS: Final = ("BEGINNER", "CAN_DO", "CAN_TEACH")
_EVIDENCE: Final = (
    "Did it alone on the floor while I watched.",
    "Showed two new colleagues how to do it.",
    "Passed the practical test without help.",
)


def study(life: Life, chance: Chance, window: Window) -> None:
    """Give the person courses, one after the other."""
    at = life.registered_at + chance.between(5, 420) * DAY
    for _ in range(chance.weighted(14, 40, 28, 13, 5)):
        if at >= window.until - 2 * DAY:
            return
        enrolment = _enrolment(life, chance, window, chance.working_hours(at))
        life.enrolments.append(enrolment)
        if enrolment.finished and enrolment.completed_at is not None:
            find_work(life, chance, window, enrolment.completed_at)
        at = max(enrolment.service_times(), default=at) + chance.between(30, 330) * DAY


def _enrolment(life: Life, chance: Chance, window: Window, start: int) -> Enrolment:
    course = _course(life, chance, start)
    enrolment = Enrolment(f"e-{life.code}-{len(life.enrolments) + 1}", course)
    if chance.yes(0.6):
        enrolment.offered_at = chance.working_hours(start - chance.between(3, 21) * DAY)
        enrolment.offered_at = max(enrolment.offered_at, life.registered_at + HOUR)
        enrolment.offered_by = _offers(life, chance, course, enrolment.offered_at)
        if chance.yes(0.12):
            return enrolment  # turned down
    enrolment.enrolled_at = max(start, (enrolment.offered_at or 0) + HOUR)
    _attend(enrolment, life, chance, window)
    return enrolment


def _course(life: Life, chance: Chance, at: int) -> Course:
    job = life.job_at(at)
    if life.language == "es" and chance.yes(0.25):
        return next(course for course in COURSES if course.id == "ha-english-work")
    near = TAKEN_AT[job.employer.id] if job else ()
    return chance.pick(near) if near and chance.yes(0.7) else chance.pick(COURSES)


def _offers(life: Life, chance: Chance, course: Course, at: int) -> Organization:
    job = life.job_at(at)
    if job is not None and chance.yes(0.4):
        return job.employer
    return chance.pick(AGENCIES) if chance.yes(0.3) else course.provider


def _attend(enrolment: Enrolment, life: Life, chance: Chance, window: Window) -> None:
    """From the first day to the end, to leaving, or to staying away without a word."""
    assert enrolment.enrolled_at is not None
    course, start = enrolment.course, enrolment.enrolled_at
    end = chance.working_hours(start + course.weeks * 7 * DAY)
    leaves = _leaves_at(course, life, chance, start, end)
    last = min(leaves or end, window.until)
    ability = 0.25 + 0.6 * chance.roll()
    if chance.yes(0.55):
        first_day = chance.working_hours(start + chance.between(1, 4) * DAY)
        _test(enrolment, first_day, "BEFORE", ability * 0.75, last)
    _progress(enrolment, chance, start, end, last)
    if leaves is not None:
        if chance.yes(0.78):
            enrolment.left_at = window.seen(leaves)
            enrolment.left_why = _LEAVING[chance.weighted(*_LEAVING_WEIGHTS)]
    elif end <= window.until:
        _complete(enrolment, life, chance, window, end, ability)


def _leaves_at(course: Course, life: Life, chance: Chance, start: int, end: int) -> int | None:
    """When the person leaves, if so: each month may be the one, the first two most of all."""
    month = start
    hardship = course.leaves * (1.5 - 0.9 * life.helped)
    for number in range(max(1, round((end - start) / (30 * DAY)))):
        if chance.yes(hardship * (1.6 if number < 2 else 0.8)):
            day = chance.working_hours(month + chance.between(2, 28) * DAY)
            return day if day < end - DAY else None
        month += 30 * DAY
    return None


def _progress(enrolment: Enrolment, chance: Chance, start: int, end: int, last: int) -> None:
    """Sessions every one to two weeks, never further apart than that."""
    pace = 5 if enrolment.course.weeks <= 12 else 12
    at = chance.working_hours(start + chance.between(1, 6) * DAY)
    while at < last - 2 * HOUR:
        done = min(0.99, (at - start) / (end - start))
        enrolment.sessions.append((at, round(max(0.0, done), 2)))
        at = chance.working_hours(at + chance.between(3, pace + 4) * DAY)


def _test(enrolment: Enrolment, at: int, phase: str, mark: float, last: int) -> None:
    if at < last:
        enrolment.tests.append((at, phase, round(min(1.0, max(0.0, mark)), 2)))


def _complete(
    enrolment: Enrolment, life: Life, chance: Chance, window: Window, end: int, ability: float
) -> None:
    """The last test, the result, the credential, and whether the employer takes note."""
    course = enrolment.course
    mark = min(1.0, ability + 0.25 * chance.roll())
    _test(enrolment, end - HOUR, "AFTER", mark, end)
    enrolment.completed_at, enrolment.mark = end, round(mark, 2)
    passed = chance.yes(course.passes)
    best = "DISTINCTION" if mark > 0.93 else "PASSED"
    enrolment.result = (best if course.credential else "COMPLETED") if passed else "FAILED"
    if not passed:
        enrolment.mark = round(min(mark, 0.39), 2)
        return
    if course.credential and chance.yes(0.93):
        enrolment.credential_at = window.seen(end + chance.between(1, 25) * DAY)
    job = life.job_at(end)
    if job is None:
        return
    enrolment.employer = job.employer
    noticed = chance.working_hours(end + chance.between(2, chance.between(5, 120)) * DAY)
    if chance.yes(job.employer.notices) and job.held_at(noticed):
        enrolment.noticed_at = window.seen(noticed)


def show_skills(life: Life, chance: Chance, window: Window) -> None:
    """What people say they can do, and what others saw."""
    if life.claimed and chance.yes(0.6):
        at = life.registered_at + chance.between(1, 60) * DAY
        _claim(life, chance, window, at, chance.pick(chance.pick(COURSES).skills))
    for enrolment in life.enrolments:
        if not enrolment.finished:
            continue
        end = enrolment.completed_at or 0
        for skill_id in enrolment.course.skills:
            if chance.yes(0.5):
                _attest(life, chance, window, enrolment, skill_id)
            if life.claimed and chance.yes(0.3):
                _claim(life, chance, window, end + chance.between(1, 40) * DAY, skill_id)


def _claim(life: Life, chance: Chance, window: Window, at: int, skill_id: str) -> None:
    at = chance.working_hours(at)
    if at <= window.until:
        life.skills.append(Skill(at, skill_id, _LEVELS[chance.weighted(30, 55, 15)]))


def _attest(
    life: Life, chance: Chance, window: Window, enrolment: Enrolment, skill_id: str
) -> None:
    """By the school's assessor soon after the end, or by a supervisor or mentor at work later."""
    end = enrolment.completed_at or 0
    level = _LEVELS[chance.weighted(20, 65, 15)]
    evidence = chance.pick(_EVIDENCE) if chance.yes(0.1) else None
    at_work = chance.working_hours(end + chance.between(10, 120) * DAY)
    job = life.job_at(at_work)
    if job is not None and chance.yes(0.45):
        role = "SUPERVISOR" if chance.yes(0.7) else "MENTOR"
        actor = f"{role.lower()}-{chance.between(1, 9)}"
        skill = Skill(at_work, skill_id, level, job.employer, role, actor, evidence)
    else:
        at = chance.working_hours(end + chance.between(1, 6) * DAY)
        actor = f"assessor-{chance.between(1, 6)}"
        skill = Skill(at, skill_id, level, enrolment.course.provider, "ASSESSOR", actor, evidence)
    if skill.at <= window.until:
        life.skills.append(skill)
