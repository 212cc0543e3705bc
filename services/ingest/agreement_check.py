"""Whether an agreement lets the sender send it: asked for every event, whatever way it comes in."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from schemas.catalog import event_types
from services.common.access import Principal
from services.common.agreements import BOUND, Agreement, is_free, sending_refused
from services.common.agreements_on_file import on_file
from services.common.errors import FieldError
from services.common.postgres import Pool

_MOST_KNOWN = 10_000  # organisations


class AgreementCheck:
    """Agreements of those who send, as they were at most `age` ago.

    Nobody is refused on old knowledge: before that they are read again, so what was signed counts
    from the answer on. Whoever takes something away waits for `age` before answering
    (`services.ingest.agreements`), so an ended one counts no more from the answer on.
    """

    def __init__(self, pool: Pool, *, required: bool, age: timedelta) -> None:
        self._pool = pool
        self._required = required
        self._age_s = age.total_seconds()
        self._known: dict[str, tuple[float, tuple[Agreement, ...]]] = {}

    async def refusals(
        self, principal: Principal, names: Collection[str], at: datetime
    ) -> Mapping[str, FieldError]:
        """Why the caller may not send events of these types at `at`, by type; empty when it may.

        Fails closed: raises DependencyDown, or what PostgreSQL raises, when it can't be known.
        """
        if principal.role not in BOUND or not names:
            return {}
        mine = self._remembered(principal.subject)
        if mine is not None and not (refused := self._refused(principal, names, mine, at)):
            return refused
        return self._refused(principal, names, await self._read(principal.subject), at)

    def forget(self, organization_id: str) -> None:
        self._known.pop(organization_id, None)

    def _remembered(self, organization_id: str) -> tuple[Agreement, ...] | None:
        until, known = self._known.get(organization_id, (0.0, ()))
        return known if asyncio.get_running_loop().time() < until else None

    async def _read(self, organization_id: str) -> tuple[Agreement, ...]:
        asked_at = asyncio.get_running_loop().time()
        found = (await on_file(self._pool, [organization_id]))[organization_id]
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[organization_id] = (asked_at + self._age_s, found)
        return found

    def _refused(
        self,
        principal: Principal,
        names: Collection[str],
        agreements: Sequence[Agreement],
        at: datetime,
    ) -> dict[str, FieldError]:
        if is_free(agreements, required=self._required):
            return {}
        found = {}
        for name in names:
            family = event_types()[name].family
            refusal = sending_refused(principal.subject, family, name, agreements, at=at)
            if refusal is not None:
                found[name] = refusal
        return found
