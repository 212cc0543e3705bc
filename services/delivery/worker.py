"""The delivery worker: match, snapshots, dispatch and announcements in one process."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer

from connectors.outbound import open_session
from services.common.agent import TOPIC, agent_running
from services.common.clock import utc_now
from services.common.kafka import open_producer
from services.common.log import get_logger
from services.common.postgres import Pool, open_pool
from services.common.revocations import restore
from services.common.running import Ending
from services.common.settings import Settings
from services.common.tasks import end
from services.common.vault import Keyring, Vault
from services.delivery.announce import Announcer
from services.delivery.directory import Directory
from services.delivery.dispatch import Dispatcher
from services.delivery.lane_store import LaneStore
from services.delivery.match_store import MatchStore
from services.delivery.matching import Matcher, options, prepare
from services.delivery.outlets import Outlets
from services.delivery.settings import DeliverySettings
from services.delivery.signals import Listener, listening
from services.delivery.snapshots import Snapshots

log = get_logger("delivery")
# Together with a request's time-out this is how long a stop may take.
_GRACE_S = 3.0


@dataclass(frozen=True, slots=True)
class Parts:
    """What a worker runs."""

    matches: MatchStore
    snapshots: Snapshots
    dispatcher: Dispatcher
    announcer: Announcer

    @property
    def listeners(self) -> dict[str, Listener]:
        return {
            "delivery_due": self.dispatcher.wake,
            "consent_revoked": self.dispatcher.revoked,
            "delivery_announce": self.announcer.wake,
            "delivery_snapshot": self.snapshots.ordered,
            "positions": self.snapshots.read_model_moved,
        }


class DeliveryWorker(Ending):
    """Runs until `stop`, or until a part fails: a new process begins where PostgreSQL stands."""

    def __init__(self, settings: Settings, own: DeliverySettings) -> None:
        super().__init__()
        self._settings = settings
        self._own = own

    async def work(self, stack: AsyncExitStack) -> None:
        settings, own = self._settings, self._own
        pool = await stack.enter_async_context(open_pool(settings, most=12, working_state=True))
        producer = await stack.enter_async_context(open_producer(settings))
        parts = await self._parts(stack, pool, producer)
        await restore(settings, pool)
        await prepare(settings, parts.matches)
        lost = await stack.enter_async_context(listening(pool, parts.listeners))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="delivery-")))
        agent = await stack.enter_async_context(
            agent_running(
                settings,
                options(settings, own),
                folder,
                partial(parts.matches.positions, TOPIC),
                Matcher(settings, parts.matches).match,
            )
        )
        log.info("delivering")
        await self._until_stopped(stack, parts, agent.failed, lost)

    async def _parts(self, stack: AsyncExitStack, pool: Pool, producer: AIOKafkaProducer) -> Parts:
        settings, own = self._settings, self._own
        vault = await Vault.open(settings, pool)
        http = await stack.enter_async_context(
            open_session(
                timeout=own.request_timeout, allow_private=settings.allow_private_receivers
            )
        )
        matches, lanes = MatchStore(pool), LaneStore(pool, own)
        await lanes.inherit()
        dispatcher = Dispatcher(
            lanes, Outlets(lanes, vault, http), Keyring(pool, vault), vault, own, utc_now
        )
        snapshots = Snapshots(pool, matches, own.idle_look)
        return Parts(matches, snapshots, dispatcher, Announcer(pool, producer, settings))

    async def _until_stopped(
        self, stack: AsyncExitStack, parts: Parts, *failures: asyncio.Future[None]
    ) -> None:
        dispatching = asyncio.create_task(parts.dispatcher.run(), name="dispatch")
        tasks: list[asyncio.Task[None]] = [
            dispatching,
            asyncio.create_task(parts.snapshots.run(), name="snapshots"),
            asyncio.create_task(parts.announcer.run(), name="announce"),
            asyncio.create_task(Directory(self._settings, parts.matches).run(), name="directory"),
        ]
        stopped = asyncio.create_task(self.ending.wait())
        stack.push_async_callback(end, stopped, *tasks)
        watched: list[asyncio.Future[Any]] = [stopped, *tasks, *failures]
        done, _ = await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
        for ended in done:
            await ended
        parts.dispatcher.stop()
        await asyncio.wait([dispatching], timeout=_GRACE_S)
