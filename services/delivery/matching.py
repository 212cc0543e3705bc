"""Matching: batches of `stories`, read by a Faust agent, become rows of the outbox."""

from __future__ import annotations

from collections.abc import Sequence

from services.common import tracing
from services.common.agent import (
    TOPIC,
    AgentOptions,
    Record,
    check_gap,
    fresh,
    partitions_of,
)
from services.common.log import get_logger
from services.common.settings import Settings
from services.delivery.handlers import sort
from services.delivery.match_store import MatchStore
from services.delivery.settings import DeliverySettings
from services.delivery.withholding import postpone, remember, withhold

log = get_logger("match")


class Matcher:
    """Matches batches of records, whoever reads them."""

    def __init__(self, settings: Settings, store: MatchStore) -> None:
        self._settings = settings
        self._store = store

    async def match(self, records: Sequence[Record]) -> None:
        """Match what is new in a batch and move the positions, in one transaction.

        Raises LogSkipped when records are missing before one of these.
        """
        async with self._store.transaction() as tx:
            before = await tx.lock_positions(TOPIC, {r.partition for r in records})
            new, after, gaps = fresh(records, before)
            for gap in gaps:
                await check_gap(self._settings, gap)
            found = sort(new)
            for record in found.unreadable:
                where = f"{TOPIC}:{record.partition}:{record.offset}"
                log.error("unreadable record, shown to nobody", position=where)
            await postpone(tx.connection, found.voids)
            await tx.view(found.grants, found.withdrawals)
            await postpone(tx.connection, found.voids)  # what was ordered just now
            await remember(tx.connection, found.voids)
            traces = [("traceparent", t.encode()) for r in new if (t := r.traceparent)]
            with tracing.tracer.start_as_current_span(
                "match", context=tracing.context_of(traces[:1])
            ):
                await tx.match(found.candidates)
            await withhold(tx.connection, found.voids)
            await tx.advance(TOPIC, before, after)


def options(settings: Settings, own: DeliverySettings) -> AgentOptions:
    return AgentOptions(
        group=f"{settings.topic_prefix}delivery",
        batch=own.match_batch,
        within=own.match_within,
        session_timeout=own.session_timeout,
        instance_id=own.instance_id,
    )


async def prepare(settings: Settings, store: MatchStore) -> None:
    """Positions for every partition, and nothing missing. Raises KafkaError."""
    await store.make_positions(TOPIC, await partitions_of(settings))
    await store.mend()
