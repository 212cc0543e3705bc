"""The worker's pages: my story, who sees it, stop sharing."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from typing import Any
from uuid import UUID

from starlette.responses import Response

from services.common.clock import utc_now
from services.common.codec import Decoded
from services.common.errors import not_found, unavailable
from services.portal.calls import consent_url
from services.portal.facts import NOT_ON_TIME_LINE, Fact, fact_of, promise_code
from services.portal.i18n import Language
from services.portal.promised import PROMISES, is_new
from services.portal.reading import Cursors
from services.portal.requests import address as request_at
from services.portal.sayings import Known
from services.portal.store import AgreedGrant, ReadStore, SeenRow, StoryFilter
from services.portal.web import Visit
from services.portal.words import (
    category_words,
    outcome_words,
    purpose_words,
    readable,
    seen_words,
)

FACTS_A_PAGE = 30
SEEN_A_PAGE = 40
WAITING = 3


@dataclass(frozen=True, slots=True)
class Card:
    """One organisation with a live grant."""

    grant_id: UUID
    name: str
    what: list[str]
    why: list[str]
    until: str
    last_seen: str | None


@dataclass(frozen=True, slots=True)
class Seen:
    """What one organisation saw on one day, and why it might."""

    name: str
    what: list[tuple[str, int]]  # words, how often
    why: list[str]


async def my_story(visit: Visit) -> Response:
    """W1: what has happened, and what waits for me?"""
    store, t, worker_id = visit.portal.store, visit.t, visit.signed_in.worker_id
    cursors = Cursors(visit.state.vault, "self", worker_id)
    before = cursors.read(visit.request.query_params.get("before"))
    events = await store.story(
        worker_id, StoryFilter(FACTS_A_PAGE + 1, leave_out=NOT_ON_TIME_LINE, before=before)
    )
    shown, now = events[:FACTS_A_PAGE], utc_now()
    known = await _known(store, worker_id, shown, now)
    facts = [fact_of(event, t, known) for event in shown]
    waiting = [] if before else await _waiting(store, worker_id, t, now)
    return visit.render(
        "story.html",
        years=_by_year(facts),
        is_first=before is None,
        waiting=waiting[:WAITING],
        more_waiting=max(0, len(waiting) - WAITING),
        is_parked=await store.is_parked(worker_id),
        older=cursors.write(shown[-1]) if len(events) > FACTS_A_PAGE else None,
    )


async def _known(
    store: ReadStore, worker_id: UUID, events: Sequence[Decoded], now: datetime
) -> Known:
    """Look up the names and titles that the facts need."""
    named = ("source", "employer_id", "provider_id")
    titled = ("course_id", "credential_kind")
    promises = [p for event in events if (p := event.fields.get("promise_id"))]
    rows = await store.promises(worker_id, promises) if promises else []
    return Known(
        now=now,
        names=await store.names(_values(events, named)),
        titles=await store.titles(_values(events, titled)),
        promises={row["promise_id"]: row for row in rows},
    )


def _values(events: Sequence[Decoded], fields: Sequence[str]) -> set[str]:
    return {value for event in events for name in fields if (value := event.fields.get(name))}


def _by_year(facts: Sequence[Fact]) -> list[tuple[int, list[Fact]]]:
    return [(year, list(group)) for year, group in groupby(facts, key=lambda fact: fact.at.year)]


async def _waiting(
    store: ReadStore, worker_id: UUID, t: Language, now: datetime
) -> list[tuple[str, str]]:
    """What waits, with its address: late promises, requests to share, promises to answer."""
    promises = await store.promises(worker_id)
    late = [row for row in promises if promise_code(row, now) == "late"]
    new = [row for row in promises if is_new(row, now)]
    asked = await store.open_requests(worker_id, now)
    names = await store.names(
        {row["employer_id"] for row in (*late, *new)} | {row["recipient_id"] for row in asked}
    )
    return [
        *((_late_promise(row, names.get(row["employer_id"]), t, now), PROMISES) for row in late),
        *(
            (_open_request(row, names.get(row["recipient_id"]), t), request_at(row["request_id"]))
            for row in asked
        ),
        *((_new_promise(row, names.get(row["employer_id"]), t), PROMISES) for row in new),
    ]


def _late_promise(row: Any, name: str | None, t: Language, now: datetime) -> str:
    days = max(1, (now - (row["due_at"] or row["lapsed_at"])).days)
    something = t.gettext("something")
    return t.ngettext(
        "%(name)s promised you %(what)s. It is %(num)s day late.",
        "%(name)s promised you %(what)s. It is %(num)s days late.",
        days,
        name=name or readable(row["employer_id"]),
        what=outcome_words(t).get(row["outcome"], something),
    )


def _new_promise(row: Any, name: str | None, t: Language) -> str:
    return t.gettext(
        "%(name)s promises you %(what)s. Say yes or no.",
        name=name or readable(row["employer_id"]),
        what=outcome_words(t).get(row["outcome"], t.gettext("something")),
    )


def _open_request(row: Any, name: str | None, t: Language) -> str:
    return t.gettext(
        "%(name)s asks to see your record. They wait until %(date)s.",
        name=name or readable(row["recipient_id"]),
        date=t.date(row["expires_at"]),
    )


async def sharing(visit: Visit) -> Response:
    """W4: who may see my record, and who did?"""
    store, t, worker_id = visit.portal.store, visit.t, visit.signed_in.worker_id
    now = utc_now()
    agreed = await store.grants(worker_id)
    before = _seen_before(visit)
    rows = await store.seen(worker_id, before, SEEN_A_PAGE + 1)
    names = await store.names(
        {one.grant.recipient_id for one in agreed} | {row.recipient_id for row in rows}
    )
    last = await store.last_seen(worker_id)
    stopped = visit.request.query_params.get("stopped")
    return visit.render(
        "sharing.html",
        cards=[_card(one, names, last, t) for one in agreed if one.is_live(now)],
        ended=[_ended(one, names, t) for one in agreed if not one.is_live(now)][:20],
        days=_by_day(rows[:SEEN_A_PAGE], agreed, names, t),
        is_first=before is None,
        older=_seen_place(rows[SEEN_A_PAGE - 1]) if len(rows) > SEEN_A_PAGE else None,
        stopped=next((_name(a, names) for a in agreed if _is_stopped(a, stopped)), None),
    )


def _name(one: AgreedGrant, names: Any) -> str:
    return str(names.get(one.grant.recipient_id) or readable(one.grant.recipient_id))


def _is_stopped(one: AgreedGrant, grant_id: str | None) -> bool:
    return str(one.grant.grant_id) == grant_id and one.ended_at is not None


def _card(one: AgreedGrant, names: Any, last: Any, t: Language) -> Card:
    grant = one.grant
    categories, purposes = category_words(t), purpose_words(t)
    seen_at = last.get(grant.recipient_id)
    return Card(
        grant_id=grant.grant_id,
        name=_name(one, names),
        what=[words for code, words in categories.items() if code in grant.categories],
        why=[words for code, words in purposes.items() if code in grant.purposes],
        until=t.date(grant.valid_until),
        last_seen=t.date(seen_at) if seen_at else None,
    )


def _ended(one: AgreedGrant, names: Any, t: Language) -> str:
    if one.ended_at:
        return t.gettext(
            "%(name)s: you stopped on %(date)s.", name=_name(one, names), date=t.date(one.ended_at)
        )
    return t.gettext(
        "%(name)s: it ended on %(date)s.",
        name=_name(one, names),
        date=t.date(one.grant.valid_until),
    )


def _by_day(
    rows: Sequence[SeenRow], agreed: Sequence[AgreedGrant], names: Any, t: Language
) -> list[tuple[date, str, list[Seen]]]:
    """What was sent, under the day it was sent on, by organisation and grant."""
    agreed_to = {str(one.grant.grant_id): one.grant.purposes for one in agreed}
    days = []
    for day, of_day in groupby(rows, key=lambda row: row.day):
        shown = [
            _seen_by(recipient, agreed_to.get(grant_text, frozenset()), list(group), names, t)
            for (recipient, grant_text), group in groupby(
                of_day, key=lambda row: (row.recipient_id, row.grant_text)
            )
        ]
        days.append((day, t.date(day), shown))
    return days


def _seen_by(
    recipient_id: str, purposes: Set[str], rows: Sequence[SeenRow], names: Any, t: Language
) -> Seen:
    kinds, other = seen_words(t), t.gettext("Part of your record")
    return Seen(
        name=names.get(recipient_id) or readable(recipient_id),
        what=[(kinds.get(row.subject_type, other), row.times) for row in rows],
        why=[words for code, words in purpose_words(t).items() if code in purposes],
    )


def _seen_place(row: SeenRow) -> str:
    return "~".join((row.day.isoformat(), *row.key[1:]))


def _seen_before(visit: Visit) -> tuple[date, str, str, str] | None:
    """Read where the page begins; an address somebody changed begins at the start."""
    parts = visit.request.query_params.get("before", "").split("~")
    try:
        day, recipient, grant, kind = parts
        return date.fromisoformat(day), recipient, grant, kind
    except ValueError:
        return None


async def ask_stop(visit: Visit) -> Response:
    """The one question before sharing stops."""
    one = await _own_grant(visit)
    if not one.is_live(utc_now()):
        return visit.go(f"/me/sharing?stopped={one.grant.grant_id}")
    names = await visit.portal.store.names([one.grant.recipient_id])
    return visit.render("stop.html", name=_name(one, names), grant_id=one.grant.grant_id)


async def stop(visit: Visit) -> Response:
    """Withdraw through `consent`, and show that it is so."""
    await visit.form()
    grant_id = (await _own_grant(visit)).grant.grant_id
    answer = await visit.portal.http.delete(
        f"{consent_url(visit)}/v1/grants/{grant_id}",
        params={"channel": "PORTAL"},
        headers={"Authorization": f"Bearer {visit.signed_in.bearer}"},
    )
    # A revocation stands even when the log could not be told yet.
    if not answer.is_success and (await _own_grant(visit)).ended_at is None:
        raise unavailable("Sharing could not be stopped now.")
    return visit.go(f"/me/sharing?stopped={grant_id}")


async def _own_grant(visit: Visit) -> AgreedGrant:
    """The grant that the address names. Raises Problem 404 when it is not this worker's."""
    wanted = visit.request.path_params["grant"]
    for one in await visit.portal.store.grants(visit.signed_in.worker_id):
        if one.grant.grant_id == wanted:
            return one
    raise not_found("share")
