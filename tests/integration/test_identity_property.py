"""Any order of links, merges, splits, re-sends, late writes and crashes: each person has exactly
the events that belong to them, once, and the tables are those made from the log in one go.
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiokafka import AIOKafkaProducer

from services.common.postgres import Pool
from services.common.settings import Settings
from services.consent.identity.store import IdentityStore
from services.consent.identity.writing import Rewriting
from services.projections.batch import make_batch
from services.projections.projections import PROJECTIONS, RETRACTIONS
from services.projections.store import create, open_store
from tests.conftest import Hub
from tests.identity_kit import World, projecting
from tests.ingest_kit import on_the_log

SERVICES = ("ingest", "consent", "delivery")
RECORDS = [
    ("river-college", "c-1"),
    ("river-college", "c-2"),
    ("hill-agency", "a-1"),
    ("acme", "e-1"),
]
STEPS = 20


class Crashes:
    """Makes what a move does fail: before it was done, or after, as a killed process leaves it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, chance: random.Random) -> None:
        self.share = 0.0
        self.count = 0
        for owner, names in (
            (IdentityStore, ("note", "end", "done_to", "registered")),
            (Rewriting, ("append", "write_again")),
        ):
            for name in names:
                monkeypatch.setattr(owner, name, self._crashing(getattr(owner, name), chance))

    def _crashing(self, done: Any, chance: random.Random) -> Any:
        async def crashing(*args: Any, **more: Any) -> Any:
            if chance.random() < self.share:
                self.count += 1
                raise ConnectionResetError("crashed before")
            answer = await done(*args, **more)
            if chance.random() < self.share:
                self.count += 1
                raise ConnectionResetError("crashed after")
            return answer

        return crashing


@dataclass
class Script:
    """What happens, and whose what is by the plainest book-keeping."""

    world: World
    chance: random.Random
    people: dict[str, tuple[UUID, dict[str, str]]] = field(default_factory=dict)
    owner: dict[tuple[str, str], str | None] = field(default_factory=dict)
    sent: dict[tuple[str, str], set[UUID]] = field(default_factory=lambda: defaultdict(set))
    under: dict[tuple[str, str], set[UUID]] = field(default_factory=lambda: defaultdict(set))

    async def begin(self) -> None:
        """Two people with a record each; further records are nobody's yet."""
        for name, record in zip(("ana", "bo"), RECORDS, strict=False):
            self.people[name] = await self.world.newcomer(*record)
            self.owner[record] = name
            self.under[record].add(self.people[name][0])

    async def step(self) -> None:
        record = self.chance.choice(RECORDS)
        steps = (self.send, self.send, self.late, self.late, self.claim, self.claim, self.part)
        await self.chance.choice(steps)(record)

    async def send(self, record: tuple[str, str]) -> None:
        if record not in self.owner:
            made = await self.world.register(*record)
            self.owner[record] = None
            self.under[record].add(UUID(made["worker_id"]))
        number = self.chance.randint(0, 3)  # so that now and then the same comes again
        if self.chance.random() < 0.5:  # as if it never had: lost reservations
            await self.world.hub.pool.execute("TRUNCATE ingest_work.reservation")
        name = f"{record[1]}/{number}"
        event_id = await self.world.send(*record, source_event_id=name, enrolment_id=name)
        self.sent[record].add(event_id)

    async def late(self, record: tuple[str, str]) -> None:
        if not self.sent[record]:
            return
        event_id = uuid4()
        now = await self.world.worker_of(*record)
        old = self.chance.choice(sorted(self.under[record] - {now}) or [now])
        await self.world.late(old, self.chance.choice(sorted(self.sent[record])), event_id)
        self.sent[record].add(event_id)

    async def claim(self, record: tuple[str, str]) -> None:
        if self.owner.get(record, "") is not None:
            return
        code = (await self.world.register(*record))["claim_code"]
        name = self.chance.choice(sorted(self.people))
        answer = await self._patiently(lambda: self.world.claim(code, self.people[name][1]))
        assert answer.json()["worker_id"] == str(self.people[name][0])
        self.owner[record] = name
        self.under[record].add(self.people[name][0])

    async def part(self, record: tuple[str, str]) -> None:
        name = self.owner.get(record)
        if name is None:
            return
        key = self.people[name][1]
        index = self.world.index(*record)
        link = await self.world.hub.pool.fetchval(
            "SELECT link_id FROM vault.source_record WHERE source = $1 AND record_index = $2",
            record[0],
            index,
        )
        await self._patiently(lambda: self.world.hub.http.delete(f"/v1/links/{link}", headers=key))
        self.owner[record] = None
        self.under[record].add(await self.world.worker_of(*record))

    async def _patiently(self, call: Any) -> Any:
        """Once more while a move is under way."""
        async with asyncio.timeout(60):
            while (answer := await call()).status_code == 503:
                await asyncio.sleep(0.05)
        assert answer.status_code == 200, answer.text
        return answer

    async def check(self) -> None:
        wanted: dict[UUID, set[UUID]] = defaultdict(set)
        for record, name in self.owner.items():
            whose = self.people[name][0] if name else await self.world.worker_of(*record)
            wanted[whose] |= self.sent[record]
        every = set().union(*self.sent.values()) if self.sent else set()
        rows = await self.world.hub.pool.fetch("SELECT worker_id, event_id FROM read.story")
        found: dict[UUID, set[UUID]] = defaultdict(set)
        for row in rows:
            if row["event_id"] in every:
                found[row["worker_id"]].add(row["event_id"])
        assert found == {whose: events for whose, events in wanted.items() if events}


@pytest.fixture(autouse=True)
def soon_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """What crashed is taken up again at once: a hub waits a second, each time."""
    monkeypatch.setenv("CONSENT_IDENTITY_EVERY", "PT0.05S")


@pytest.fixture
async def world(hub: Hub, settings: Settings, producer: AIOKafkaProducer) -> AsyncIterator[World]:
    async with projecting(settings):
        yield await World(hub, settings, producer).ready()


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.faults_long) for seed in range(1, 9))]
)
async def test_each_person_has_exactly_what_belongs_to_them(
    world: World, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    chance = random.Random(seed)
    crashes = Crashes(monkeypatch, chance)
    script = Script(world, chance)
    await script.begin()
    crashes.share = 0.15
    for _ in range(STEPS):
        await script.step()
    for record in RECORDS:  # and once more under ids that were left long ago
        await script.late(record)
    crashes.share = 0.0
    assert crashes.count > 0
    await world.all_read()
    await script.check()
    await assert_rebuilt_alike(world.settings, world.hub.pool)


async def assert_rebuilt_alike(settings: Settings, pool: Pool) -> None:
    """The live tables equal those that one batch with the whole log makes."""
    await create(pool, "again", PROJECTIONS)
    found: dict[tuple[str, int], list[Any]] = defaultdict(list)
    for topic in ("stories", "directory", "deliveries"):
        for record in await on_the_log(settings, topic):
            found[topic, record.partition].append(record)
    async with open_store(settings, "again", PROJECTIONS, RETRACTIONS) as store:
        basis = await store.basis(list(found))
        await store.apply(make_batch(found, basis.positions, basis.held, store.layouts))
    for table in ("story", "set_aside", "void", "moved", *(p.table for p in PROJECTIONS)):
        live, again = [
            sorted(map(repr, await pool.fetch(f"SELECT * FROM {schema}.{table}")))
            for schema in ("read", "again")
        ]
        assert live == again, table
