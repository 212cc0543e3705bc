"""Seeding through the real HTTP services, twice, and the gentle stream after it."""

from __future__ import annotations

import asyncio
import random
import stat
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from services.common.access import Role, issue_key
from services.common.clock import utc_now
from services.common.postgres import Pool
from services.common.settings import Settings
from services.demo.__main__ import OPERATOR
from services.demo.cast import CAST
from services.demo.client import HubClient
from services.demo.direct import produce
from services.demo.figures import figures
from services.demo.live import live
from services.demo.region import Region, directory_records, generate
from services.demo.releases import complete_years
from services.demo.seed import Seeded, seed
from services.demo.state import DemoState
from services.demo.truth import Truth
from services.projections.projections import PROJECTIONS
from services.projections.settings import ProjectionsSettings
from services.projections.worker import ProjectionsWorker
from tests.conftest import Hub
from tests.integration.imports_kit import on_the_log
from tests.processes import until

SERVICES = ("ingest", "consent", "delivery", "feeds")
WORKERS = 25


@pytest.fixture(autouse=True)
def required(monkeypatch: pytest.MonkeyPatch) -> None:
    """Agreements, as they are by default: the region signs its own."""
    monkeypatch.delenv("INGEST_REQUIRE_AGREEMENT")


@pytest.fixture
def region() -> Region:
    return Region(seed=4, workers=WORKERS, until=utc_now().replace(microsecond=0))


@pytest.fixture
async def state(hub: Hub, tmp_path: Path) -> DemoState:
    made = DemoState.load(tmp_path / "demo")
    made.operator = await issue_key(hub.pool, Role.OPERATOR, OPERATOR)
    return made


@pytest.fixture
async def client(hub: Hub, settings: Settings) -> AsyncIterator[HubClient]:
    """Calls to the hub, with projections at work: consent asks the read model who takes part."""
    worker = ProjectionsWorker(settings, ProjectionsSettings(), PROJECTIONS)
    running = asyncio.create_task(worker.run())
    yield HubClient(hub.http)
    worker.stop()
    await running


async def sown(
    client: HubClient, state: DemoState, region: Region, *, real_data: bool = False
) -> Seeded:
    return await seed(
        client,
        state,
        region,
        lambda stage, done, total: None,
        receiver_url="http://127.0.0.1:9",
        real_data=real_data,
    )


async def test_a_seeded_hub_has_exactly_the_regions_events(
    client: HubClient, state: DemoState, region: Region, settings: Settings, pool: Pool
) -> None:
    done = await sown(client, state, region)
    await linked(pool)

    told: Counter[str] = Counter()
    for life, _, happening in generate(WORKERS, 4, until=region.until):
        silent = happening.author.actor_role == "WORKER" and not life.claimed
        told[happening.event_type] += not silent
    stories = await on_the_log(settings, "stories")
    found = Counter(event.name for event in stories)
    assert found.pop("ConsentGranted") == done.grants > 3
    assert found.pop("AccessRequested") == 1
    claimed = {
        life.worker_id for life, _, _ in generate(WORKERS, 4, until=region.until) if life.claimed
    }
    assert found.pop("SourceRecordLinked") == len(claimed), "who claims a record links it"
    assert found == told
    assert done.workers == WORKERS
    assert set(done.events) == {"accepted"}


async def linked(pool: Pool) -> None:
    """Links are told a moment after the claim: wait until all are."""
    under_way = "SELECT EXISTS (SELECT FROM consent.identity_move WHERE ended_at IS NULL)"

    async def none() -> bool:
        return not await pool.fetchval(under_way)

    await until(none)


async def test_everybody_writes_for_themselves(
    client: HubClient, state: DemoState, region: Region, settings: Settings
) -> None:
    await sown(client, state, region)

    for event in await on_the_log(settings, "stories"):
        source, role = event.fields["source"], event.fields["actor_role"]
        if event.name in {"SkillClaimed", "PromiseAccepted", "ConsentGranted"}:
            assert (source, role) == ("throughline", "WORKER")
        if event.name in {"EmploymentStarted", "PromiseMade", "TrainingAcknowledged"}:
            assert (source, role) == (event.fields["employer_id"], "EMPLOYER")
        if event.name == "TrainingCompleted":
            assert (source, role) == (event.fields["provider_id"], "PROVIDER")


async def test_seeding_twice_doubles_nothing(
    client: HubClient, state: DemoState, region: Region, settings: Settings, pool: Pool
) -> None:
    first = await sown(client, state, region)
    await linked(pool)
    before = await on_the_log(settings, "stories")
    directory = await on_the_log(settings, "directory")

    again = await sown(client, DemoState.load(state.path.parent), region)

    after = await on_the_log(settings, "stories")
    assert Counter(e.event_id for e in after) == Counter(e.event_id for e in before)
    assert len(await on_the_log(settings, "directory")) == len(directory)
    assert again.events == Counter(duplicate=first.events["accepted"])


async def test_complete_years_are_published_once(
    client: HubClient, state: DemoState, region: Region, hub: Hub
) -> None:
    first = await sown(client, state, region)
    again = await sown(client, DemoState.load(state.path.parent), region)

    (feed,) = (await hub.http.get("/v1/feeds")).json()
    assert first.releases
    assert sorted(r["window"] for r in feed["releases"]) == first.releases
    assert again.releases == []


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2025-12-31", ["PY2023"]),
        ("2026-01-01", ["PY2023", "PY2024"]),
        ("2024-12-31", []),
        ("2027-06-01", ["PY2023", "PY2024", "PY2025"]),
    ],
)
def test_a_year_is_complete_two_quarters_after_its_last_exits(
    now: str, expected: list[str]
) -> None:
    since = datetime(2023, 11, 2, tzinfo=UTC)
    assert list(complete_years(since, datetime.fromisoformat(f"{now}T00:00:00Z"))) == expected


async def test_a_lost_memory_costs_only_what_people_said_themselves(
    client: HubClient, state: DemoState, region: Region, settings: Settings, pool: Pool
) -> None:
    """Without demo.json: keys are made anew, tokens are gone, and still nothing is doubled."""
    await sown(client, state, region)
    await linked(pool)
    before = await on_the_log(settings, "stories")
    state.path.unlink()
    forgetful = DemoState.load(state.path.parent)
    forgetful.operator = state.operator

    again = await sown(client, forgetful, region)

    assert again.events["accepted"] == 0
    assert again.events["untold"] > 0
    assert len(await on_the_log(settings, "stories")) == len(before)


async def test_keys_are_kept_for_their_owner_alone(
    client: HubClient, state: DemoState, region: Region
) -> None:
    await sown(client, state, region)

    assert stat.S_IMODE(state.path.stat().st_mode) == 0o600
    kept = DemoState.load(state.path.parent)
    assert kept == state
    rosa = kept.regions["4"].people["0"]
    assert rosa.token is not None
    assert kept.regions["4"].done
    assert len(kept.keys) == 13
    assert len(kept.secrets) == 6


async def test_rosa_is_asked_and_has_not_answered(
    client: HubClient, state: DemoState, region: Region, hub: Hub
) -> None:
    await sown(client, state, region)

    rosa = state.regions["4"].people["0"]
    mine = {"Authorization": f"Bearer {rosa.token}"}
    assert (await hub.http.get("/v1/grants", headers=mine)).json()["grants"] == []
    asked = await hub.pool.fetch("SELECT * FROM consent.request")
    assert [(str(r["worker_id"]), r["recipient_id"]) for r in asked] == [
        (rosa.worker_id, "acme-foods")
    ]


async def test_the_real_cohorts_come_in(
    client: HubClient, state: DemoState, region: Region, settings: Settings
) -> None:
    done = await sown(client, state, Region(4, len(CAST), region.until), real_data=True)

    assert done.imported["oulad-assessments"] == 8304
    stories = await on_the_log(settings, "stories")
    by_course = Counter(
        event.fields["course_id"]
        for event in stories
        if event.name == "TrainingEnrolled" and event.fields["source"] == "open-university"
    )
    assert by_course == {"AAA-2013J": 200, "BBB-2013J": 1130}
    providers = {e.fields["organization_id"] for e in await on_the_log(settings, "directory")}
    assert any(provider.startswith("tx-") for provider in providers)
    assert any(provider.startswith("nj-") for provider in providers)


@asynccontextmanager
async def by_way_of(
    handler: Callable[[httpx.Request], Coroutine[None, None, httpx.Response]],
) -> AsyncIterator[HubClient]:
    """Calls that the handler answers."""
    transport = httpx.MockTransport(handler)
    async with httpx.AsyncClient(transport=transport, base_url="http://hub.test") as http:
        yield HubClient(http)


async def test_the_stream_goes_on_and_stops_when_asked(
    client: HubClient, state: DemoState, region: Region, settings: Settings, pool: Pool, hub: Hub
) -> None:
    await sown(client, state, region)
    await linked(pool)
    before = {event.event_id for event in await on_the_log(settings, "stories")}
    answered = 0
    stop = asyncio.Event()

    async def counted(request: httpx.Request) -> httpx.Response:
        nonlocal answered
        answer = await hub.http.send(request)
        answered += 1
        if answered == 21:
            stop.set()  # with no call under way: one that is cut is on the log and not counted
        return answer

    async with by_way_of(counted) as counting:
        streaming = live(
            counting, state, region, stop, utc_now, per_second=100, dice=random.Random(1)
        )
        counts = await asyncio.wait_for(streaming, timeout=60)

    new = [e for e in await on_the_log(settings, "stories") if e.event_id not in before]
    assert counts["accepted"] == len(new) > 20
    assert set(counts) == {"accepted"}
    assert {event.fields["source"] for event in new} <= {*state.keys, "throughline"}


async def test_the_stream_waits_while_the_hub_is_away(
    state: DemoState, region: Region, client: HubClient, hub: Hub
) -> None:
    await sown(client, state, region)
    tried = 0
    stop = asyncio.Event()

    async def sometimes(request: httpx.Request) -> httpx.Response:
        nonlocal tried
        tried += 1
        if tried == 8:
            stop.set()
        if tried <= 3:
            return httpx.Response(503, headers={"Retry-After": "0"})
        return await hub.http.send(request)

    async with by_way_of(sometimes) as flaky:
        streaming = live(flaky, state, region, stop, utc_now, per_second=50)
        counts = await asyncio.wait_for(streaming, timeout=60)
    assert counts["accepted"] >= 4


async def test_direct_mode_writes_the_same_region(settings: Settings) -> None:
    region = Region(seed=4, workers=60)
    truth = Truth(region.window)
    seen: list[int] = []

    count = await asyncio.to_thread(
        produce, settings, region, lambda done, _took_s: seen.append(done), truth=truth
    )

    stories = await on_the_log(settings, "stories")
    directory = await on_the_log(settings, "directory")
    expected = [record.fields["event_id"] for record in region.records()]
    assert sorted(event.fields["event_id"] for event in stories) == sorted(expected)
    assert len(directory) == len(list(directory_records()))
    assert count == len(stories) + len(directory) == seen[-1]
    assert figures(truth)["completion_rate"]
    order: dict[bytes, list[int]] = defaultdict(list)
    for event in stories:
        at = int(event.fields["occurred_at"].timestamp())
        order[event.fields["worker_id"]].append(at)
    assert all(times == sorted(times) for times in order.values())
