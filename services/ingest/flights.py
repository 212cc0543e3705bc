"""One group of drafts on its way through the pipeline, and what is decided on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from services.common.errors import DependencyDown, FieldError
from services.common.kafka import Position
from services.ingest.drafts import Draft, Status
from services.ingest.eventlog import Delivery
from services.ingest.store import Reserved

_OTHER_CONTENT = FieldError(
    "event_id",
    "an event of this id says something else",
    "Send a changed event under a new id, with supersedes naming the old one.",
)


@dataclass(slots=True, eq=False)
class Submission:
    """The drafts of one request; `done` is set when each has a result or is busy."""

    drafts: Sequence[Draft]
    done: asyncio.Future[None]

    def answer(self, failure: BaseException | None) -> None:
        """Tell the caller, unless it has given up. A draft without a result is not on the log."""
        if self.done.done():
            return
        if failure is None and any(d.result is None and not d.busy for d in self.drafts):
            failure = DependencyDown("the log did not take every event", retry_after_s=2)
        if failure is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(failure)


@dataclass(slots=True, eq=False)
class Flight:
    """A group of submissions between arrival and answer."""

    submissions: Sequence[Submission]
    registrations: Mapping[UUID, Draft] = field(default_factory=dict)  # by worker
    # Drafts with the same id: of those that say the same, the first is produced.
    by_id: dict[UUID, list[Draft]] = field(default_factory=dict)
    landed: asyncio.Future[None] | None = None  # set while this flight has its ids alone
    sent: Sequence[Draft] = ()
    deliveries: Sequence[Delivery] = ()
    failure: BaseException | None = None

    @property
    def drafts(self) -> Iterator[Draft]:
        return (draft for submission in self.submissions for draft in submission.drafts)

    def in_order(self) -> list[Draft]:
        """What is not refused, each worker's registration before anything about the worker."""
        first = list(self.registrations.values())
        seen = set(first)
        return [*first, *(d for d in self.drafts if d.result is None and d not in seen)]

    def choose(self, reserved: Mapping[UUID, Reserved], holder: UUID) -> None:
        """Decide what is sent: what is reserved by us and not on the log. The rest is settled.

        reserved: what stands under ids that are not simply ours with the first draft's content.
        """
        sent: dict[UUID, Draft] = {}
        for event_id, drafts in self.by_id.items():
            now = reserved.get(event_id)
            if now is None and len(drafts) == 1:
                sent[event_id] = drafts[0]
                continue
            now = now or Reserved(drafts[0].content, holder, None)
            for draft in drafts:
                if draft.content != now.content:
                    draft.refuse(Status.CONFLICT, _OTHER_CONTENT)
                elif now.position is not None:
                    draft.settle(Status.DUPLICATE, now.position)
                elif now.held_by != holder:
                    draft.busy = True
                else:
                    sent.setdefault(event_id, draft)
        self.sent = list(sent.values())
        if unready := {worker for worker, first in self.registrations.items() if first.busy}:
            for draft in self.sent:
                draft.busy = draft.worker_id in unready
            self.sent = [draft for draft in self.sent if not draft.busy]

    def delivered(self, delivery: Delivery, positions: Sequence[Position]) -> None:
        for number, position in zip(delivery.numbers, positions, strict=True):
            self.sent[number].position = position

    def on_the_log(self) -> list[tuple[UUID, bytes, Position]]:
        """Id, content and position of what was sent and acknowledged."""
        return [
            (draft.event_id, draft.content, draft.position)
            for draft in self.sent
            if draft.event_id is not None and draft.position is not None
        ]

    def settle(self) -> None:
        """Give results to what is on the log, and to what repeats it within the group."""
        for draft in self.sent:
            if draft.position is None or draft.event_id is None:
                continue
            draft.settle(Status.ACCEPTED, draft.position)
            for repeat in self.by_id[draft.event_id]:
                if repeat.result is None:
                    repeat.settle(Status.DUPLICATE, draft.position)
        for drafts in self.by_id.values():
            if len(drafts) > 1 and any(draft.busy for draft in drafts):
                for draft in drafts:
                    draft.busy = draft.result is None

    def registered(self) -> list[UUID]:
        """Workers whose registration is on the log, since now or found to be."""
        return [
            worker
            for worker, draft in self.registrations.items()
            if draft.result is not None and draft.result.position is not None
        ]
