"""Sharing agreements over HTTP, and at every way in: what none covers is refused, and says so."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from aiokafka import ConsumerRecord

from connectors.openedx.mapping import Message
from services.common import agreements_on_file
from services.common.access import Principal, Role
from services.common.clock import utc_now
from services.common.codec import decode
from services.common.kafka import Position
from services.common.positions import wait_until_read
from services.common.settings import Settings
from services.common.vault import Keyring, Vault
from services.ingest.sources.openedx import OpenEdxSource
from services.ingest.sources.settings import OpenEdxSettings
from services.ingest.writer import Writer
from services.projections.projections import PROJECTIONS
from services.projections.settings import ProjectionsSettings
from services.projections.worker import ProjectionsWorker
from tests.conftest import Hub
from tests.ingest_kit import SOURCE, enrolled, on_the_log
from tests.integration.imports_kit import over, post, rejected

SERVICES = ("ingest", "consent", "delivery", "promises")
EMPLOYER = "acme"
Key = dict[str, str]
COMPLETED = {"type": "TrainingCompleted", "result": "PASSED"}


@pytest.fixture(autouse=True)
def required(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before `settings` is made: here agreements are required, as they are by default."""
    monkeypatch.delenv("INGEST_REQUIRE_AGREEMENT", raising=False)
    monkeypatch.setenv("INGEST_AGREEMENT_AGE", "PT0.05S")


@pytest.fixture
async def operator(hub: Hub, provider: Key, employer: Key) -> Key:
    """The one who signs; both organisations are there."""
    return await hub.key(Role.OPERATOR, "hub")


@pytest.fixture
async def provider(hub: Hub) -> Key:
    return await hub.key(Role.PROVIDER, SOURCE)


@pytest.fixture
async def employer(hub: Hub) -> Key:
    return await hub.key(Role.EMPLOYER, EMPLOYER)


def terms(**fields: Any) -> dict[str, Any]:
    return {"agreement_id": "mou-1", "organization_id": SOURCE, "sends": ["training"], **fields}


async def sign(hub: Hub, operator: Key, **fields: Any) -> dict[str, Any]:
    answer = await hub.http.post("/v1/agreements", json=terms(**fields), headers=operator)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def end(hub: Hub, operator: Key, agreement_id: str = "mou-1") -> None:
    answer = await hub.http.post(f"/v1/agreements/{agreement_id}/end", headers=operator)
    assert answer.status_code in (200, 201), answer.text


async def problem_of(hub: Hub, key: Key, **fields: Any) -> str | None:
    """What is wrong with an event that is sent now, or None when it is taken."""
    answer = await hub.http.post("/v1/events", json=enrolled(**fields), headers=key)
    if answer.status_code == 202:
        return None
    assert answer.status_code == 422, answer.text
    [error] = answer.json()["errors"]
    assert error["field"] == "type"
    assert error["fix"]
    return str(error["problem"])


async def test_what_is_signed_counts_from_the_answer_on_and_what_is_ended_no_more(
    hub: Hub, operator: Key, provider: Key, settings: Settings
) -> None:
    assert "none on file" in str(await problem_of(hub, provider))
    await sign(hub, operator)
    assert await problem_of(hub, provider) is None
    await sign(hub, operator, version=2, sends=["training.TrainingCompleted"])
    found = await problem_of(hub, provider)
    assert "lets river-college send training.TrainingCompleted" in str(found)
    await end(hub, operator)
    assert "mou-1 was ended" not in str(await problem_of(hub, provider))  # it never named this
    assert "mou-1 was ended" in str(await problem_of(hub, provider, **COMPLETED))
    assert (
        len(await on_the_log(settings)) == 2
    )  # the registration and the one event that was covered


async def test_before_it_begins_and_after_it_ran_out_nothing_is_taken(
    hub: Hub, operator: Key, provider: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = utc_now().replace(microsecond=0)
    ends, begins = now + timedelta(hours=1), now + timedelta(days=9)
    just_before = timedelta(milliseconds=1)

    async def problem_at(at: datetime) -> str | None:
        monkeypatch.setattr("services.ingest.routes.utc_now", lambda: at)
        return await problem_of(hub, provider)

    await sign(hub, operator, valid_until=ends.isoformat())
    assert await problem_at(ends - just_before) is None
    assert "ran out" in str(await problem_at(ends))
    await sign(hub, operator, agreement_id="mou-2", valid_from=begins.isoformat())
    found = str(await problem_at(begins - just_before))
    assert "mou-1 ran out" in found
    assert "mou-2 begins" in found
    assert await problem_at(begins) is None


async def test_old_news_is_covered_by_todays_agreement_and_new_news_not_by_an_old_one(
    hub: Hub, operator: Key, provider: Key
) -> None:
    await sign(hub, operator)
    assert await problem_of(hub, provider, occurred_at="1999-01-05T09:00:00Z") is None
    await end(hub, operator)
    assert await problem_of(hub, provider, occurred_at="1999-01-05T09:00:00Z") is not None


async def test_in_a_batch_only_what_is_not_covered_is_invalid(
    hub: Hub, operator: Key, provider: Key
) -> None:
    await sign(hub, operator)
    award = {
        "type": "CredentialAwarded",
        "source_record_id": "r-1",
        "occurred_at": "2026-01-05T09:00:00Z",
        "credential_id": "c-1",
        "credential_kind": "CERTIFICATE",
    }
    body = {"events": [enrolled(), award]}
    answer = await hub.http.post("/v1/events", json=body, headers=provider)
    assert [r["status"] for r in answer.json()["results"]] == ["accepted", "invalid"]


async def test_another_process_knows_at_once_what_was_signed_and_ended(
    hub: Hub, operator: Key, settings: Settings
) -> None:
    vault = await Vault.open(settings)
    other = Writer(settings, hub.pool, vault, Keyring(hub.pool, vault))
    who = Principal(Role.PROVIDER, SOURCE, "k")
    try:
        for taken in ("invalid", "accepted", "invalid"):
            [result] = await other.write([enrolled()], who, utc_now())
            assert result.status == taken
            if taken == "invalid":
                agreement_id = f"mou-{utc_now().timestamp()}"
                await sign(hub, operator, agreement_id=agreement_id)
            else:
                await end(hub, operator, agreement_id)
    finally:
        await other.close()


async def test_when_agreements_cannot_be_read_nothing_is_taken(
    hub: Hub, operator: Key, provider: Key
) -> None:
    await sign(hub, operator)
    await hub.pool.execute("ALTER TABLE ingest_work.agreement RENAME TO gone")
    answer = await hub.http.post("/v1/events", json=enrolled(), headers=provider)
    assert answer.status_code == 503


async def test_lost_working_state_is_put_back_from_the_log(
    hub: Hub, operator: Key, provider: Key, settings: Settings
) -> None:
    await sign(hub, operator)
    await end(hub, operator)
    await sign(hub, operator, agreement_id="mou-2", sends=["training.TrainingEnrolled"])
    await hub.pool.execute("TRUNCATE ingest_work.agreement, ingest_work.agreements_restored")
    assert await agreements_on_file.restore(settings, hub.pool) == 3
    assert await problem_of(hub, provider) is None
    assert "mou-1 was ended" in str(await problem_of(hub, provider, **COMPLETED))


async def test_the_read_model_has_them_and_is_enough(
    hub: Hub, operator: Key, provider: Key, settings: Settings
) -> None:
    worker = ProjectionsWorker(settings, ProjectionsSettings(), PROJECTIONS)
    running = asyncio.create_task(worker.run())
    try:
        await sign(hub, operator)
        signed = await sign(hub, operator, version=2, sends=["training", "skill"])
        await wait_until_read(hub.pool, Position.parse(signed["position"]), within_s=30)
        row = await hub.pool.fetchrow("SELECT * FROM read.sharing_agreement")
        assert row is not None
        assert (row["version"], row["sends"]) == (2, ["skill", "training"])
        await hub.pool.execute("TRUNCATE ingest_work.agreement")
        assert await problem_of(hub, provider) is None
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_repeat_is_the_same_version_and_other_terms_are_a_conflict(
    hub: Hub, operator: Key, settings: Settings
) -> None:
    first = await sign(hub, operator)
    again = await hub.http.post("/v1/agreements", json=terms(), headers=operator)
    assert (again.status_code, again.json()["position"]) == (200, first["position"])
    other = await hub.http.post("/v1/agreements", json=terms(sends=["skill"]), headers=operator)
    assert other.status_code == 409
    assert len(await on_the_log(settings, "directory")) == 1


async def test_of_two_who_sign_the_same_version_at_once_one_wins(
    hub: Hub, operator: Key, settings: Settings
) -> None:
    asked = (
        hub.http.post("/v1/agreements", json=terms(sends=[family]), headers=operator)
        for family in ("training", "skill", "credential", "support")
    )
    codes = sorted(answer.status_code for answer in await asyncio.gather(*asked))
    assert codes == [201, 409, 409, 409]
    assert len(await on_the_log(settings, "directory")) == 1


async def test_operators_sign_and_organisations_read_their_own(
    hub: Hub, operator: Key, provider: Key, employer: Key
) -> None:
    await sign(hub, operator)
    await sign(hub, operator, agreement_id="mou-2", organization_id=EMPLOYER)
    for key in (provider, employer):
        assert (await hub.http.post("/v1/agreements", json=terms(), headers=key)).status_code == 403
        ending = await hub.http.post("/v1/agreements/mou-1/end", headers=key)
        assert ending.status_code == 403
    listed = (await hub.http.get("/v1/agreements", headers=provider)).json()["agreements"]
    assert [(a["agreement_id"], a["state"]) for a in listed] == [("mou-1", "live")]
    assert len((await hub.http.get("/v1/agreements", headers=operator)).json()["agreements"]) == 2
    assert (await hub.http.get("/v1/agreements/mou-1", headers=employer)).status_code == 404
    assert (await hub.http.get("/v1/agreements/mou-1", headers=provider)).status_code == 200


async def test_what_is_not_a_field_or_no_organisation_is_told(hub: Hub, operator: Key) -> None:
    for fields, field in (({"until": "2030"}, "until"), ({"organization_id": "nobody"}, None)):
        answer = await hub.http.post("/v1/agreements", json=terms(**fields), headers=operator)
        assert answer.status_code == 422
        [error] = answer.json()["errors"]
        assert error["field"] == (field or "organization_id")
        assert error["fix"]


async def test_no_key_may_post_an_agreement_as_an_event(hub: Hub, operator: Key) -> None:
    body = {
        "type": "SharingAgreementSigned",
        "organization_id": SOURCE,
        "entity_id": "mou-1",
        "version": 1,
        "occurred_at": "2026-01-05T09:00:00Z",
    }
    answer = await hub.http.post("/v1/events", json=body, headers=operator)
    assert answer.status_code == 403


async def test_people_are_registered_only_under_an_agreement(
    hub: Hub, operator: Key, provider: Key
) -> None:
    body = {"source_record_id": "r-1"}
    answer = await hub.http.post("/v1/workers", json=body, headers=provider)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "type")
    assert await hub.pool.fetchval("SELECT count(*) FROM vault.worker") == 0
    assert (await hub.http.post("/v1/workers", json=body, headers=operator)).status_code == 201
    await sign(hub, operator, sends=["identity"])
    assert (await hub.http.post("/v1/workers", json=body, headers=provider)).status_code == 201


async def test_a_person_is_not_bound(hub: Hub, operator: Key) -> None:
    answer = await hub.http.post("/v1/workers", json={"source_record_id": "r"}, headers=operator)
    worker = await hub.key(Role.WORKER, answer.json()["worker_id"])
    body = {
        "type": "SkillClaimed",
        "occurred_at": "2026-01-05T09:00:00Z",
        "skill_id": "onet:2.B.1",
        "level": "CAN_DO",
    }
    answer = await hub.http.post("/v1/events", json=body, headers=worker)
    assert answer.status_code == 202, answer.text


async def test_a_yes_to_a_promise_asks_only_for_what_the_employer_may_receive(
    hub: Hub, operator: Key, employer: Key, settings: Settings
) -> None:
    sends = {"sends": ["directory.PathwayPublished", "promise.PromiseMade"]}
    await sign(hub, operator, organization_id=EMPLOYER, **sends)
    pathway = {
        "pathway_id": "lead",
        "title": "Team lead",
        "criteria": {"all": [{"training": "forklift"}]},
        "outcome": "INTERVIEW",
        "due_in_days": 30,
    }
    answer = await hub.http.post("/v1/pathways", json=pathway, headers=employer)
    assert answer.status_code == 202, answer.text
    answer = await hub.http.post("/v1/workers", json={}, headers=operator)
    worker_id = answer.json()["worker_id"]
    order = {"pathway_id": "lead", "worker_id": worker_id}
    made = await hub.http.post("/v1/promises", json=order, headers=employer)
    assert made.status_code == 202, made.text
    path = f"/v1/promises/{made.json()['promise_id']}/answer"
    worker = await hub.key(Role.WORKER, worker_id)

    async def asked() -> tuple[Any, list[str]]:
        """What a yes asks for, and the events on the log that ask."""
        yes = await hub.http.post(path, json={"answer": "accept"}, headers=worker)
        assert yes.status_code == 202, yes.text
        names = [decode(record.value).name for record in await on_the_log(settings)]
        assert names.count("PromiseAccepted") == 1
        return yes.json()["access_request"], [n for n in names if n == "AccessRequested"]

    assert await asked() == (None, [])
    receives = {"receives": ["promise", "training"], "purposes": ["advancement"]}
    await sign(hub, operator, version=2, organization_id=EMPLOYER, **sends, **receives)
    found, on_log = await asked()
    assert (found["categories"], on_log) == (["promise", "training"], ["AccessRequested"])


async def test_scim_keeps_nobody_whose_story_could_not_be_told(
    hub: Hub, operator: Key, employer: Key
) -> None:
    ana = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "ana"}
    answer = await hub.http.post("/scim/v2/Users", json=ana, headers=employer)
    assert answer.status_code == 403, answer.text
    assert (
        "no sharing agreement lets acme send identity.WorkerRegistered" in answer.json()["detail"]
    )
    assert await hub.pool.fetchval("SELECT count(*) FROM vault.source_record") == 0
    covered = {"organization_id": EMPLOYER, "sends": ["identity", "employment"]}
    await sign(hub, operator, **covered)
    answer = await hub.http.post("/scim/v2/Users", json=ana, headers=employer)
    assert answer.status_code == 201, answer.text
    await end(hub, operator)
    user = f"/scim/v2/Users/{answer.json()['id']}"
    answer = await hub.http.delete(user, headers=employer)
    assert answer.status_code == 403
    assert "was ended" in answer.json()["detail"]


STATEMENT = {
    "actor": {"account": {"homePage": "https://lms.test", "name": "r-1"}},
    "verb": {"id": "http://adlnet.gov/expapi/verbs/completed"},
    "object": {"id": "https://lms.test/courses/forklift"},
    "timestamp": "2026-01-05T09:00:00Z",
}


async def test_xapi_takes_all_of_a_request_or_nothing(
    hub: Hub, operator: Key, provider: Key, settings: Settings
) -> None:
    headers = provider | {"X-Experience-API-Version": "1.0.3"}
    answer = await hub.http.post("/xapi/statements", json=[STATEMENT], headers=headers)
    assert answer.status_code == 403, answer.text
    assert "no sharing agreement" in answer.json()["errors"][0]["problem"]
    assert await on_the_log(settings) == []
    await sign(hub, operator)
    answer = await hub.http.post("/xapi/statements", json=[STATEMENT], headers=headers)
    assert answer.status_code == 200, answer.text


MAPPING = """
name: courses
events:
  - type: TrainingEnrolled
    fields:
      source_record_id: "{person}"
      source_event_id: "enrolled/{person}"
      occurred_at: {from: "{day}", as: iso}
      enrolment_id: "{person}"
      course_id: forklift
      provider_id: "{@caller}"
"""


async def test_rows_of_an_import_that_no_agreement_covers_are_in_its_report(
    hub: Hub, operator: Key, provider: Key
) -> None:
    file = "person,day\nr-1,2026-01-05T09:00:00Z\n"
    account = await over(hub, provider, await post(hub, provider, file, MAPPING))
    assert account["events"]["accepted"] == 0
    assert "no sharing agreement lets river-college send" in await rejected(hub, provider, account)
    await sign(hub, operator)
    account = await over(hub, provider, await post(hub, provider, file, MAPPING))
    assert account["events"]["accepted"] == 1


async def test_the_open_edx_source_keeps_what_no_agreement_covers_as_rejects(
    hub: Hub, operator: Key, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = await Vault.open(settings)
    writer = Writer(settings, hub.pool, vault, Keyring(hub.pool, vault))
    source = OpenEdxSource(OpenEdxSettings(), settings.kafka_bootstrap, writer, hub.pool)
    await hub.key(Role.PROVIDER, "open-edx")
    author, data = await source._author(), {"certificate": {}}
    monkeypatch.setattr(source, "_message", lambda record: _message(record, data))
    monkeypatch.setattr(
        "services.ingest.sources.openedx.events",
        lambda message, provider_id: [enrolled(provider_id=provider_id)],
    )
    try:
        await source._take([_record(1)], author)
        reasons = await hub.pool.fetch("SELECT reason FROM ingest_work.source_reject")
        assert len(reasons) == 1
        assert "no sharing agreement lets open-edx send" in reasons[0]["reason"]
        await sign(hub, operator, organization_id="open-edx")
        await source._take([_record(2)], author)
        assert await hub.pool.fetchval("SELECT count(*) FROM ingest_work.source_reject") == 1
        assert len(await on_the_log(settings)) == 2
    finally:
        await writer.close()


async def _message(record: Any, data: Any) -> Message:
    return Message("type", str(record.offset), "2026-01-05T09:00:00Z", data)


def _record(offset: int) -> Any:
    return ConsumerRecord("edx", 0, offset, 0, 0, None, b"", None, 0, 0, ())


async def test_what_may_be_asked_for_and_connected_follows_from_the_agreement(
    hub: Hub, operator: Key, employer: Key
) -> None:
    answer = await hub.http.post("/v1/workers", json={"source_record_id": "r"}, headers=operator)
    wanted = {
        "worker_id": answer.json()["worker_id"],
        "categories": ["training"],
        "purposes": ["advancement"],
        "expires_at": (utc_now() + timedelta(days=9)).isoformat(),
    }
    connection = {
        "connector": "webhook",
        "url": "http://127.0.0.1:9/hook",
        "categories": ["training"],
        "purpose": "advancement",
    }
    asked = (("/v1/access-requests", wanted, 202), ("/v1/connections", connection, 201))
    covered = {"organization_id": EMPLOYER, "sends": [], "purposes": ["advancement"]}

    async def answers(words: str | None) -> None:
        for path, body, good in asked:
            answer = await hub.http.post(path, json=body, headers=employer)
            assert answer.status_code == (403 if words else good), answer.text
            if words:
                assert words in answer.json()["errors"][0]["problem"]

    await answers("none on file")
    await sign(hub, operator, **covered, receives=["skill"])
    await answers("receive skill for advancement")
    await sign(hub, operator, **covered, receives=["training"], version=2)
    await answers(None)
    await end(hub, operator)
    await answers("mou-1 was ended")


async def test_an_employers_promises_and_notices_need_an_agreement(
    hub: Hub, operator: Key, employer: Key
) -> None:
    pathway = {
        "pathway_id": "p-1",
        "title": "Lead",
        "criteria": {"all": [{"training": "c-101"}]},
        "outcome": "INTERVIEW",
        "due_in_days": 30,
    }
    promise = {"pathway_id": "p-1", "source_record_id": "r-1"}
    notice = {"worker_id": "5f70436f-cabf-4035-bc68-949867c269db", "enrolment_id": "e-1"}
    said = (
        ("/v1/pathways", pathway, "directory.PathwayPublished", 202),
        ("/v1/promises", promise, "promise.PromiseMade", 404),
        ("/v1/trainings/acknowledge", notice, "training.TrainingAcknowledged", 404),
    )
    for path, body, what, _ in said:
        answer = await hub.http.post(path, json=body, headers=employer)
        assert answer.status_code == 403, answer.text
        assert f"send {what}" in answer.json()["errors"][0]["problem"]
    covered = ["directory", "promise", "training"]
    await sign(hub, operator, organization_id=EMPLOYER, sends=covered)
    for path, body, _, good in said:
        answer = await hub.http.post(path, json=body, headers=employer)
        assert answer.status_code == good, answer.text


async def test_where_none_is_required_only_who_has_one_is_bound(
    settings: Settings, hub: Hub, operator: Key
) -> None:
    vault = await Vault.open(settings)
    young = settings.model_copy(update={"require_agreement": False})
    writer = Writer(young, hub.pool, vault, Keyring(hub.pool, vault))
    who = Principal(Role.PROVIDER, SOURCE, "k")
    try:
        [free] = await writer.write([enrolled()], who, utc_now())
        await hub.key(Role.PROVIDER, SOURCE)
        await sign(hub, operator, sends=["skill"])
        await asyncio.sleep(0.06)  # of `agreement_age`: this hub, which requires one, did not wait
        [bound] = await writer.write([enrolled(enrolment_id="e-2")], who, utc_now())
    finally:
        await writer.close()
    assert (free.status, bound.status) == ("accepted", "invalid")
