"""Sharing agreements (the memorandum of understanding between an organisation and the hub): what
an organisation may send and receive, from when to when. Decided here, without I/O.

What counts is the moment at which something is sent or asked for, not when it took place in the
world: a term signed today also covers the history that is sent under it, and nothing is sent under
one that has ended, however old the news.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from services.common.access import Role
from services.common.errors import FieldError

# Workers speak for themselves, and operators run the hub that the agreements are with.
BOUND = frozenset({Role.EMPLOYER, Role.PROVIDER, Role.AGENCY})
_SIGN = "Ask the hub's operator to sign one with you"


class State(StrEnum):
    LIVE = "live"
    NOT_YET = "not_yet"
    EXPIRED = "expired"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Agreement:
    """One agreement in the version that is in force."""

    agreement_id: str
    organization_id: str  # who is bound
    version: int
    sends: frozenset[str]  # families ("training") and types ("training.TrainingCompleted")
    receives: frozenset[str]  # parts of the record
    purposes: frozenset[str]  # what it may receive them for
    valid_from: datetime
    valid_until: datetime | None  # None: until it is ended
    ended: bool = False

    def state(self, at: datetime) -> State:
        if self.ended:
            return State.ENDED
        if at < self.valid_from:
            return State.NOT_YET
        over = self.valid_until is not None and at >= self.valid_until
        return State.EXPIRED if over else State.LIVE

    def lets_send(self, family: str, name: str) -> bool:
        """Whether its terms name the event type, live or not."""
        return not self.sends.isdisjoint((family, f"{family}.{name}"))

    def lets_receive(self, category: str, purpose: str) -> bool:
        """Whether its terms name the part of the record and the purpose, live or not."""
        return category in self.receives and purpose in self.purposes

    def why_not(self, at: datetime) -> str:
        """Its state in words, for one that is not live."""
        words = {
            State.NOT_YET: f"begins on {self.valid_from:%Y-%m-%d}",
            State.EXPIRED: f"ran out on {self.valid_until:%Y-%m-%d}" if self.valid_until else "",
            State.ENDED: "was ended",
        }
        return f"{self.agreement_id} {words[self.state(at)]}"


def is_free(agreements: Collection[Agreement], *, required: bool) -> bool:
    """Whether an organisation is bound to nothing: it has no agreement on file, not even an ended
    one, and the hub does not require one.
    """
    return not agreements and not required


def sending_refused(
    organization_id: str, family: str, name: str, agreements: Iterable[Agreement], *, at: datetime
) -> FieldError | None:
    """Why the organisation may not send an event of this type at `at`, or None when it may."""
    mine = [a for a in agreements if a.organization_id == organization_id]
    naming = [a for a in mine if a.lets_send(family, name)]
    if any(a.state(at) is State.LIVE for a in naming):
        return None
    what = f"{family}.{name}"
    live = sorted({code for a in mine if a.state(at) is State.LIVE for code in a.sends})
    covered = f"lets {organization_id} send {', '.join(live) or 'nothing'}"
    return _refusal("type", f"send {what}", organization_id, mine, naming, covered, at)


def receiving_refused(
    organization_id: str,
    categories: Iterable[str],
    purposes: Iterable[str],
    agreements: Iterable[Agreement],
    *,
    at: datetime,
) -> FieldError | None:
    """Why the organisation may not receive one of these parts for one of these purposes at `at`,
    or None when agreements cover every pair.
    """
    mine = [a for a in agreements if a.organization_id == organization_id]
    for category in sorted(categories):
        for purpose in sorted(purposes):
            naming = [a for a in mine if a.lets_receive(category, purpose)]
            if not any(a.state(at) is State.LIVE for a in naming):
                what = f"receive {category} for {purpose}"
                covered = f"lets {organization_id} receive {_received(mine, at)}"
                return _refusal("categories", what, organization_id, mine, naming, covered, at)
    return None


def _received(agreements: Iterable[Agreement], at: datetime) -> str:
    terms = [
        f"{', '.join(sorted(a.receives))} for {', '.join(sorted(a.purposes))}"
        for a in agreements
        if a.state(at) is State.LIVE and a.receives and a.purposes
    ]
    return "; ".join(terms) or "nothing"


def _refusal(
    field: str,
    what: str,
    organization_id: str,
    mine: Collection[Agreement],
    naming: Collection[Agreement],
    covered: str,
    at: datetime,
) -> FieldError:
    """The nearest miss in words: none on file, one that is not live, or none that names it."""
    lead = f"no sharing agreement lets {organization_id} {what}"
    if not mine:
        return FieldError(field, f"{lead}: there is none on file", f"{_SIGN}.")
    if naming:
        why = "; ".join(a.why_not(at) for a in sorted(naming, key=lambda a: a.agreement_id))
        return FieldError(field, f"{lead}: {why}", f"{_SIGN} that is in force.")
    return FieldError(field, f"{lead}; what is in force {covered}", f"{_SIGN} that names it.")
