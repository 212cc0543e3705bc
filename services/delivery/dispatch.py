"""The dispatcher: leases lanes that are due and sends their rows in order, many lanes at a time."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from datetime import datetime
from uuid import UUID

from connectors.base import DestinationDown, NotPermitted, UpdateRejected
from connectors.outbound import permission
from services.common import tracing
from services.common.clock import Clock
from services.common.codec import decode
from services.common.consent import Denied, Disclosure, Names, disclose, sealed_in_sight
from services.common.errors import DoesNotDecode
from services.common.log import get_logger
from services.common.vault import Keyring, Place, Redacted, Vault
from services.delivery.lane_store import Lane, LaneStore, Release, Row, Written
from services.delivery.outcomes import Outcomes, released, switched_off, unsent
from services.delivery.outlets import Outlets
from services.delivery.settings import DeliverySettings

log = get_logger("dispatch")


class Dispatcher:
    def __init__(
        self,
        store: LaneStore,
        outlets: Outlets,
        keyring: Keyring,
        vault: Vault,
        own: DeliverySettings,
        clock: Clock,
    ) -> None:
        self._store = store
        self._outlets = outlets
        self._keyring = keyring
        self._vault = vault
        self._own = own
        self._clock = clock
        self._outcomes = Outcomes(vault, own.retries)
        self._due = asyncio.Event()
        self._under_way: dict[UUID, Lane] = {}  # by lease
        self._stopping = False
        self._writing = False
        self._full = False
        self._results: asyncio.Queue[tuple[list[Written], Release]] = asyncio.Queue()

    def wake(self, _payload: str = "") -> None:
        """Something is due."""
        self._due.set()

    def revoked(self, payload: str) -> None:
        """A worker withdrew from a recipient: begin no write that was decided before."""
        for lane in self._under_way.values():
            if payload == f"{lane.worker_id} {lane.recipient.recipient_id}":
                lane.revoked = True
        self.wake()

    async def run(self) -> None:
        """Send for ever. Raises what the database raises; the process is then started anew."""
        async with asyncio.TaskGroup() as tasks:
            writer = tasks.create_task(self._write_down())
            while not self._stopping:
                self._due.clear()
                room = self._own.lanes_under_way - len(self._under_way)
                if room > 0 and await self._lease(tasks, room):
                    continue
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._own.idle_look.total_seconds()):
                        await self._due.wait()
            await self._finish()
            writer.cancel()

    def stop(self) -> None:
        """Lease nothing more; `run` returns once what is under way is written down."""
        self._stopping = True
        self.wake()

    async def _finish(self) -> None:
        while self._under_way or not self._results.empty() or self._writing:
            self._due.clear()
            await self._due.wait()

    async def _lease(self, tasks: asyncio.TaskGroup, room: int) -> bool:
        """Take lanes that are due and begin to send; True when there may be more."""
        begun = asyncio.get_running_loop().time()
        busy = Counter(lane.connection_id for lane in self._under_way.values())
        async with self._store.transaction() as tx:
            lanes = await tx.lease(busy, room)
            now = self._clock()
            refused: list[Written] = []
            left: list[Release] = []
            for lane in lanes:
                lane.deadline = begun + self._own.lease.total_seconds()
                writes, release = self._outcomes.screen(lane, now)
                refused += writes
                left += [release] if release else []
            ready = [lane for lane in lanes if lane.rows]
            if ready:
                await tx.number(ready)
            more = bool(left) and await tx.write(refused, left)
            # Known before the commit, so that no withdrawal after it goes unheard.
            self._under_way |= {lane.lease: lane for lane in ready}
        for lane in ready:
            tasks.create_task(self._serve(lane))
        self._full = self._has_no_room()
        return more or len(lanes) == room

    def _has_no_room(self) -> bool:
        """Whether lanes may be due that were not leased, because others are under way."""
        busy = Counter(lane.connection_id for lane in self._under_way.values())
        most = max(busy.values(), default=0)
        return most >= self._own.lanes_per_connection or busy.total() >= self._own.lanes_under_way

    async def _serve(self, lane: Lane) -> None:
        """Send a lane's rows one after the other, up to the first that does not get through."""
        written: list[Written] = []
        release: Release | None = None
        try:
            for row in lane.rows:
                done, release = await self._attempt(lane, row)
                if done is not None:
                    written.append(done)
                if release is not None:
                    break
        finally:
            del self._under_way[lane.lease]
            self._results.put_nowait((written, release or released(lane)))
            if self._full or self._stopping:
                self.wake()

    async def _attempt(self, lane: Lane, row: Row) -> tuple[Written | None, Release | None]:
        """Decide once more and send. Answers what to write down, and whether the lane must stop."""
        headers = [("traceparent", row.traceparent.encode())] if row.traceparent else []
        with tracing.tracer.start_as_current_span("attempt", context=tracing.context_of(headers)):
            try:
                update = await self._disclosure(lane, row, self._clock())
            except DoesNotDecode as error:
                log.error("cannot read what was to be sent", error=str(error))
                return self._failed(lane, row, None, UpdateRejected("unreadable"))
            if isinstance(update, Denied):
                return None, unsent(lane)  # it ended since the lease; the next one refuses it
            return await self._send(lane, row, update)

    async def _disclosure(self, lane: Lane, row: Row, at: datetime) -> Disclosure | Denied:
        event = decode(row.value)
        sealed = {
            Place("stories", event.event_id, event.worker_id, name): event.fields[name]
            for name in sealed_in_sight(event, lane.recipient, lane.grants, at=at)
        }
        opened = await self._keyring.open_all(sealed) if sealed else {}
        return disclose(
            event,
            lane.recipient,
            lane.grants,
            names=Names(
                self._vault.pseudonym(lane.worker_id, lane.recipient.recipient_id),
                self._vault.message_id(lane.connection_id, row.event_id),
                row.sequence,
            ),
            at=at,
            opened={p.field: v for p, v in opened.items() if not isinstance(v, Redacted)},
        )

    async def _send(
        self, lane: Lane, row: Row, update: Disclosure
    ) -> tuple[Written | None, Release | None]:
        loop = asyncio.get_running_loop()

        def check() -> None:
            if lane.revoked or loop.time() > lane.deadline:
                raise NotPermitted

        token = permission.set(check)
        try:
            async with asyncio.timeout(self._own.request_timeout.total_seconds()):
                connector = await self._outlets.connector(lane)
                check()
                receipt = await connector.deliver(update)
        except NotPermitted:
            return None, unsent(lane)
        except (DestinationDown, UpdateRejected) as error:
            return self._failed(lane, row, update.grant_id, error)
        except TimeoutError:
            return self._failed(lane, row, update.grant_id, DestinationDown("timeout"))
        except Exception as error:  # a connector's bug stops its own lane only
            log.error("connector failed", connector=lane.connector, exc_info=error)
            return self._failed(lane, row, update.grant_id, DestinationDown("internal"))
        finally:
            permission.reset(token)
        now = self._clock()
        return self._outcomes.delivered(lane, row, update.grant_id, receipt.http_status, now), None

    def _failed(
        self,
        lane: Lane,
        row: Row,
        grant_id: UUID | None,
        error: DestinationDown | UpdateRejected,
    ) -> tuple[Written, Release]:
        now = self._clock()
        written, release = self._outcomes.failed(
            lane,
            row,
            grant_id,
            error,
            now=now,
            jitter=random.random(),  # noqa: S311 - spreads retries
        )
        if release.next_at is not None:
            wait = max((release.next_at - now).total_seconds(), 0)
            asyncio.get_running_loop().call_later(wait + 0.002, self.wake)
        return written, release

    async def _write_down(self) -> None:
        """Write results, as many together as there are."""
        while True:
            batch = [await self._results.get()]
            self._writing = True
            while not self._results.empty():
                batch.append(self._results.get_nowait())
            written = [w for writes, _ in batch for w in writes]
            releases = [release for _, release in batch]
            async with self._store.transaction() as tx:
                more = await tx.write(written, releases)
                gone = [r.connection_id for r in releases if r.gone]
                if gone:
                    now = self._clock()
                    off = await tx.switch_off(gone)
                    await tx.announce([(switched_off(row, now), None) for row in off])
            self._writing = False
            if more or self._stopping:
                self.wake()
