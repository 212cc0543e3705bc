"""GET /v1/workers/{id}/story: one's own in full, an organisation's as the worker agreed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from services.common import reads
from services.common.access import Role
from services.common.kafka import Position
from services.common.positions import wait_until_read
from services.common.postgres import Connection, Pool
from services.common.settings import Settings
from services.common.vault import Keyring, Vault
from services.projections.projections import PROJECTIONS
from services.projections.settings import ProjectionsSettings
from services.projections.worker import ProjectionsWorker
from tests.browser import people
from tests.browser.people import Log
from tests.conftest import Hub
from tests.processes import until

SERVICES = ("consent", "portal")


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTAL_AFTER_PATIENCE", "PT1S")


@asynccontextmanager
async def projecting(settings: Settings) -> AsyncIterator[None]:
    worker = ProjectionsWorker(settings, ProjectionsSettings(), PROJECTIONS)
    task = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        worker.stop()
        await task


@pytest.fixture
async def log(settings: Settings, pool: Pool, producer: AIOKafkaProducer) -> Log:
    return Log(settings, producer, Keyring(pool, await Vault.open(settings)))


async def read(log: Log, pool: Pool, settings: Settings) -> None:
    """Bring the read model to the end of what the log holds, and stop there."""
    async with projecting(settings):
        for position in log.ends.values():
            await wait_until_read(pool, position, within_s=60)


@pytest.fixture
async def rosa(log: Log, pool: Pool, settings: Settings) -> UUID:
    """A person with a story and one grant: Acme may see training and skills."""
    await log.directory()
    worker_id = await log.register("Rosa Marín", at=people.ago(1100))
    await log.add(*people.rosa(worker_id))
    await log.add(people.grant(worker_id, uuid4(), at=people.ago(60)))
    await read(log, pool, settings)
    return worker_id


async def get(hub: Hub, worker: object, headers: dict[str, str], **params: Any) -> Any:
    return await hub.http.get(f"/v1/workers/{worker}/story", headers=headers, params=params)


async def test_a_worker_reads_all_of_the_own_story_newest_first(hub: Hub, rosa: UUID) -> None:
    answer = await get(hub, rosa, await hub.key(Role.WORKER, str(rosa)), limit=100)

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert body["worker_id"] == str(rosa)
    assert len(body["items"]) == 23
    days = [item["occurred_at"] for item in body["items"]]
    assert days == sorted(days, reverse=True)
    assert body["next"] is None
    assert body["parked"] is False


async def test_items_say_what_happened_who_said_so_and_what_the_course_is_called(
    hub: Hub, rosa: UUID
) -> None:
    body = (await get(hub, rosa, await hub.key(Role.WORKER, str(rosa)), limit=100)).json()

    finished = next(i for i in body["items"] if i["type"] == "TrainingCompleted")
    assert finished["source"] == {"id": "river-college", "name": "River College"}
    assert finished["course_title"] == "Food safety, level 2"
    assert finished["fields"]["result"] == "DISTINCTION"
    assert datetime.fromisoformat(finished["occurred_at"]) == people.ago(40)
    assert datetime.fromisoformat(finished["recorded_at"]) == people.ago(40)
    assert UUID(finished["id"])
    paid = next(i for i in body["items"] if i["type"] == "WageChanged")
    assert paid["fields"]["wage_amount"] == "19.75"


async def test_sealed_fields_are_open_to_their_own_person(hub: Hub, rosa: UUID) -> None:
    body = (await get(hub, rosa, await hub.key(Role.WORKER, str(rosa)), limit=100)).json()

    assert body["items"][-1]["fields"]["display_name"] == "Rosa Marín"


async def test_pages_join_without_gap_or_double(hub: Hub, rosa: UUID) -> None:
    key = await hub.key(Role.WORKER, str(rosa))
    whole = [i["id"] for i in (await get(hub, rosa, key, limit=100)).json()["items"]]

    found, params = [], {"limit": 5}
    while True:
        page = (await get(hub, rosa, key, **params)).json()
        found += [item["id"] for item in page["items"]]
        if page["next"] is None:
            break
        params["before"] = page["next"]

    assert found == whole


async def test_as_of_leaves_out_what_came_later(hub: Hub, rosa: UUID) -> None:
    key = await hub.key(Role.WORKER, str(rosa))

    body = (await get(hub, rosa, key, as_of=people.ago(500).isoformat(), limit=100)).json()

    assert body["items"][0]["type"] == "TrainingCompleted"
    assert len(body["items"]) == 9


async def test_nobody_else_gets_an_answer(hub: Hub, rosa: UUID) -> None:
    other_worker = await hub.key(Role.WORKER, str(uuid4()))
    without_grant = await hub.key(Role.EMPLOYER, "harbor-logistics")
    operator = await hub.key(Role.OPERATOR, "hub")

    for headers in (other_worker, without_grant, operator):
        assert (await get(hub, rosa, headers)).status_code == 404
    assert (await get(hub, rosa, {})).status_code == 401
    acme = await hub.key(Role.EMPLOYER, "acme-foods")
    for worker in (uuid4(), "nobody", "w-0123"):
        assert (await get(hub, worker, acme)).status_code == 404


async def test_an_organisation_sees_only_the_categories_agreed_to(hub: Hub, rosa: UUID) -> None:
    body = (await get(hub, rosa, await hub.key(Role.EMPLOYER, "acme-foods"), limit=100)).json()

    assert {item["category"] for item in body["items"]} == {"training", "skill"}
    assert len(body["items"]) == 10


async def test_no_id_of_ours_leaves(hub: Hub, rosa: UUID, pool: Pool, settings: Settings) -> None:
    answer = await get(hub, rosa, await hub.key(Role.EMPLOYER, "acme-foods"), limit=5)

    ids = [row["event_id"] for row in await pool.fetch("SELECT event_id FROM read.story")]
    for secret in (rosa, *ids):
        assert str(secret) not in answer.text
        assert secret.hex not in answer.text
    assert "recorded_at" not in answer.text
    assert "Rosa" not in answer.text
    vault = await Vault.open(settings)
    assert answer.json()["subject"] == vault.pseudonym(rosa, "acme-foods")
    assert answer.json()["next"] is not None


async def test_an_organisation_may_use_its_own_name_for_the_person(
    hub: Hub, rosa: UUID, settings: Settings
) -> None:
    acme = await hub.key(Role.EMPLOYER, "acme-foods")
    vault = await Vault.open(settings)

    mine = await get(hub, vault.pseudonym(rosa, "acme-foods"), acme)
    others = await get(hub, vault.pseudonym(rosa, "harbor-logistics"), acme)

    assert mine.json()["items"] == (await get(hub, rosa, acme)).json()["items"]
    assert others.status_code == 404


async def test_a_purpose_that_was_not_agreed_to_gets_nothing(hub: Hub, rosa: UUID) -> None:
    acme = await hub.key(Role.EMPLOYER, "acme-foods")

    assert (await get(hub, rosa, acme, purpose="advancement")).status_code == 200
    assert (await get(hub, rosa, acme, purpose="hiring")).status_code == 404
    assert (await get(hub, rosa, acme, purpose="curiosity")).status_code == 422


async def test_a_grant_that_has_run_out_shows_nothing(
    hub: Hub, log: Log, pool: Pool, settings: Settings
) -> None:
    worker_id = await log.register("Ana", at=people.ago(100))
    await log.add(*people.rosa(worker_id))
    await log.add(people.grant(worker_id, uuid4(), at=people.ago(90), days=89))
    await log.add(people.grant(worker_id, uuid4(), at=people.ago(-5), days=30))
    await read(log, pool, settings)

    answer = await get(hub, worker_id, await hub.key(Role.EMPLOYER, "acme-foods"))

    assert answer.status_code == 404


async def test_every_read_by_an_organisation_is_shown_to_the_worker(
    hub: Hub, rosa: UUID, pool: Pool, settings: Settings
) -> None:
    body = (await get(hub, rosa, await hub.key(Role.EMPLOYER, "acme-foods"), limit=100)).json()

    seen = "SELECT subject_type, message_id FROM read.disclosure WHERE worker_id = $1 AND delivered_at IS NOT NULL"
    async with projecting(settings):

        async def all_there() -> Any:
            rows = await pool.fetch(seen, rosa)
            return rows if len(rows) == len(body["items"]) else None

        rows = await until(all_there)
    assert {row["message_id"].partition(".")[0] for row in rows} == {i["id"] for i in body["items"]}


async def test_what_the_log_does_not_take_is_not_shown(
    hub: Hub, rosa: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> Position:
        raise KafkaError("away")

    monkeypatch.setattr(reads, "publish", refuse)

    answer = await get(hub, rosa, await hub.key(Role.EMPLOYER, "acme-foods"))

    assert answer.status_code == 503
    assert "forklift" not in answer.text


async def _grant_of(pool: Pool, worker_id: UUID) -> UUID:
    found = await pool.fetchval(
        "SELECT grant_id FROM read.access_grant WHERE worker_id = $1", worker_id
    )
    assert isinstance(found, UUID)
    return found


async def test_a_withdrawal_counts_before_the_read_model_knows_of_it(
    hub: Hub, rosa: UUID, pool: Pool
) -> None:
    acme = await hub.key(Role.EMPLOYER, "acme-foods")
    assert (await get(hub, rosa, acme)).status_code == 200
    grant_id = await _grant_of(pool, rosa)

    done = await hub.http.delete(
        f"/v1/grants/{grant_id}", headers=await hub.key(Role.WORKER, str(rosa))
    )

    assert done.status_code == 200
    assert (await get(hub, rosa, acme)).status_code == 404
    known = "SELECT withdrawn_at FROM read.access_grant WHERE grant_id = $1"
    assert await pool.fetchval(known, grant_id) is None


async def test_a_withdrawal_waits_for_a_read_under_way(
    hub: Hub, rosa: UUID, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    deciding, go_on, done = asyncio.Event(), asyncio.Event(), []

    async def slow(*_: object) -> Position:
        deciding.set()
        await go_on.wait()
        return Position("deliveries", 0, 0)

    monkeypatch.setattr(reads, "publish", slow)
    acme, own = await hub.key(Role.EMPLOYER, "acme-foods"), await hub.key(Role.WORKER, str(rosa))
    reading = asyncio.create_task(get(hub, rosa, acme))
    reading.add_done_callback(lambda _: done.append("read"))
    await deciding.wait()
    grant_id = await _grant_of(pool, rosa)
    stopping = asyncio.create_task(hub.http.delete(f"/v1/grants/{grant_id}", headers=own))
    stopping.add_done_callback(lambda _: done.append("stopped"))

    async def waits() -> Any:
        # Not in pg_locks: who waits for a row there waits for a transaction, of no database.
        return await pool.fetchval(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()"
            " AND wait_event_type = 'Lock')"
        )

    await until(waits)
    assert done == []
    go_on.set()

    assert (await reading).status_code == 200
    assert (await stopping).status_code == 200
    assert done == ["read", "stopped"]


async def kept(log: Log, rosa: UUID) -> Position:
    """Something new of Rosa on the log."""
    return await log.add(
        people.about("PromiseKept", rosa, people.ACME, people.NOW, promise_id="p-pay")
    )


async def test_after_a_position_that_does_not_come_is_503(
    hub: Hub, rosa: UUID, log: Log, settings: Settings
) -> None:
    key = await hub.key(Role.WORKER, str(rosa))

    behind = await get(hub, rosa, key, after=str(await kept(log, rosa)))

    assert behind.status_code == 503
    assert int(behind.headers["retry-after"]) >= 1


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTAL_AFTER_PATIENCE", "PT60S")


async def test_after_waits_for_the_read_model(
    patient: None, hub: Hub, pool: Pool, rosa: UUID, log: Log, settings: Settings
) -> None:
    """One call: it is made while the read model is held back, looks, waits, and has the event."""
    key, position = await hub.key(Role.WORKER, str(rosa)), await kept(log, rosa)
    async with pool.acquire() as holding, projecting_held(settings, holding, position) as let_go:
        now = await pool.fetchval("SELECT clock_timestamp()")
        call = asyncio.create_task(get(hub, rosa, key, after=str(position), limit=1))
        await until(lambda: _has_looked(pool, now))
        assert not call.done()
        await let_go()
        answer = await call

    assert answer.status_code == 200
    assert answer.json()["items"][0]["type"] == "PromiseKept"
    assert Position.parse(answer.json()["position"]) >= position


@asynccontextmanager
async def projecting_held(
    settings: Settings, holding: Connection, position: Position
) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Projections that can't pass the position before they are let go."""
    held = holding.transaction()
    await held.start()
    reached = await holding.fetchval(
        "SELECT next_offset FROM read.stream_position WHERE topic = $1 AND partition = $2"
        " FOR UPDATE",
        position.topic,
        position.partition,
    )
    assert reached <= position.offset
    async with projecting(settings):
        yield held.rollback


async def _has_looked(pool: Pool, since: datetime) -> bool:
    """Whether somebody asked how far the read model is."""
    return bool(
        await pool.fetchval(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()"
            " AND query LIKE '%AS idle_s%' AND query NOT LIKE '%pg_stat%' AND query_start > $1)",
            since,
        )
    )


@pytest.mark.parametrize(
    "params",
    [
        {"after": "here"},
        {"before": "00"},
        {"before": "zz"},
        {"limit": 0},
        {"limit": 101},
        {"as_of": "x"},
    ],
)
async def test_bad_parameters_are_named(hub: Hub, params: dict[str, Any]) -> None:
    worker_id = uuid4()

    answer = await get(hub, worker_id, await hub.key(Role.WORKER, str(worker_id)), **params)

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"][0]["field"] == next(iter(params))


async def test_a_place_of_another_reader_is_refused(hub: Hub, rosa: UUID) -> None:
    own = await hub.key(Role.WORKER, str(rosa))
    place = (await get(hub, rosa, own, limit=2)).json()["next"]

    answer = await get(hub, rosa, await hub.key(Role.EMPLOYER, "acme-foods"), before=place)

    assert answer.status_code == 422


async def test_it_says_when_something_is_parked(hub: Hub, rosa: UUID, pool: Pool) -> None:
    await pool.execute(
        "INSERT INTO read.parked (topic, partition, log_offset, worker_id, reason, headers)"
        " VALUES ('stories', 0, 999999, $1, 'does not decode', '{}')",
        rosa,
    )

    answer = await get(hub, rosa, await hub.key(Role.WORKER, str(rosa)))

    assert answer.json()["parked"] is True


async def test_standing_has_the_job_the_skills_and_the_open_promises(hub: Hub, rosa: UUID) -> None:
    path = f"/v1/workers/{rosa}/standing"

    answer = await hub.http.get(path, headers=await hub.key(Role.WORKER, str(rosa)))

    body = answer.json()
    assert [job["employer_id"] for job in body["jobs"]] == ["acme-foods"]
    assert body["jobs"][0]["wage_amount"] == "19.75"
    assert [skill["skill_id"] for skill in body["skills"]] == ["skill:forklift-driving"]
    assert [promise["promise_id"] for promise in body["open_promises"]] == ["p-pay", "p-role"]
    without_grant = await hub.key(Role.EMPLOYER, "harbor-logistics")
    assert (await hub.http.get(path, headers=without_grant)).status_code == 404
