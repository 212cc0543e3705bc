"""The employer's page: who has waited longest today."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from starlette.responses import Response

from services.common.access import Principal
from services.common.clock import utc_now
from services.common.errors import Problem, not_found
from services.portal.calls import is_read, promises_url, send
from services.portal.i18n import Language
from services.portal.said import heard_words
from services.portal.steps import courses, step
from services.portal.store import Row
from services.portal.team_reads import Line, TeamReads
from services.portal.web import Visit
from services.portal.words import outcome_words, readable

TEAM = "/team"
_CODE_LENGTH = len("w-1a2b")


@dataclass(frozen=True, slots=True)
class Waiting:
    """One line of a list."""

    who: str
    what: str
    reasons: list[str]
    since: str
    days: str
    subject: str
    enrolment_id: str | None = None
    says: str | None = None
    words: str | None = None  # the person's own


async def team_page(visit: Visit) -> Response:
    """E1: who has waited longest? Only people who share with this employer, never ranked."""
    session, store, t = visit.signed_in, visit.portal.store, visit.t
    who = Principal(session.role, session.subject, "")
    today = await TeamReads(visit.state, store, who).today()
    promises = [line.row for line in (*today.ready.lines, *today.late.lines)]
    names = await store.names([session.subject])
    titles = await store.titles(
        courses(code for row in promises for code in row["criteria"] or ())
        | {line.row["course_id"] for line in today.unnoticed.lines}
    )
    now = utc_now()
    return visit.render(
        "team.html",
        name=names.get(session.subject) or readable(session.subject),
        ready=[_ready(line, titles, t, now) for line in today.ready.lines],
        unnoticed=[_unnoticed(line, titles, t, now) for line in today.unnoticed.lines],
        late=[_late(line, titles, t, now) for line in today.late.lines],
        said=[_said(line, t, now) for line in today.said.lines],
        today=today,
        was_noticed=visit.request.query_params.get("noticed") is not None,
    )


def _who(line: Line, t: Language) -> str:
    return line.name or t.gettext("Person %(code)s", code=line.subject[:_CODE_LENGTH])


def _days(since: datetime, now: datetime) -> int:
    return max(0, (now - since) // timedelta(days=1))


def _waits(since: datetime, t: Language, now: datetime) -> str:
    return t.ngettext("Waits %(num)s day", "Waits %(num)s days", _days(since, now))


def _ready(line: Line, titles: Mapping[str, str], t: Language, now: datetime) -> Waiting:
    row = line.row
    return Waiting(
        who=_who(line, t),
        what=_outcome(line, t),
        reasons=[step(code, t, titles) for code in row["criteria"] or ()],
        since=t.gettext("Due by %(date)s", date=t.date(row["due_at"])),
        days=_waits(row["ready_at"], t, now),
        subject=line.subject,
    )


def _late(line: Line, titles: Mapping[str, str], t: Language, now: datetime) -> Waiting:
    row = line.row
    days = max(1, _days(row["due_at"], now))
    return Waiting(
        who=_who(line, t),
        what=_outcome(line, t),
        reasons=[step(code, t, titles) for code in row["criteria"] or ()],
        since=t.gettext("Was due by %(date)s", date=t.date(row["due_at"])),
        days=t.ngettext("%(num)s day late", "%(num)s days late", days),
        subject=line.subject,
    )


def _said(line: Line, t: Language, now: datetime) -> Waiting:
    row = line.row
    return Waiting(
        who=_who(line, t),
        what=_outcome(line, t),
        reasons=[],
        since=t.gettext("Said on %(date)s", date=t.date(row["said_at"])),
        days=_waits(row["said_at"], t, now),
        subject=line.subject,
        says=heard_words(row["reason"], t),
        words=line.words,
    )


def _unnoticed(line: Line, titles: Mapping[str, str], t: Language, now: datetime) -> Waiting:
    row = line.row
    return Waiting(
        who=_who(line, t),
        what=titles.get(row["course_id"]) or readable(row["course_id"]),
        reasons=[],
        since=_finished(row, t),
        days=_waits(row["waits_since"], t, now),
        subject=line.subject,
        enrolment_id=row["enrolment_id"],
    )


def _finished(row: Row, t: Language) -> str:
    finished, hired = row["completed_at"], row["hired_at"]
    if finished >= hired:
        return t.gettext("Finished on %(date)s", date=t.date(finished))
    return t.gettext(
        "Finished on %(date)s, before you hired them on %(hired)s",
        date=t.date(finished),
        hired=t.date(hired),
    )


def _outcome(line: Line, t: Language) -> str:
    words = outcome_words(t).get(line.row["outcome"], t.gettext("something"))
    return words[:1].upper() + words[1:]


async def notice(visit: Visit) -> Response:
    """Say through `promises` that a course was seen to be finished."""
    form = await visit.form()
    order = {"subject": form.get("subject", ""), "enrolment_id": form.get("enrolment_id", "")}
    answered = await send(visit, f"{promises_url(visit)}/v1/trainings/acknowledge", order)
    if answered.status_code == 404:  # they may have stopped sharing since the page was made
        return visit.go(TEAM)
    if not answered.is_success:
        raise Problem(422, "invalid", "The course was not noted.")
    await is_read(visit, answered.json()["position"])
    return visit.go(f"{TEAM}?noticed=1")


async def team_of(visit: Visit) -> Response:
    """An employer's own page by its id. Raises Problem 404 for any other id."""
    if visit.request.path_params["organization"] != visit.signed_in.subject:
        raise not_found("page")
    return visit.go(TEAM)
