"""Reads by organisations: a read is a disclosure, decided and logged like a push."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import polars as pl
from fastapi import Request

from services.common.access import Principal
from services.common.clock import utc_now
from services.common.codec import Decoded
from services.common.consent import NEVER_SHARED
from services.common.errors import Problem, not_found
from services.common.moments import AsOf
from services.common.postgres import Connection
from services.common.reads import Read, hold_withdrawals, log_reads
from services.portal.past import (
    Subject,
    Telling,
    events_in,
    made_by,
    redacted,
    story_page,
    telling,
)
from services.portal.reading import (
    Cursors,
    Told,
    disclosed,
    opened_fields,
    shared_item,
    with_names,
)
from services.portal.standing import (
    PROMISES,
    Rows,
    Section,
    Sections,
    answer,
    as_said,
    seen_by,
    types_behind,
    with_criteria,
)
from services.portal.store import AgreedGrant, ReadStore, StoryFilter

# A read that is not by pages rests on no more facts than this: each is logged for the worker.
MOST_FACTS: Final = 1000


@dataclass(frozen=True, slots=True)
class Asked:
    """What an organisation asks for: of whom, when, a page of it, under one purpose or any."""

    subject: Subject
    moment: AsOf
    limit: int
    before: str | None
    purpose: str | None


@dataclass(frozen=True, slots=True)
class SharedRows:
    """What an organisation may see of some sections, and the head of the answer.

    categories: what the worker agreed to; a section of another category is not there.
    """

    head: Mapping[str, Any]
    categories: frozenset[str]
    sections: Mapping[str, Rows]


class SharedReads:
    """Answers organisations."""

    def __init__(self, state: Any, store: ReadStore) -> None:
        self._state = state
        self._store = store

    @classmethod
    def of(cls, request: Request) -> SharedReads:
        return cls(request.app.state, request.app.state.portal.store)

    async def story(self, who: Principal, asked: Asked) -> dict[str, Any]:
        """A page of what may be seen. Raises Problem 404 without a grant in force."""
        worker_id, recipient = asked.subject.worker_id, who.organization_id
        agreed = await self._live(worker_id, recipient, asked.purpose, utc_now())
        cursors = Cursors(self._state.vault, recipient, worker_id)
        wanted = StoryFilter(
            asked.limit + 1, categories=_categories(agreed), before=cursors.read(asked.before)
        )
        head, found = await self._page(who, asked, wanted)
        events = found[: asked.limit]
        opened = await opened_fields(self._state.keyring, events)
        told = await self._decided(worker_id, who, asked, events, opened)
        return {
            **head,
            "items": await with_names([shared_item(one) for one in told], self._store),
            "next": cursors.write(events[-1]) if len(found) > asked.limit else None,
        }

    async def rows(self, who: Principal, asked: Asked, sections: Sequence[Section]) -> SharedRows:
        """Sections made of the facts that may be seen, and of what may be seen of them.

        Raises Problem 404 without a grant in force, 422 when too many facts stand behind them.
        """
        worker_id = asked.subject.worker_id
        now = utc_now()
        agreed = await self._live(worker_id, who.organization_id, asked.purpose, now)
        categories = _categories(agreed)
        seen = seen_by(sections, categories)
        found = await telling(
            self._state.pool, self._store, asked.subject, asked.moment, to_worker=False
        )
        events = _facts(found, types_behind(seen), categories)
        told = await self._decided(worker_id, who, asked, events, {})
        shown = redacted(found.events, [(one.event, one.disclosure.fields) for one in told])
        made: dict[str, Rows] = {}
        async with self._state.pool.acquire() as connection:
            views = Sections(connection, asked.moment.as_of or now, worker_id)
            for section in seen:
                made[section.name] = answer(await views.over(shown, section), to_worker=False)
        return SharedRows(self._head(who, asked, found.position, found.parked), categories, made)

    async def promises(self, who: Principal, asked: Asked) -> tuple[Mapping[str, Any], Rows]:
        """Promises as far as they are shared, or an employer's own in its own words.

        Raises Problem 404 when there is neither.
        """
        recipient = who.organization_id
        agreed = await self._store.grants(asked.subject.worker_id, recipient)
        if PROMISES.category in _categories(self._in_force(agreed, asked.purpose, utc_now())):
            found = await self.rows(who, asked, (PROMISES,))
            rows = found.sections[PROMISES.name]
            return found.head, [{"shared": True, **with_criteria(row)} for row in rows]
        told = await telling(
            self._state.pool, self._store, asked.subject, asked.moment, to_worker=False
        )
        mine = made_by(told.events, recipient)
        async with self._state.pool.acquire() as connection:
            at = asked.moment.as_of or utc_now()
            rows = await Sections(connection, at, asked.subject.worker_id).over(mine, PROMISES)
        if not rows:
            raise not_found("worker")
        said = [as_said(with_criteria(row)) for row in answer(rows, to_worker=False)]
        head = self._head(who, asked, told.position, told.parked)
        return head, [{"shared": False, **row} for row in said]

    async def _page(
        self, who: Principal, asked: Asked, wanted: StoryFilter
    ) -> tuple[dict[str, Any], list[Decoded]]:
        """The head of the answer, and one event more than a page of those that may be seen."""
        worker_id, moment = asked.subject.worker_id, asked.moment
        if not moment.is_now:
            found = await telling(
                self._state.pool, self._store, asked.subject, moment, to_worker=False
            )
            head = self._head(who, asked, found.position, found.parked)
            return head, story_page(found.events, wanted)
        position = await self._store.reflects(worker_id)
        events = await self._store.story(worker_id, wanted)
        return self._head(who, asked, position, await self._store.is_parked(worker_id)), events

    def _head(self, who: Principal, asked: Asked, position: object, parked: bool) -> dict[str, Any]:
        subject = self._state.vault.pseudonym(asked.subject.worker_id, who.organization_id)
        return {
            "subject": subject,
            "position": str(position) if position else None,
            "parked": parked,
            **asked.moment.as_answer(),
        }

    async def _live(
        self,
        worker_id: UUID,
        recipient_id: str,
        purpose: str | None,
        now: datetime,
        using: Connection | None = None,
    ) -> list[AgreedGrant]:
        """The grants in force. Raises Problem 404 when there is none, as for an unknown person."""
        agreed = await self._store.grants(worker_id, recipient_id, using=using)
        live = self._in_force(agreed, purpose, now)
        if not live:
            raise not_found("worker")
        return live

    @staticmethod
    def _in_force(
        agreed: Sequence[AgreedGrant], purpose: str | None, now: datetime
    ) -> list[AgreedGrant]:
        live = [one for one in agreed if one.is_live(now)]
        return [one for one in live if not purpose or purpose in one.grant.purposes]

    async def _decided(
        self,
        worker_id: UUID,
        who: Principal,
        asked: Asked,
        events: Sequence[Decoded],
        opened: Mapping[UUID, Mapping[str, object]],
    ) -> list[Told]:
        """Decide now and log it, while a withdrawal waits. Raises Problem 404, KafkaError."""
        recipient = who.organization_id
        async with self._state.pool.acquire() as connection, connection.transaction():
            await hold_withdrawals(connection, [worker_id], recipient)
            now = utc_now()
            agreed = await self._live(worker_id, recipient, asked.purpose, now, connection)
            told = disclosed(
                events,
                recipient,
                agreed,
                opened,
                vault=self._state.vault,
                purposes=[asked.purpose] if asked.purpose else (),
                at=now,
            )
            producer, settings = self._state.producer, self._state.settings
            await log_reads(producer, settings, map(read_of, told), who, now)
        return told


def _categories(agreed: Sequence[AgreedGrant]) -> frozenset[str]:
    return frozenset(c for one in agreed for c in one.grant.categories) - NEVER_SHARED


def _facts(found: Telling, types: frozenset[str], categories: frozenset[str]) -> Sequence[Decoded]:
    """The events of these types that a reader of these categories may see."""
    if found.events is None:
        return ()
    behind = pl.col("event_type").is_in(list(types)) & pl.col("category").is_in(list(categories))
    log = found.events.log.filter(behind)
    if log.height > MOST_FACTS:
        detail = f"More than {MOST_FACTS} facts stand behind this. Read the story by pages."
        raise Problem(422, "too-long", detail)
    return events_in(log)


def read_of(told: Told) -> Read:
    """One fact that an organisation is told, as the log has it."""
    update, seen = told.disclosure, told.event
    return Read(
        worker_id=seen.worker_id,
        event_id=seen.event_id,
        event_type=seen.name,
        category=seen.event_type.category,
        recipient_id=update.recipient_id,
        grant_id=update.grant_id,
        message_id=update.message_id,
    )
