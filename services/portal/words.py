"""The words of the record: what its parts, purposes, levels and promises are called."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Any

from services.portal.i18n import Language


def readable(code: str) -> str:
    """`skill:forklift-safety` becomes `Forklift safety`, for codes nobody explained."""
    words = code.rpartition(":")[2].replace("-", " ").replace("_", " ").strip()
    return words[:1].upper() + words[1:] if words else code


@cache
def occupations() -> Mapping[str, str]:
    """Job titles by O*NET-SOC code. Source: O*NET 29.3 Database, USDOL/ETA, CC BY 4.0."""
    path = resources.files("services.portal").joinpath("data", "occupations.csv")
    return dict(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))


@cache
def _skills() -> Mapping[str, tuple[str, str]]:
    """Short names of O*NET's skills in English and Spanish, by element."""
    path = resources.files("services.portal").joinpath("data", "skills.csv")
    rows = csv.reader(io.StringIO(path.read_text(encoding="utf-8")))
    return {code: (english, spanish) for code, english, spanish in rows}


def skill(skill_id: str, t: Language) -> str:
    """A skill's name in the reader's language, or its code made readable."""
    framework, _, code = skill_id.partition(":")
    names = _skills().get(code) if framework == "onet" else None
    return readable(skill_id) if names is None else names[t.code == "es"]


def occupation(code: str | None) -> str | None:
    return occupations().get(code) if code else None


def category_words(t: Language) -> Mapping[str, str]:
    """What may be seen, as a choice names it."""
    return {
        "identity": t.gettext("Your name and how to reach you"),
        "training": t.gettext("Your training"),
        "credential": t.gettext("Your certificates"),
        "skill": t.gettext("Your skills, and who checked them"),
        "experience": t.gettext("Work you did before"),
        "support": t.gettext("Help you got"),
        "promise": t.gettext("Promises made to you"),
        "opportunity": t.gettext("Your interviews"),
        "employment": t.gettext("Your jobs"),
        "wage": t.gettext("What you are paid"),
    }


def purpose_words(t: Language) -> Mapping[str, str]:
    """What they may use it for."""
    return {
        "hiring": t.gettext("To decide if they can hire you."),
        "advancement": t.gettext("To find you a better job or more pay."),
        "training_support": t.gettext("To help you with your training."),
        "programme_outcomes": t.gettext("To see if their training works."),
    }


def seen_words(t: Language) -> Mapping[str, str]:
    """What was sent, by the type of what happened."""
    return {
        "AssessmentTaken": t.gettext("A test you took"),
        "ContactChanged": t.gettext("Your name and how to reach you"),
        "CredentialAwarded": t.gettext("A certificate you got"),
        "CredentialRevoked": t.gettext("A certificate that was taken back"),
        "CriterionMet": t.gettext("A part of a promise you did"),
        "CriterionUnmet": t.gettext("A part of a promise that is open again"),
        "EmploymentEnded": t.gettext("A job that ended"),
        "EmploymentStarted": t.gettext("A job you started"),
        "ExperienceRecorded": t.gettext("Work you did before or elsewhere"),
        "GoalStated": t.gettext("A goal of yours"),
        "InterestExpressed": t.gettext("Your interest in a job"),
        "InterviewGuaranteed": t.gettext("An interview you were promised"),
        "InterviewHeld": t.gettext("An interview you had"),
        "InterviewMissed": t.gettext("An interview that did not take place"),
        "InterviewScheduled": t.gettext("An interview that was planned"),
        "NudgeSuggested": t.gettext("A hint to help you"),
        "OfferAnswered": t.gettext("Your answer to a job offer"),
        "OfferMade": t.gettext("A job you were offered"),
        "PromiseAccepted": t.gettext("A promise you said yes to"),
        "PromiseDeclined": t.gettext("A promise you said no to"),
        "PromiseDisputed": t.gettext("What you said of a promise"),
        "PromiseDue": t.gettext("A promise that is now due"),
        "PromiseKept": t.gettext("A promise that was kept"),
        "PromiseLapsed": t.gettext("A promise that was not kept"),
        "PromiseMade": t.gettext("A promise made to you"),
        "PromiseWithdrawn": t.gettext("A promise that was taken back"),
        "Promoted": t.gettext("A step up at work"),
        "RoleChanged": t.gettext("New duties at work"),
        "SkillAttestationWithdrawn": t.gettext("A check of a skill that was taken back"),
        "SkillAttested": t.gettext("A skill that was checked"),
        "SkillClaimed": t.gettext("A skill you named"),
        "SupervisorAssigned": t.gettext("Your new supervisor"),
        "SupportGiven": t.gettext("Help you got"),
        "TrainingAcknowledged": t.gettext("An employer saw your training"),
        "TrainingCompleted": t.gettext("A course you finished"),
        "TrainingDecided": t.gettext("An answer about a course"),
        "TrainingEnrolled": t.gettext("A course you joined"),
        "TrainingExited": t.gettext("A course you left"),
        "TrainingOffered": t.gettext("A course you were offered"),
        "TrainingProgressed": t.gettext("Your work on a course"),
        "TrainingRequested": t.gettext("A course somebody asked for you"),
        "WageChanged": t.gettext("A change of pay"),
        "WorkerRegistered": t.gettext("Your name and how to reach you"),
    }


def outcome_words(t: Language) -> Mapping[str, str]:
    """What a promise is about."""
    return {
        "INTERVIEW": t.gettext("an interview"),
        "ROLE": t.gettext("a better job"),
        "WAGE_STEP": t.gettext("more pay"),
        "BONUS": t.gettext("a bonus"),
    }


def level_words(t: Language) -> Mapping[str, str]:
    """How well somebody can do something."""
    return {
        "BEGINNER": t.gettext("Beginner"),
        "CAN_DO": t.gettext("Can do it"),
        "CAN_TEACH": t.gettext("Can teach it"),
    }


def experience_words(t: Language) -> Mapping[str, str]:
    """What kind of work somebody did."""
    return {
        "JOB": t.gettext("A job"),
        "VOLUNTEER": t.gettext("Volunteer work"),
        "MILITARY": t.gettext("Military service"),
        "GIG": t.gettext("Short jobs"),
        "CAREGIVING": t.gettext("Care for family"),
        "ABROAD": t.gettext("Work in another country"),
    }


def goal_words(t: Language) -> Mapping[str, str]:
    """Where somebody wants to go."""
    return {
        "ROLE": t.gettext("Another job"),
        "WAGE": t.gettext("More pay"),
        "SKILL": t.gettext("A new skill"),
        "CREDENTIAL": t.gettext("A certificate"),
        "MORE_HOURS": t.gettext("More hours"),
        "NO_PROMOTION": t.gettext("To stay where you are"),
    }


def pay(fields: Mapping[str, Any], t: Language) -> str | None:
    """`$18.50 an hour`, or None when the amount is not known."""
    amount: Decimal | None = fields.get("wage_amount")
    if amount is None or not fields.get("wage_currency"):
        return None
    money = t.money(amount, fields["wage_currency"])
    return {
        "HOUR": t.gettext("%(money)s an hour", money=money),
        "DAY": t.gettext("%(money)s a day", money=money),
        "WEEK": t.gettext("%(money)s a week", money=money),
        "MONTH": t.gettext("%(money)s a month", money=money),
        "YEAR": t.gettext("%(money)s a year", money=money),
    }.get(fields["wage_period"], money)
