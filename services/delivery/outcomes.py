"""What follows from a decision or an attempt: the row's new state, the lane's, and the event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from connectors.base import DestinationDown, DestinationGone, UpdateRejected
from services.common.consent import Denied, Reason, decide
from services.common.emit import SYSTEM, Actor, Event, about_organization, about_worker
from services.common.ids import derived_id
from services.common.log import get_logger
from services.common.vault import Vault
from services.delivery.handlers import RetryPolicy, next_attempt
from services.delivery.lane_store import Lane, Release, Row, Written

# The clocks of hub and database may differ by this much.
_CLOCKS = timedelta(seconds=1)
_LOOK_AGAIN = timedelta(minutes=1)
log = get_logger("dispatch")


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Makes outcomes; `vault` names messages towards receivers."""

    vault: Vault
    policy: RetryPolicy

    def screen(self, lane: Lane, now: datetime) -> tuple[list[Written], Release | None]:
        """Decide on each row of a lane: keep what may go, in order, and number it.

        Answers the refusals, and how to leave the lane; None when there is nothing to write.
        """
        if not lane.rows:
            log.error("a lane says that it has rows, and has none", connection=lane.connection_id)
            return [], released(lane, next_at=now + _LOOK_AGAIN)
        kept: list[Row] = []
        refused: list[Written] = []
        last = lane.last_sequence
        for row in lane.rows:
            decision = decide(
                row.category, lane.recipient, lane.grants, worker_id=lane.worker_id, at=now
            )
            if not isinstance(decision, Denied):
                number = row.sequence or last + 1
                last = max(last, number)
                kept.append(_numbered(row, number))
            elif decision.reason is Reason.NOT_YET:
                break
            else:
                refused.append(self._refused(lane, row, decision, now))
        postponed = len(kept) + len(refused) < len(lane.rows)
        lane.rows, lane.last_sequence = kept, last
        if kept:
            held = Release(lane.connection_id, lane.worker_id, None)
            return refused, held if refused else None
        return refused, released(lane, next_at=now + _CLOCKS if postponed else None)

    def _refused(self, lane: Lane, row: Row, denied: Denied, now: datetime) -> Written:
        reason = denied.reason.value
        return self._written(lane, row, "refused", "REFUSED", reason, denied.grant_id, None, now)

    def delivered(
        self, lane: Lane, row: Row, grant_id: UUID, http_status: int | None, now: datetime
    ) -> Written:
        return self._written(
            lane, row, "delivered", "DELIVERED", "accepted", grant_id, http_status, now
        )

    def failed(
        self,
        lane: Lane,
        row: Row,
        grant_id: UUID | None,
        error: DestinationDown | UpdateRejected,
        *,
        now: datetime,
        jitter: float,
    ) -> tuple[Written, Release]:
        """The row stays first in its lane; the lane waits, or is parked when waiting is no use."""
        since = lane.failing_since or now
        failures = lane.failures + 1
        gone = isinstance(error, DestinationGone)
        next_at = now if gone else None
        if isinstance(error, DestinationDown):
            next_at = next_attempt(
                failures, error, self.policy, since=since, now=now, jitter=jitter
            )
        parked = next_at is None
        outcome = "PARKED" if parked else "FAILED"
        written = self._written(
            lane, row, "pending", outcome, error.reason, grant_id, error.http_status, now
        )
        return written, released(
            lane, failures=failures, failing_since=since, next_at=next_at, parked=parked, gone=gone
        )

    def _written(
        self,
        lane: Lane,
        row: Row,
        state: str,
        outcome: str,
        reason: str,
        grant_id: UUID | None,
        http_status: int | None,
        now: datetime,
    ) -> Written:
        attempts = row.attempts + 1
        event = about_worker(
            "DisclosureAttempted",
            derived_id("DisclosureAttempted", lane.connection_id, row.event_id, attempts),
            lane.worker_id,
            SYSTEM,
            at=now,
            message_id=self.vault.message_id(lane.connection_id, row.event_id),
            connection_id=lane.connection_id,
            recipient_id=lane.recipient.recipient_id,
            grant_id=grant_id.bytes if grant_id else None,
            subject_event_id=row.event_id.bytes,
            subject_type=row.event_type,
            subject_category=row.category,
            outcome=outcome,
            reason=reason,
            http_status=http_status,
            attempt=attempts,
            decided_at=now,
        )
        return Written(
            lane.connection_id,
            row.event_id,
            state,
            attempts,
            reason,
            http_status,
            grant_id,
            event,
            row.traceparent,
        )


def released(
    lane: Lane,
    *,
    failures: int = 0,
    failing_since: datetime | None = None,
    next_at: datetime | None = None,
    parked: bool = False,
    gone: bool = False,
) -> Release:
    """The lane given back; by default it is well, and due again at once."""
    return Release(
        lane.connection_id,
        lane.worker_id,
        lane.lease,
        failures=failures,
        failing_since=failing_since,
        next_at=next_at,
        parked=parked,
        gone=gone,
    )


def unsent(lane: Lane) -> Release:
    """The lane given back as it was: what is left in it was not tried."""
    return released(lane, failures=lane.failures, failing_since=lane.failing_since)


def _numbered(row: Row, sequence: int) -> Row:
    return Row(
        row.event_id,
        row.event_type,
        row.category,
        row.value,
        row.traceparent,
        sequence,
        row.attempts,
    )


def switched_off(connection: Mapping[str, Any], now: datetime) -> Event:
    """The event that tells everyone that a connection was paused because its receiver left."""
    return connection_configured(connection, SYSTEM, at=now)


def connection_configured(connection: Mapping[str, Any], actor: Actor, *, at: datetime) -> Event:
    """The ConnectionConfigured event of a row of `delivery.connection`."""
    return about_organization(
        "ConnectionConfigured",
        derived_id("ConnectionConfigured", connection["connection_id"], connection["version"]),
        connection["organization_id"],
        actor,
        at=at,
        entity_id=connection["connection_id"],
        version=connection["version"],
        connector=connection["connector"],
        url=connection["url"],
        state=connection["state"],
        categories=list(connection["categories"]),
        purpose=connection["purpose"],
    )
