"""Nothing leaves without a live grant, and what may leave arrives as far as was agreed."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from services.common.settings import Settings
from services.common.vault import Keyring, Place
from tests.integration.delivery_kit import (
    Inbox,
    Parties,
    attempts,
    came,
    delivering,
    matched,
    projecting,
    settled,
    verified,
)
from tests.processes import until

SERVICES = ("consent", "delivery")
WAGE = {"wage_amount": Decimal("21.50"), "wage_currency": "USD", "wage_period": "HOUR"}
JOB = {"employment_id": "j-1", "employer_id": "acme", "occupation": None, "job_level": 2}


async def test_a_consented_event_arrives_signed(
    parties: Parties, settings: Settings, acme: Inbox
) -> None:
    connection = await parties.connect(await parties.organization("acme"), acme.url)
    ana, token = await parties.worker()
    async with projecting(settings), delivering(settings):
        await parties.grant(token, "acme")
        event_id, _ = await parties.progressed(ana, 1)
        await until(lambda: came(acme, 1))
        await until(lambda: attempts(parties.hub.pool, "DELIVERED"))
    message = acme.messages[0]
    body = verified(message, connection["secret"])
    assert message.id == body["id"] == parties.message(connection, event_id)
    assert body["subject"] == parties.subject(ana, "acme")
    assert body["type"] == "throughline.training.TrainingProgressed"
    assert body["data"]["course_id"] == "forklift"
    for inside in (str(ana), ana.hex, str(event_id), event_id.hex):
        assert inside not in message.raw.decode() + str(message.headers)
    [seen] = (await parties.hub.http.get("/v1/disclosures", headers=token)).json()["disclosures"]
    assert (seen["recipient_id"], seen["outcome"]) == ("acme", "DELIVERED")
    assert seen["message_id"] == message.id


async def test_default_is_no(parties: Parties, settings: Settings, acme: Inbox) -> None:
    await parties.connect(await parties.organization("acme"), acme.url)
    ana, _ = await parties.worker()
    async with delivering(settings):
        _, position = await parties.progressed(ana, 1)
        await until(lambda: matched(parties.hub.pool, position))
        assert not await parties.hub.pool.fetchval("SELECT count(*) FROM delivery_work.outbox")
    assert not acme.messages


async def test_only_the_recipient_category_and_purpose_of_the_grant(
    parties: Parties, settings: Settings, acme: Inbox, bravo: Inbox
) -> None:
    await parties.connect(await parties.organization("acme"), acme.url)
    await parties.connect(await parties.organization("bravo"), bravo.url, purpose="hiring")
    ana, token = await parties.worker()
    async with projecting(settings), delivering(settings):
        await parties.grant(token, "acme", categories=["training"])
        await parties.grant(token, "bravo", categories=["training"])  # for advancement, not hiring
        await parties.story(ana, "EmploymentStarted", **JOB, **WAGE)
        _, last = await parties.progressed(ana, 1)
        await until(lambda: matched(parties.hub.pool, last))
        await until(lambda: came(acme, 1))
        await until(lambda: settled(parties.hub.pool))
    assert [m.body["type"].rpartition(".")[2] for m in acme.messages] == ["TrainingProgressed"]
    assert not bravo.messages
    names = await parties.hub.pool.fetch("SELECT DISTINCT recipient_id FROM delivery_work.outbox")
    assert [row["recipient_id"] for row in names] == ["acme"]


async def test_fields_of_categories_that_were_not_granted_are_left_out(
    parties: Parties, settings: Settings, acme: Inbox, bravo: Inbox
) -> None:
    for name, box in (("acme", acme), ("bravo", bravo)):
        await parties.connect(await parties.organization(name), box.url)
    ana, token = await parties.worker()
    async with projecting(settings), delivering(settings):
        await parties.grant(token, "acme", categories=["employment"])
        await parties.grant(token, "bravo", categories=["employment", "wage"])
        await parties.story(ana, "EmploymentStarted", **JOB, **WAGE)
        await until(lambda: came(acme, 1))
        await until(lambda: came(bravo, 1))
    without, with_wage = acme.messages[0], bravo.messages[0]
    assert with_wage.body["data"]["wage_amount"] == "21.50"
    assert not [name for name in without.body["data"] if name.startswith("wage")]
    assert without.body["data"]["employment_id"] == "j-1"
    assert without.subject != with_wage.subject
    assert without.id != with_wage.id


async def test_sealed_fields_are_opened_for_who_may_see_them(
    parties: Parties, settings: Settings, acme: Inbox
) -> None:
    await parties.connect(await parties.organization("acme"), acme.url)
    ana, token = await parties.worker()
    key = (await Keyring(parties.hub.pool, parties.vault).for_sealing([(ana, "identity")]))[
        ana, "identity"
    ]

    def sealed(event_id: object) -> dict[str, bytes]:
        place = Place("stories", event_id, ana, "display_name")  # type: ignore[arg-type]
        return {"display_name": key.seal(place, b"Ana Ruiz")}

    async with projecting(settings), delivering(settings):
        await parties.grant(token, "acme", categories=["identity"])
        await parties.story(ana, "WorkerRegistered", sealed=sealed)
        await until(lambda: came(acme, 1))
        await until(lambda: settled(parties.hub.pool))
    assert acme.messages[0].body["data"]["display_name"] == "Ana Ruiz"
    kept = await parties.hub.pool.fetch("SELECT * FROM delivery_work.outbox")
    assert "Ana Ruiz" not in str(kept)
    assert b"Ana Ruiz" not in b"".join(row["value"] or b"" for row in kept)


async def test_a_paused_connection_accumulates_and_then_sends_in_order(
    parties: Parties, settings: Settings, acme: Inbox
) -> None:
    key = await parties.organization("acme")
    connection = await parties.connect(key, acme.url)
    ana, token = await parties.worker()
    path = f"/v1/connections/{connection['connection_id']}"
    async with projecting(settings), delivering(settings):
        await parties.grant(token, "acme")
        await parties.hub.http.post(f"{path}/pause", headers=key)
        sent = [await parties.progressed(ana, step) for step in range(5)]
        await until(lambda: matched(parties.hub.pool, sent[-1][1]))
        listed = (await parties.hub.http.get(f"{path}/deliveries", headers=key)).json()
        assert [d["state"] for d in listed["deliveries"]] == ["pending"] * 5
        assert not acme.messages
        await parties.hub.http.post(f"{path}/resume", headers=key)
        await until(lambda: came(acme, 5))
    assert acme.ids() == [parties.message(connection, event_id) for event_id, _ in sent]


async def test_what_waits_is_refused_once_the_grant_has_ended(
    parties: Parties, settings: Settings, acme: Inbox
) -> None:
    """Two people share; one withdraws, the other's grant expires, while the receiver is paused."""
    pool, key = parties.hub.pool, await parties.organization("acme")
    path = f"/v1/connections/{(await parties.connect(key, acme.url))['connection_id']}"
    ana, ana_token = await parties.worker()
    ben, ben_token = await parties.worker()
    async with projecting(settings), delivering(settings):
        await parties.hub.http.post(f"{path}/pause", headers=key)
        hers = await parties.grant(ana_token, "acme")
        await parties.grant(ben_token, "acme", valid_until=_in_an_hour())
        for worker_id in (ana, ben):
            _, position = await parties.progressed(worker_id, 1)
            await until(lambda p=position: matched(pool, p))
        assert await pool.fetchval("SELECT sum(pending) FROM delivery_work.lane") == 2
        await parties.withdraw(ana_token, hers)
        over = "UPDATE delivery.grant_view SET valid_until = now() WHERE worker_id = $1"
        assert await pool.execute(over, ben) == "UPDATE 1"
        await parties.hub.http.post(f"{path}/resume", headers=key)
        await until(lambda: settled(pool))
        refusals = await until(lambda: _refusals(parties, 2))
    assert not acme.messages
    assert refusals == {ana: "withdrawn", ben: "expired"}


async def _refusals(parties: Parties, wanted: int) -> dict[object, str]:
    found = await attempts(parties.hub.pool, "REFUSED")
    assert all(row["grant_id"] is not None for row in found)
    return {r["worker_id"]: r["reason"] for r in found} if len(found) == wanted else {}


def _in_an_hour() -> str:
    """Later than any test lasts: each moves it to now when all is ready for it."""
    return (datetime.now(UTC) + timedelta(hours=1)).isoformat()


async def test_a_grant_begins_when_it_says(
    parties: Parties, settings: Settings, acme: Inbox
) -> None:
    connection = await parties.connect(await parties.organization("acme"), acme.url)
    ana, token = await parties.worker()
    pool = parties.hub.pool
    async with projecting(settings), delivering(settings):
        await parties.grant(token, "acme", valid_from=_in_an_hour())
        first, position = await parties.progressed(ana, 1)
        await until(lambda: matched(pool, position))
        assert not await pool.fetchval("SELECT count(*) FROM delivery_work.outbox")
        assert not acme.messages
        begins = "UPDATE delivery.grant_view SET valid_from = now() WHERE worker_id = $1"
        assert await pool.execute(begins, ana) == "UPDATE 1"
        await until(lambda: came(acme, 1))
        second, _ = await parties.progressed(ana, 2)
        await until(lambda: came(acme, 2))
    assert acme.ids() == [parties.message(connection, e) for e in (first, second)]


async def test_an_event_that_is_twice_on_the_log_is_sent_once(
    parties: Parties, settings: Settings, acme: Inbox
) -> None:
    await parties.connect(await parties.organization("acme"), acme.url)
    ana, token = await parties.worker()
    async with projecting(settings), delivering(settings):
        await parties.grant(token, "acme")
        event_id, _ = await parties.progressed(ana, 1)
        await until(lambda: came(acme, 1))
        await until(lambda: settled(parties.hub.pool))
        _, repeat = await parties.progressed(ana, 1, event_id=event_id)
        await until(lambda: matched(parties.hub.pool, repeat))
        await parties.progressed(ana, 2)
        await until(lambda: came(acme, 2))
        await until(lambda: settled(parties.hub.pool))
    assert len(acme.messages) == 2


async def test_connections_of_others_are_not_there(parties: Parties, acme: Inbox) -> None:
    key = await parties.organization("acme")
    path = f"/v1/connections/{(await parties.connect(key, acme.url))['connection_id']}"
    other, http = await parties.organization("bravo"), parties.hub.http
    answers = await asyncio.gather(
        http.get(f"{path}/deliveries", headers=other),
        http.post(f"{path}/pause", headers=other),
        http.post(f"{path}/resume", headers=other),
        http.delete(path, headers=other),
    )
    assert {answer.status_code for answer in answers} == {404}
    assert (await http.get("/v1/connections", headers=other)).json() == {"connections": []}
    [mine] = (await http.get("/v1/connections", headers=key)).json()["connections"]
    assert mine["state"] == "ACTIVE"
    assert "secret" not in mine
