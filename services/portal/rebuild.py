"""Making the read model again, for operators: start, watch, compare, switch, undo, remove."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from services.common.clock import utc_now
from services.common.errors import not_found
from services.portal.flow import ago, span
from services.portal.i18n import Language
from services.portal.rebuild_store import RebuildStore, Row, age_s
from services.portal.web import Visit

PAGE: Final = "/rebuild"
STEPS: Final = 10
# What a page of its own asks for; the others are one press.
ASKED: Final = frozenset({"start", "rate", "switch", "undo", "drop"})
PRESSED: Final = frozenset({"pause", "resume", "compare"})
CAN_BE_INSISTED_ON: Final = frozenset({"differs", "views"})
# Refusals that name records, sessions or views.
TOLD_MORE: Final = frozenset({"behind", "busy", "views"})
MOST_RATE: Final = 1_000_000
SHOWN_DIFFERENCES: Final = 20
_SILENT_S: Final = 10.0
_ASSUMED_PER_S: Final = 10_000


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the tables are that stand beside those in use."""

    read: int
    total: int
    per_second: float
    told_s: float | None  # ago; None: nobody has told yet
    is_paused: bool

    @classmethod
    def of(cls, row: Row, told_s: float | None) -> Progress:
        return cls(
            row["read_records"],
            row["log_records"],
            row["records_per_s"],
            told_s,
            row["is_paused"],
        )

    @property
    def percent(self) -> int:
        """Rounded down, so that 100 is all."""
        return self.read * 100 // self.total if self.total else 100

    @property
    def behind(self) -> int:
        return max(0, self.total - self.read)

    @property
    def left_s(self) -> float | None:
        if not self.behind:
            return 0.0
        return self.behind / self.per_second if self.per_second > 0 else None

    @property
    def is_silent(self) -> bool:
        """Whether no process fills the tables, as far as is known."""
        return self.told_s is None or self.told_s > _SILENT_S


async def rebuild_page(visit: Visit) -> Response:
    """The page, whose state refreshes by itself."""
    return await _render(visit, "rebuild.html")


async def rebuild_state(visit: Visit) -> Response:
    """The changing part alone."""
    return await _render(visit, "rebuild_state.html")


async def _render(visit: Visit, template: str) -> Response:
    store, now, t = RebuildStore(visit.state.pool), utc_now(), visit.t
    row, steps = await store.row(), await store.steps(STEPS)
    size = await store.size()
    told_s = age_s(row["told_at"], now) if row else None
    return visit.render(
        template,
        row=row,
        is_still="still" in visit.request.query_params,
        progress=Progress.of(row, told_s) if row else None,
        size=size,
        megabytes=t.decimal(size["size_bytes"] / 1e6),
        needs_s=size["records"] / _ASSUMED_PER_S,
        steps=steps,
        last=steps[0] if steps else None,
        waits_long=bool(steps) and _waits_long(steps[0]),
        step_words=step_words(t),
        reasons=defaultdict(str, reasons(t)),
        hows=how_words(t),
        told_more=TOLD_MORE,
        most=SHOWN_DIFFERENCES,
        ago=lambda at: ago(at, now, t),
        span=lambda seconds: span(seconds, t),
    )


def _waits_long(step: Row) -> bool:
    waits: bool = (step["now"] - step["asked_at"]).total_seconds() > _SILENT_S
    return step["begun_at"] is None and waits


async def ask_step(visit: Visit) -> Response:
    """Say what a step does, and ask. Raises Problem 404 for what is no step."""
    step = visit.request.path_params["step"]
    if step not in ASKED:
        raise not_found("page")
    return await _ask(visit, step, "", None, status=200)


async def _ask(visit: Visit, step: str, rate: str, error: str | None, *, status: int) -> Response:
    store = RebuildStore(visit.state.pool)
    steps = await store.steps(1)
    last = steps[0] if steps else None
    refused = last is not None and last["step"] == step and last["code"] in CAN_BE_INSISTED_ON
    return visit.render(
        "rebuild_ask.html",
        status=status,
        step=step,
        title=step_words(visit.t)[step],
        row=await store.row(),
        rate=rate,
        error=error,
        refused=reasons(visit.t)[last["code"]] if last is not None and refused else None,
    )


async def take_step(visit: Visit) -> Response:
    """Order a step; a projections process takes it up within a few seconds."""
    form = await visit.form()
    step = visit.request.path_params["step"]
    if step not in ASKED | PRESSED:
        raise not_found("page")
    typed = form.get("rate", "").strip()
    try:
        rate = parse_rate(typed)
    except ValueError:
        error = visit.t.gettext("Type a whole number from 1 to 1,000,000, or nothing.")
        return await _ask(visit, step, typed, error, status=422)
    by = f"{visit.signed_in.subject} (page)"
    store = RebuildStore(visit.state.pool)
    await store.order(step, by, rate=rate, anyway=form.get("anyway") == "yes")
    return visit.go(PAGE)


def parse_rate(typed: str) -> int | None:
    """Records a second; None for no limit. Raises ValueError."""
    if not typed:
        return None
    if not typed.isascii() or not typed.isdigit() or not 1 <= int(typed[:9]) <= MOST_RATE:
        raise ValueError(f"{typed!r} is no rate")
    return int(typed[:9])


def step_words(t: Language) -> Mapping[str, str]:
    return {
        "start": t.gettext("Make the tables again"),
        "rate": t.gettext("Change the speed"),
        "pause": t.gettext("Pause"),
        "resume": t.gettext("Go on"),
        "compare": t.gettext("Compare"),
        "switch": t.gettext("Use the new tables"),
        "undo": t.gettext("Use the old tables again"),
        "drop": t.gettext("Remove the tables not in use"),
    }


def how_words(t: Language) -> Mapping[str, str]:
    """How a row differs: what is in use, against what stands beside."""
    return {
        "missing": t.gettext("only in the tables in use"),
        "extra": t.gettext("not in the tables in use"),
        "different": t.gettext("not the same"),
    }


def reasons(t: Language) -> Mapping[str, str]:
    """Why a step was refused, by its code."""
    return {
        "none": t.gettext("There are no other tables. Start first."),
        "no-tables": t.gettext("There are no tables yet. Run: throughline init"),
        "old-kept": t.gettext("The old tables are still kept. Remove them first."),
        "other-release": t.gettext("Another release began these tables. Remove them first."),
        "switched": t.gettext("The new tables are in use already."),
        "not-switched": t.gettext("The old tables are in use already."),
        "behind": t.gettext("They are not far enough yet. Wait until they are."),
        "busy": t.gettext("Other work held the tables too long. Try again."),
        "differs": t.gettext("The two are not equal. Look at what differs first."),
        "views": t.gettext("A view that someone else made reads these tables."),
        "under-way": t.gettext("Another step is being done. Wait for its end."),
    }
