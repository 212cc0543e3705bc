"""Reads of one worker at another moment: the worker's own, and an organisation's."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiokafka import AIOKafkaProducer

from schemas.catalog import event_types
from services.common.access import Role
from services.common.emit import HUB, Actor, about_worker
from services.common.kafka import partition_for
from services.common.postgres import Pool
from services.common.settings import Settings
from services.common.vault import Keyring, Vault
from services.portal.standing import EVIDENCE, PROMISES, SKILLS, STANDING, types_behind
from services.projections.as_of import layouts
from tests.browser import people
from tests.browser.people import ago
from tests.conftest import Hub
from tests.integration.test_portal_story import SERVICES as SERVICES
from tests.integration.test_portal_story import projecting, read
from tests.processes import until

READS = ("story", "standing", "skills", "promises")
HUBS = Actor("SYSTEM", "identity", HUB)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTAL_AFTER_PATIENCE", "PT0.2S")


@pytest.fixture
async def log(settings: Settings, pool: Pool, producer: AIOKafkaProducer) -> people.Log:
    return people.Log(settings, producer, Keyring(pool, await Vault.open(settings)))


@pytest.fixture
async def rosa(log: people.Log, pool: Pool, settings: Settings) -> UUID:
    """A person with a story and one grant: Acme may see jobs, skills and training."""
    await log.directory()
    worker_id = await log.register("Rosa Marín", at=ago(1100))
    await log.add(*people.rosa(worker_id))
    categories = ("employment", "skill", "training")
    await log.add(people.grant(worker_id, uuid4(), "acme-foods", *categories, at=ago(60)))
    await read(log, pool, settings)
    return worker_id


class Reader:
    """Somebody who reads of one worker."""

    def __init__(self, hub: Hub, headers: dict[str, str], worker: UUID) -> None:
        self._hub = hub
        self._headers = headers
        self.worker = worker

    async def answer(self, what: str, **params: Any) -> Any:
        plain = {k: v.isoformat() if isinstance(v, datetime) else v for k, v in params.items()}
        path = f"/v1/workers/{self.worker}/{what}"
        return await self._hub.http.get(path, headers=self._headers, params=plain)

    async def get(self, what: str, **params: Any) -> Any:
        answer = await self.answer(what, **params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def story(self, **params: Any) -> set[str]:
        """What the items of the story are: types."""
        return {item["type"] for item in (await self.get("story", limit=100, **params))["items"]}


@pytest.fixture
async def own(hub: Hub, rosa: UUID) -> Reader:
    return Reader(hub, await hub.key(Role.WORKER, str(rosa)), rosa)


@pytest.fixture
async def acme(hub: Hub, rosa: UUID) -> Reader:
    return Reader(hub, await hub.key(Role.EMPLOYER, "acme-foods"), rosa)


async def the_event(pool: Pool, worker_id: UUID, name: str) -> UUID:
    sql = "SELECT event_id FROM read.story WHERE worker_id = $1 AND event_type = $2"
    found = await pool.fetchval(sql, worker_id, name)
    assert isinstance(found, UUID)
    return found


async def test_standing_is_what_it_was(own: Reader) -> None:
    now, then = await own.get("standing"), await own.get("standing", as_of=ago(500))

    assert [job["wage_amount"] for job in now["jobs"]] == ["19.75"]
    assert [job["wage_amount"] for job in then["jobs"]] == ["17.20"]
    assert [job["job_level"] for job in then["jobs"]] == [1]
    assert [one["credential_id"] for one in now["credentials"]] == ["c-1"]
    assert (then["credentials"], then["open_promises"]) == ([], [])
    assert [(p["promise_id"], p["state"]) for p in now["open_promises"]] == [
        ("p-pay", "late"),
        ("p-role", "made"),
    ]
    assert then["as_of"] == ago(500).isoformat().replace("+00:00", "Z")
    assert then["position"] == now["position"] is not None
    of_today = await own.get("standing", as_of=datetime.now(ago(0).tzinfo))
    for part in ("jobs", "credentials", "skills", "open_promises", "support", "open_disputes"):
        assert of_today[part] == now[part], part


async def test_what_is_not_known_yet_is_not_told(own: Reader) -> None:
    body = await own.get("standing", known_at=ago(381))

    assert [job["wage_amount"] for job in body["jobs"]] == ["17.20"]
    assert await own.story(known_at=ago(1000)) == {"WorkerRegistered", "TrainingEnrolled"}


async def test_promises_are_what_they_were(own: Reader, hub: Hub, rosa: UUID) -> None:
    async def states(**params: Any) -> dict[str, str]:
        found = await own.get("promises", **params)
        return {one["promise_id"]: one["state"] for one in found["promises"]}

    assert await states() == {"p-role": "made", "p-pay": "late", "p-1": "kept"}
    assert await states(as_of=ago(30)) == {"p-pay": "due", "p-1": "kept"}
    assert await states(known_at=ago(410)) == {"p-1": "made"}
    first = await own.get("promises", limit=2)
    rest = await own.get("promises", limit=2, before=first["next"])
    assert [p["promise_id"] for p in (*first["promises"], *rest["promises"])] == [
        *("p-role", "p-pay", "p-1")
    ]
    harbor = Reader(hub, await hub.key(Role.EMPLOYER, "harbor-logistics"), rosa)
    assert (await harbor.answer("promises", as_of=ago(30))).status_code == 404


def test_rows_of_what_is_shared_have_their_keys() -> None:
    """An event's key fields are of its own category, or an organisation would see no row of it."""
    shown = types_behind([*STANDING, SKILLS, EVIDENCE, PROMISES])
    for layout in layouts():
        for name in shown.intersection(layout.projection.events):
            kinds = event_types()[name]
            for field in layout.projection.key.fields.values():
                assert kinds.fields[field].category in (kinds.category, "envelope"), (name, field)


async def test_skills_come_with_their_evidence(own: Reader, acme: Reader) -> None:
    mine, theirs = await own.get("skills"), await acme.get("skills")

    (skill,) = mine["skills"]
    assert skill["skill_id"] == "skill:forklift-driving"
    assert [one["attestation_id"] for one in skill["evidence"]] == ["a-1"]
    assert theirs["skills"][0]["attested_by"] == ["SUPERVISOR"]
    before = await own.get("skills", as_of=ago(465))
    assert before["skills"][0]["evidence"] == []
    assert before["skills"][0]["claimed_level"] == "CAN_DO"


async def test_an_organisation_gets_what_it_may_see_and_it_is_logged(
    acme: Reader, pool: Pool, settings: Settings, rosa: UUID
) -> None:
    answer = await acme.answer("standing")

    body = answer.json()
    assert body["categories"] == ["employment", "skill", "training"]
    assert {"credentials", "open_promises", "support", "open_disputes"}.isdisjoint(body)
    (job,) = body["jobs"]
    assert (job["job_level"], job["wage_amount"], job["wage_period"]) == (2, None, None)
    ids = [row["event_id"] for row in await pool.fetch("SELECT event_id FROM read.story")]
    assert not [one for one in (rosa, *ids) if str(one) in answer.text]
    seen = "SELECT subject_type FROM read.disclosure WHERE worker_id = $1"
    async with projecting(settings):

        async def all_there() -> Any:
            found = {row["subject_type"] for row in await pool.fetch(seen, rosa)}
            return found if "EmploymentStarted" in found and "SkillAttested" in found else None

        assert await until(all_there) <= {
            *("EmploymentStarted", "Promoted", "SkillClaimed", "SkillAttested")
        }


async def test_what_was_taken_back_is_told_to_the_worker_alone(
    own: Reader, acme: Reader, rosa: UUID, log: people.Log, pool: Pool, settings: Settings
) -> None:
    attested = await the_event(pool, rosa, "SkillAttested")
    promoted = await the_event(pool, rosa, "Promoted")
    for target, reason in ((attested, "MISTAKE"), (promoted, "WRONG_PERSON")):
        void = {"voided_event_id": target.bytes, "dispute_id": None, "reason": reason}
        await log.add(about_worker("RecordVoided", uuid4(), rosa, HUBS, at=ago(3), **void))
    await read(log, pool, settings)

    assert {"SkillAttested", "Promoted"}.isdisjoint(await own.story())
    before = await own.story(known_at=ago(4))
    assert "SkillAttested" in before
    assert "Promoted" not in before  # somebody else's
    assert {"SkillAttested", "Promoted"}.isdisjoint(await acme.story(known_at=ago(4)))
    assert (await own.get("skills", known_at=ago(4)))["skills"][0]["evidence"]
    assert not (await acme.get("skills", known_at=ago(4)))["skills"][0]["evidence"]


async def test_grants_of_now_decide_about_reads_of_then(
    hub: Hub, acme: Reader, own: Reader, pool: Pool, rosa: UUID
) -> None:
    assert "SkillAttested" in await acme.story(known_at=ago(90), as_of=ago(90))
    grant_id = await pool.fetchval(
        "SELECT grant_id FROM read.access_grant WHERE worker_id = $1", rosa
    )
    headers = await hub.key(Role.WORKER, str(rosa))

    assert (await hub.http.delete(f"/v1/grants/{grant_id}", headers=headers)).status_code == 200

    for what in ("story", "standing", "skills"):
        assert (await acme.answer(what)).status_code == 404
        assert (await acme.answer(what, known_at=ago(30), as_of=ago(30))).status_code == 404


async def test_before_a_merge_was_known_the_old_id_has_its_own_story(
    own: Reader, rosa: UUID, log: people.Log, pool: Pool, settings: Settings, hub: Hub
) -> None:
    old = uuid4()
    job = {"employment_id": "j-9", "employer_id": "harbor-logistics", "job_level": 1}
    first = uuid4()
    for worker_id in (old, rosa):
        await log.add(
            about_worker(
                "EmploymentStarted", first, worker_id, people.HARBOR, at=ago(50),
                **job, occupation=None, **people.pay("21.00"),
            )
        )  # fmt: skip
        move: dict[str, Any] = {"merge_id": uuid4().bytes, "from_worker_id": old.bytes}
        move |= {"into_worker_id": rosa.bytes, "evidence": "CLAIM_CODE", "events": 1}
        await log.add(about_worker("WorkersMerged", uuid4(), worker_id, HUBS, at=ago(10), **move))
    await pool.execute(
        "INSERT INTO vault.worker (worker_id, created_at, merged_into) VALUES ($1, now(), $2)",
        old,
        rosa,
    )
    await read(log, pool, settings)
    by_old_id = Reader(hub, await hub.key(Role.WORKER, str(rosa)), old)
    jobs = "j-1", "j-9"

    async def known(reader: Reader, at: datetime) -> set[str]:
        found = await reader.get("standing", known_at=at)
        return {row["employment_id"] for row in found["jobs"]}

    assert await known(by_old_id, ago(11)) == {"j-9"}
    assert await known(own, ago(11)) == {"j-1"}
    assert await known(by_old_id, ago(9)) == await known(own, ago(9)) == set(jobs)
    assert await by_old_id.story(known_at=ago(11)) == {"EmploymentStarted"}


async def test_a_position_that_is_not_reached_is_answered_with_the_lag(
    own: Reader, acme: Reader, pool: Pool
) -> None:
    reached = (await own.get("standing"))["position"]
    topic, partition, offset = reached.split(":")
    ahead = f"{topic}:{partition}:{int(offset) + 41}"

    for what in READS:
        assert (await own.answer(what, after=reached)).status_code == 200
        behind = await own.answer(what, after=ahead)
        assert behind.status_code == 503
        assert behind.headers["content-type"] == "application/problem+json"
        assert int(behind.headers["retry-after"]) >= 1
        lag = behind.json()["lag"]
        assert (lag["topic"], lag["partition"], lag["records_behind"]) == (
            topic,
            int(partition),
            41,
        )
        assert lag["seconds_since_last"] >= 0


async def test_a_worker_without_a_story_is_told_a_position_too(
    hub: Hub, own: Reader, settings: Settings
) -> None:
    """On the partition where the story would be: so that a reader knows how fresh "nothing" is."""
    place = partition_for(own.worker.bytes, settings.partitions)
    worker_id = next(
        one
        for one in (uuid4() for _ in range(10_000))
        if partition_for(one.bytes, settings.partitions) == place
    )
    nobody = Reader(hub, await hub.key(Role.WORKER, str(worker_id)), worker_id)
    reached = (await own.get("story"))["position"]
    assert reached is not None

    for what in READS:
        assert (await nobody.get(what))["position"] == reached, what
        assert (await nobody.get(what, known_at=ago(30)))["position"] == reached, what


async def test_answers_say_that_something_is_parked(own: Reader, acme: Reader, pool: Pool) -> None:
    await pool.execute(
        "INSERT INTO read.parked (topic, partition, log_offset, worker_id, reason, headers)"
        " VALUES ('stories', 0, 999999, $1, 'does not decode', '{}')",
        own.worker,
    )

    for reader in (own, acme):
        for what in READS:
            assert (await reader.get(what))["parked"] is True
            assert (await reader.get(what, as_of=ago(30)))["parked"] is True


BAD: list[dict[str, Any]] = [
    {"as_of": "yesterday"},
    {"as_of": "2026"},
    {"known_at": "20260301"},
    {"as_of": "2026-03-01T12:00:00 01:00"},  # a + that was not escaped
    {"as_of": "2026-03-01T12:00:00"},
    {"known_at": "0001-01-01T00:00:00+14:00"},
    {"after": "stories:0:99999999999999999999"},
    {"limit": 101},
    {"before": "00"},
]


async def test_a_bad_parameter_is_named_with_its_fix(hub: Hub) -> None:
    worker_id = uuid4()
    reader = Reader(hub, await hub.key(Role.WORKER, str(worker_id)), worker_id)

    for params in BAD:
        answer = await reader.answer("skills", **params)
        assert answer.status_code == 422, params
        (error,) = answer.json()["errors"]
        assert error["field"] == next(iter(params))
        assert error.get("fix") or "less than" in error["problem"]
    paths = (await hub.http.get("/api")).json()["paths"]
    for what in READS:
        said = paths[f"/v1/workers/{{worker}}/{what}"]["get"]["parameters"]
        words = {one["name"]: one.get("description", "") for one in said}
        assert all(words[name] for name in ("as_of", "known_at", "after", "limit", "before"))


async def test_what_is_too_long_for_one_read_is_read_by_pages(
    own: Reader, acme: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.portal.shared_reads.MOST_FACTS", 3)
    assert (await acme.answer("skills")).status_code == 200
    assert (await acme.answer("standing")).json()["type"] == "/problems/too-long"

    monkeypatch.setattr("services.projections.as_of.MOST_EVENTS", 5)
    refused = await own.answer("story", known_at=ago(1))
    assert (refused.status_code, refused.json()["type"]) == (422, "/problems/too-long")
    for what in READS:
        assert (await own.answer(what)).status_code == 200


async def test_pages_of_another_moment_join_without_gap_or_double(own: Reader) -> None:
    moment = {"as_of": ago(100), "known_at": ago(100)}
    whole = [i["id"] for i in (await own.get("story", limit=100, **moment))["items"]]

    found: list[str] = []
    params: dict[str, Any] = {"limit": 4, **moment}
    while True:
        page = await own.get("story", **params)
        found += [item["id"] for item in page["items"]]
        if page["next"] is None:
            break
        params["before"] = page["next"]

    assert found == whole
    assert len(whole) > 8
