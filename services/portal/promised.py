"""The page of promises: what, who, by when, and was it kept; and the answer to a new one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from services.common.clock import utc_now
from services.common.errors import Problem, not_found
from services.portal import requests
from services.portal.calls import is_read, promises_url, send
from services.portal.facts import LATE_FOR, OVER, State, is_withdrawn, promise_code, promise_state
from services.portal.i18n import Language
from services.portal.promise_store import PromiseStore
from services.portal.said import PLACES, Saying, Sayings, is_offered, said_words, sayings_of
from services.portal.steps import courses, step
from services.portal.store import Row
from services.portal.web import Visit
from services.portal.words import outcome_words, readable

PROMISES = "/me/promises"
PROMISES_A_PAGE = 15


@dataclass(frozen=True, slots=True)
class Promise:
    """One promise, as a card shows it."""

    promise_id: str
    what: str
    who: str
    made: str
    state: State
    steps: list[tuple[str, bool]]  # what to do, and whether it is done
    due: str | None
    within: str | None  # before it is due: how many days they will have
    days: str | None
    kept: str | None
    withdrawn: str | None
    waits_for_answer: bool
    said: list[tuple[str, str, str | None]]  # what the person said, when, in which words
    may_say: list[tuple[str, str]]  # addresses of pages, with what can be said there


def is_over(promise: Mapping[str, Any], now: datetime) -> bool:
    return promise_code(promise, now) in OVER


def is_new(promise: Mapping[str, Any], now: datetime) -> bool:
    """Whether the person has yet to say yes or no. One that fell due was a yes."""
    is_open = promise_code(promise, now) == "open"
    return is_open and not promise["accepted_at"] and not promise["due_at"]


async def promises_page(visit: Visit) -> Response:
    """W3: was it kept?"""
    start = _start(visit)
    store = PromiseStore(visit.state.pool)
    t, now = visit.t, utc_now()
    late_since = now - LATE_FOR
    rows = await store.promises(visit.signed_in.worker_id, late_since, PROMISES_A_PAGE + 1, start)
    shown = rows[:PROMISES_A_PAGE]
    known = await _known(visit, shown)
    return visit.render(
        "promises.html",
        groups=_groups([(row, _promise(row, known, t, now)) for row in shown], t, now),
        answered=visit.request.query_params.get("answered"),
        said=visit.request.query_params.get("said"),
        older=start + PROMISES_A_PAGE if len(rows) > PROMISES_A_PAGE else None,
        is_first=start == 0,
    )


def _start(visit: Visit) -> int:
    asked = visit.request.query_params.get("from", "")
    return min(int(asked), 10_000) if asked.isascii() and asked.isdigit() else 0


@dataclass(frozen=True, slots=True)
class _Known:
    """Names of employers, titles of courses to finish, and what the person said of promises."""

    names: Mapping[str, str]
    titles: Mapping[str, str]
    said: Sayings


async def _known(visit: Visit, rows: Sequence[Row]) -> _Known:
    store, keyring = visit.portal.store, visit.state.keyring
    return _Known(
        names=await store.names(row["employer_id"] for row in rows),
        titles=await store.titles(courses(code for row in rows for code in row["criteria"] or ())),
        said=await sayings_of(store, keyring, visit.signed_in.worker_id),
    )


def _groups(
    cards: Sequence[tuple[Row, Promise]], t: Language, now: datetime
) -> list[tuple[str, str, list[Promise]]]:
    """Cards under a heading: what waits for an answer, what goes on, and what is over."""
    new = [card for _, card in cards if card.waits_for_answer]
    over = [card for row, card in cards if is_over(row, now)]
    going = [card for row, card in cards if not card.waits_for_answer and not is_over(row, now)]
    groups = [
        ("new", t.gettext("Do you want it?"), new),
        ("open", t.gettext("Still open"), going),
        ("over", t.gettext("Over"), over),
    ]
    return [group for group in groups if group[2]]


def _promise(row: Row, known: _Known, t: Language, now: datetime) -> Promise:
    outcome = outcome_words(t).get(row["outcome"], t.gettext("something"))
    said = known.said.get(row["promise_id"], ())
    return Promise(
        promise_id=row["promise_id"],
        what=outcome[:1].upper() + outcome[1:],
        who=known.names.get(row["employer_id"]) or readable(row["employer_id"]),
        made=t.date(row["made_at"]),
        state=promise_state(row, t, now),
        steps=[
            (step(code, t, known.titles), _is_done(code, row)) for code in row["criteria"] or ()
        ],
        due=t.date(row["due_at"]) if row["due_at"] and not is_withdrawn(row) else None,
        within=_within(row, t) if not row["due_at"] and not is_over(row, now) else None,
        days=_days(row, t, now),
        kept=t.date(row["kept_at"]) if row["kept_at"] else None,
        withdrawn=t.date(row["withdrawn_at"]) if is_withdrawn(row) else None,
        waits_for_answer=is_new(row, now),
        said=[(said_words(one.reason, t), t.date(one.at), one.words) for one in said],
        may_say=_may_say(row, said, t, now),
    )


def _may_say(row: Row, said: Sequence[Saying], t: Language, now: datetime) -> list[tuple[str, str]]:
    words = {"not-kept": t.gettext("It was not kept"), "question": t.gettext("Ask about it")}
    return [
        (f"{PROMISES}/{quote(row['promise_id'])}/{place}", words[place])
        for place, reason in PLACES.items()
        if is_offered(reason, row, said, now)
    ]


def _is_done(code: str, row: Row) -> bool:
    """Once the promise is due, all of it was done."""
    return code in row["met"] or row["due_at"] is not None


def _within(row: Row, t: Language) -> str:
    return t.ngettext(
        "No later than %(num)s day after you do your part",
        "No later than %(num)s days after you do your part",
        row["due_in_days"],
    )


def _days(row: Row, t: Language, now: datetime) -> str | None:
    """How many days are left, or how late it is."""
    due = row["due_at"]
    if due is None or row["kept_at"] or row["declined_at"] or is_withdrawn(row):
        return None
    if due < now:
        days = max(1, (now - due) // timedelta(days=1))
        return t.ngettext("%(num)s day late", "%(num)s days late", days)
    days = (due - now) // timedelta(days=1)
    return t.ngettext("%(num)s day left", "%(num)s days left", days)


async def answer(visit: Visit) -> Response:
    """Say yes or no through `promises`; a yes leads on to what the employer asks to see."""
    form = await visit.form()
    promise_id, said = form.get("promise_id", ""), form.get("answer")
    store = PromiseStore(visit.state.pool)
    row = await store.promise(visit.signed_in.worker_id, promise_id)
    if row is None or said not in ("accept", "decline"):
        raise not_found("promise")
    address = f"{promises_url(visit)}/v1/promises/{quote(promise_id, safe='')}/answer"
    answered = await send(visit, address, {"answer": said})
    if answered.status_code == 409:  # answered before: the page shows how
        return visit.go(PROMISES)
    if not answered.is_success:
        raise Problem(422, "invalid", "The answer was not taken.")
    told = answered.json()
    if await is_read(visit, told["position"]) and told["access_request"]:
        return visit.go(requests.address(told["access_request"]["request_id"]))
    return visit.go(f"{PROMISES}?answered={'yes' if said == 'accept' else 'no'}")
