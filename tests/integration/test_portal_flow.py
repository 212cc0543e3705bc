"""The operator's page: lag in seconds that is true, for operators alone, also without Kafka."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import httpx
import pytest
from aiokafka import AIOKafkaProducer

from services.common.access import Role, issue_key
from services.common.clock import utc_now
from services.common.errors import DependencyDown
from services.common.positions import wait_until_read
from services.common.postgres import Pool
from services.common.settings import Settings
from services.common.vault import Keyring, Vault
from services.portal import log_ends
from services.portal.flow import Flow, lag
from services.portal.flow_store import FlowStore
from services.portal.i18n import language
from services.portal.log_ends import LogEnds
from services.projections.verify.verifying import verify
from tests.browser import people
from tests.browser.people import Log
from tests.conftest import Hub
from tests.integration.test_portal_pages import form_token
from tests.integration.test_portal_story import projecting
from tests.processes import free_port

SERVICES = ("portal",)
PAGES = ["/flow", "/flow/numbers", "/flow/count"]


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker on a busy machine is slow, not away. One that is away refuses at once."""
    monkeypatch.setattr(log_ends, "_PATIENCE_S", 60.0)
    monkeypatch.setattr(log_ends, "_OLDEST_WITHIN_S", 60.0)
    monkeypatch.setattr(log_ends, "_REQUEST_MS", 60_000)


@pytest.fixture
async def log(settings: Settings, pool: Pool, producer: AIOKafkaProducer) -> Log:
    return Log(settings, producer, Keyring(pool, await Vault.open(settings)))


@pytest.fixture
async def flow(settings: Settings, pool: Pool) -> AsyncIterator[Flow]:
    ends = LogEnds(settings)
    yield Flow(ends, FlowStore(pool))
    await ends.close()


async def operator(hub: Hub) -> None:
    """Sign in with an operator's key."""
    page = await hub.http.get("/sign-in")
    key = await issue_key(hub.pool, Role.OPERATOR, "hub")
    answer = await hub.http.post("/sign-in", data={"code": key, "form_token": form_token(page)})
    assert answer.headers["location"] == "/flow"


async def test_lag_is_the_age_of_the_oldest_unread_record_and_then_nothing(
    settings: Settings, pool: Pool, log: Log, flow: Flow
) -> None:
    before = utc_now()
    await log.register("Rosa", at=people.ago(10))
    await log.register("Ben", at=people.ago(9))
    written = utc_now()

    numbers = await flow._take()

    lag_s = numbers.lag_s("projections")
    assert lag_s is not None
    oldest, newest = (numbers.taken_at - at for at in (before, written))
    assert newest < timedelta(seconds=lag_s) + timedelta(seconds=1)
    assert 0 < lag_s <= oldest.total_seconds() + 0.001  # Kafka's times are in whole milliseconds
    stories = next(b for b in numbers.behind if (b.reader, b.topic) == ("projections", "stories"))
    assert stories.unread == stories.on_log == numbers.on_log == numbers.last_minute == 2
    assert stories.first is not None
    assert stories.first.startswith("stories:")

    async with projecting(settings):
        for position in log.ends.values():
            await wait_until_read(pool, position, within_s=60)
    numbers = await flow._take()

    assert numbers.lag_s("projections") == 0
    assert sum(b.unread for b in numbers.behind if b.reader == "projections") == 0
    assert (numbers.lag_s("delivery") or 0) > 0, "matching did not run"
    assert (numbers.lag_s("promises") or 0) > 0, "nor did promises"
    await pool.execute(
        "INSERT INTO promises.position SELECT topic, partition, next_offset"
        " FROM read.stream_position WHERE topic = 'stories'"
    )
    assert (await flow._take()).lag_s("promises") == 0


def test_lag_is_told_in_seconds_however_long_it_is() -> None:
    en, es = language("en"), language("es")

    assert lag(119.9, en) == "119 seconds"
    assert lag(12_345.6, en) == "12,345 seconds (3 hours)"
    assert lag(1.0, es) == "1 segundo"
    assert lag(180_000, es) == "180.000 segundos (2 días)"
    assert lag(None, en) == "not known now"


async def test_a_closed_port_is_kafka_away_and_the_last_numbers_stay(
    settings: Settings, pool: Pool, log: Log
) -> None:
    gone = LogEnds(settings.model_copy(update={"kafka_bootstrap": f"127.0.0.1:{free_port()}"}))
    with pytest.raises(DependencyDown):
        await gone.ends(utc_now())
    assert await Flow(gone, FlowStore(pool)).numbers() == (None, True)

    await log.register("Rosa", at=people.ago(10))
    there = LogEnds(settings)
    flow = Flow(there, FlowStore(pool))
    last, is_away = await flow.numbers()
    assert (is_away, last is not None) == (False, True)
    flow._ends = gone
    flow._fresh._kept = None

    assert await flow.numbers() == (last, True)
    await there.close()


async def test_the_page_says_so_when_kafka_is_away(
    hub: Hub, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(self: LogEnds, now: object) -> None:
        raise DependencyDown("Kafka does not answer")

    await operator(hub)
    monkeypatch.setattr(LogEnds, "ends", away)

    answer = await hub.http.get("/flow")

    assert answer.status_code == 200
    assert "Kafka does not answer." in answer.text
    assert "There are no numbers of the log yet." in answer.text


@pytest.mark.parametrize("path", PAGES)
async def test_only_an_operator_sees_it(hub: Hub, path: str) -> None:
    answer = await hub.http.get(path)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")

    page = await hub.http.get("/sign-in")
    key = await issue_key(hub.pool, Role.WORKER, str(uuid4()))
    await hub.http.post("/sign-in", data={"code": key, "form_token": form_token(page)})
    answer = await hub.http.get(path)
    assert answer.status_code == 403
    assert "On the log" not in answer.text
    assert "This page is not for you" in answer.text


async def test_an_operator_has_no_story(hub: Hub) -> None:
    await operator(hub)

    assert (await hub.http.get("/me")).status_code == 403
    assert (await hub.http.get("/flow")).status_code == 200


async def test_the_demo_signs_in_as_the_operator_with_one_press(hub: Hub) -> None:
    page = await hub.http.get("/demo")
    form = {"role": "operator", "form_token": form_token(page)}

    answer = await hub.http.post("/demo", data=form)

    assert answer.headers["location"] == "/flow"
    assert (await hub.http.get("/flow")).status_code == 200


async def test_receivers_are_shown_as_they_are(hub: Hub, pool: Pool) -> None:
    worker_id = uuid4()
    for name, state in (("good", "ACTIVE"), ("bad", "ACTIVE"), ("off", "PAUSED")):
        await pool.execute(
            "INSERT INTO delivery.connection VALUES ($1, 'acme-foods', 1, $1, 'https://x', $2, '{}', 'hiring', now())",
            name,
            state,
        )
    lane = "INSERT INTO delivery_work.lane (connection_id, worker_id, recipient_id, pending, failures, next_at, parked_at) VALUES ($1, $2, 'acme-foods', $3, $4, now() + interval '150 minutes', $5)"
    await pool.execute(lane, "bad", worker_id, 3, 2, None)
    await pool.execute(lane, "bad", uuid4(), 4, 9, utc_now())
    row = "INSERT INTO delivery_work.outbox (connection_id, event_id, worker_id, recipient_id, log_offset, event_type, category, state, matched_at, attempted_at) VALUES ($1, $2, $3, 'acme-foods', 1, 'X', 'training', $4, $5, $6)"
    hour_ago = utc_now() - timedelta(hours=1, minutes=59)
    await pool.execute(row, "bad", uuid4(), worker_id, "pending", hour_ago, None)
    await pool.execute(
        row, "good", uuid4(), worker_id, "delivered", hour_ago, utc_now() - timedelta(minutes=5)
    )
    await operator(hub)

    cells = connections(await hub.http.get("/flow"))

    assert cells["bad"] == ["Needs help", "7", "119 minutes", "never", "1", "1", "in 2 hours"]
    assert cells["good"] == [
        "Well",
        "0",
        "nothing waits",
        "5 minutes ago",
        "0",
        "0",
        "none planned",
    ]
    assert cells["off"][0] == "Paused"
    spanish = connections(await hub.http.get("/flow?lang=es"))
    assert (spanish["good"][2], spanish["good"][-1]) == ("nada espera", "ninguno previsto")


def connections(answer: httpx.Response) -> dict[str, list[str]]:
    table = answer.text.partition('id="receivers"')[2].partition("</table>")[0]
    rows = re.findall(r"<tr>(.*?)</tr>", table, re.S)[1:]
    texts = [
        [
            re.sub(r"<[^>]+>", "", cell).strip()
            for cell in re.findall(r"<t[hd][ >].*?</t[hd]>", row, re.S)
        ]
        for row in rows
    ]
    return {head.split()[-1]: cells for head, *cells in texts}


async def test_parked_records_and_counts(
    hub: Hub, settings: Settings, pool: Pool, log: Log, producer: AIOKafkaProducer
) -> None:
    await log.register("Rosa", at=people.ago(10))
    await producer.send_and_wait(settings.topic("stories"), b"no event", key=uuid4().bytes)
    async with projecting(settings):
        await wait_for(pool, "SELECT sum(next_offset) = 2 FROM read.stream_position")
    await operator(hub)

    page = await hub.http.get("/flow")
    count = await hub.http.get("/flow/count")

    assert re.search(r"Set aside</span><strong>1</strong>", page.text)
    table = page.text.partition('id="counted-table"')[2]
    row = re.search(r"stories</th>((?:<td>[^<]*</td>)+)", table)
    assert row is not None
    found = re.findall(r"<td>([^<]*)</td>", row[1])
    assert found == ["not yet", "2", "1", "0", "1", "0", "0", "0"]
    parts = re.findall(r"stories <span class=\"share\">\d</span></th>", count.text)
    assert len(parts) == settings.partitions
    sums = await pool.fetch("SELECT taken_sum FROM read.stream_position ORDER BY topic, partition")
    shown = re.findall(r"<td><code>([0-9a-f]{16})</code></td>", count.text)
    assert [int(one, 16) for one in shown] == [int(row[0]) for row in sums]
    assert {one.strip("0") == "" for one in shown} == {True, False}
    assert "<td><code>" not in page.text.partition('id="counted-table"')[2], "of one partition"


async def test_how_the_last_comparison_with_the_log_ended_is_shown(
    hub: Hub, pool: Pool, log: Log, settings: Settings
) -> None:
    await log.register("Rosa", at=people.ago(10))
    async with projecting(settings):
        await wait_for(pool, "SELECT sum(next_offset) = 1 FROM read.stream_position")
    await operator(hub)
    assert (await verify(settings, "read")).outcome == "equal"
    page = await hub.http.get("/flow")
    assert re.search(r"<td>equal, \d+ seconds? ago</td>", page.text)

    await pool.execute("UPDATE read.story SET source = 'somebody-else'")
    assert (await verify(settings, "read")).outcome == "different"

    page, parts = await hub.http.get("/flow"), await hub.http.get("/flow/count")
    assert re.search(r"<td>1 does not match, \d+ seconds? ago</td>", page.text)
    assert "Some do not match the log." in page.text
    assert "1 record does not match the log." in parts.text
    first = parts.text.partition("<tbody>")[2].partition("</tr>")[0]
    assert "1 does not match," in first, "what differs comes first"


async def wait_for(pool: Pool, question: str) -> None:
    async with asyncio.timeout(60):
        while not await pool.fetchval(question):
            await asyncio.sleep(0.02)
