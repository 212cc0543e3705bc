"""Requests, grants and who saw what, over HTTP, on the real log and database."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from services.common.codec import Decoded, decode
from services.common.emit import SYSTEM, about_worker, publish
from services.common.ids import new_id
from services.common.kafka import Position
from services.common.positions import wait_until_read
from services.common.settings import Settings
from services.consent import handlers
from services.consent.requests import GrantOrder
from tests.integration.delivery_kit import Parties, attempts, projecting
from tests.processes import until

SERVICES = ("consent", "delivery")


async def at(settings: Settings, position: str) -> Decoded:
    """The event that stands at a position."""
    place = Position.parse(position)
    where = TopicPartition(settings.topic(place.topic), place.partition)
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap)
    await consumer.start()
    try:
        consumer.assign([where])
        consumer.seek(where, place.offset)
        record = await consumer.getone()
    finally:
        await consumer.stop()
    assert record.offset == place.offset
    return decode(record.value)


async def on_log(settings: Settings, name: str) -> int:
    """How many events of a type the log holds."""
    topic = settings.topic("stories")
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap)
    await consumer.start()
    try:
        where = [TopicPartition(topic, number) for number in range(settings.partitions)]
        consumer.assign(where)
        await consumer.seek_to_beginning(*where)
        ends, found = await consumer.end_offsets(where), 0
        while any([await consumer.position(tp) < ends[tp] for tp in where]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += sum(decode(record.value).name == name for record in records)
        return found
    finally:
        await consumer.stop()


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    return body


async def told(parties: Parties, made: dict[str, Any]) -> None:
    """Until the read model has it; `after` alone waits for some seconds only."""
    await wait_until_read(parties.hub.pool, Position.parse(made["position"]), within_s=60)


async def test_a_grant_is_an_event_with_the_words_that_were_shown(
    parties: Parties, settings: Settings
) -> None:
    await parties.organization("acme")
    ana, token = await parties.worker()
    made = await parties.grant(token, "acme", wording_language="es")
    event = await at(settings, made["position"])
    answer = await parties.hub.http.get("/v1/consent-wording?language=es&version=2026-11")
    [words] = answer.json()["wordings"]
    assert event.name == "ConsentGranted"
    assert event.worker_id == ana
    assert UUID(bytes=event.fields["grant_id"]) == UUID(made["grant_id"])
    assert event.fields["wording_sha256"] == words["sha256"]
    assert words["words"]["question"].startswith("¿")
    assert (event.fields["actor_role"], event.fields["actor_id"]) == ("WORKER", "self")


async def test_the_same_grant_again_is_the_same_event(parties: Parties, settings: Settings) -> None:
    await parties.organization("acme")
    await parties.organization("bravo")
    _, token = await parties.worker()
    order, http = parties.order("acme"), parties.hub.http
    first = await http.post("/v1/grants", json=order, headers=token)
    again = await http.post("/v1/grants", json=order, headers=token)
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert await on_log(settings, "ConsentGranted") == 1
    other = await http.post("/v1/grants", json={**order, "recipient_id": "bravo"}, headers=token)
    problem(other, 409)
    _, stranger = await parties.worker()
    problem(await http.post("/v1/grants", json=order, headers=stranger), 409)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"recipient_id": "nobody"}, "recipient_id"),
        ({"valid_until": "2020-01-01T00:00:00Z"}, "valid_until"),
        ({"valid_until": (datetime.now(UTC) + timedelta(days=400)).isoformat()}, "valid_until"),
        ({"wording_version": "1999-01"}, "wording_version"),
        ({"wording_sha256": "0" * 64}, "wording_sha256"),
        ({"categories": []}, "categories"),
        ({"categories": ["demographic"]}, "categories"),
        ({"categories": ["consent"]}, "categories"),
        ({"purposes": ["marketing"]}, "purposes"),
        ({"everything": True}, "everything"),
    ],
)
async def test_a_grant_that_says_too_much_or_too_little_is_refused(
    parties: Parties, settings: Settings, change: dict[str, Any], field: str
) -> None:
    await parties.organization("acme")
    _, token = await parties.worker()
    answer = await parties.hub.http.post(
        "/v1/grants", json=parties.order("acme", **change), headers=token
    )
    [error, *_] = problem(answer, 422)["errors"]
    assert error["field"].startswith(field)
    assert await on_log(settings, "ConsentGranted") == 0


async def test_only_the_worker_agrees_and_withdraws(parties: Parties) -> None:
    key = await parties.organization("acme")
    _, ana = await parties.worker()
    _, ben = await parties.worker()
    http = parties.hub.http
    problem(await http.post("/v1/grants", json=parties.order("acme"), headers=key), 403)
    problem(await http.post("/v1/grants", json=parties.order("acme")), 401)
    path = f"/v1/grants/{(await parties.grant(ana, 'acme'))['grant_id']}"
    problem(await http.delete(path, headers=ben), 404)
    problem(await http.delete(path, headers=key), 403)
    problem(await http.delete(f"/v1/grants/{new_id()}", headers=ana), 404)
    [mine] = (await http.get("/v1/grants", headers=ana)).json()["grants"]
    assert mine["state"] == "live"
    assert (await http.get("/v1/grants", headers=ben)).json()["grants"] == []


async def test_withdrawing_twice_answers_the_same(parties: Parties, settings: Settings) -> None:
    await parties.organization("acme")
    ana, token = await parties.worker()
    grant = await parties.grant(token, "acme")
    first, second = await parties.withdraw(token, grant), await parties.withdraw(token, grant)
    assert first == second
    event = await at(settings, first["position"])
    assert (event.name, event.worker_id) == ("ConsentWithdrawn", ana)
    assert await on_log(settings, "ConsentWithdrawn") == 1
    [mine] = (await parties.hub.http.get("/v1/grants", headers=token)).json()["grants"]
    assert mine["state"] == "withdrawn"
    again = await parties.hub.http.post(
        "/v1/grants",
        json=parties.order("acme", **{n: grant[n] for n in ("grant_id", "valid_until")}),
        headers=token,
    )
    problem(again, 409)


async def test_an_organisation_sees_its_grants_under_its_own_name_for_the_worker(
    parties: Parties, settings: Settings
) -> None:
    acme, bravo = await parties.organization("acme"), await parties.organization("bravo")
    ana, token = await parties.worker()
    made = await parties.grant(token, "acme")
    http = parties.hub.http
    async with projecting(settings):  # known from here first, and from the read model afterwards
        for after in ("", f"?after={made['position']}"):
            answer = await http.get(f"/v1/grants{after}", headers=acme)
            [seen] = answer.json()["grants"]
            assert seen["subject"] == parties.subject(ana, "acme")
            assert str(ana) not in answer.text
            await told(parties, made)
    assert (await http.get("/v1/grants", headers=bravo)).json()["grants"] == []


async def test_a_grant_that_came_another_way_can_be_withdrawn(
    parties: Parties, settings: Settings
) -> None:
    """The read model knows it; this service has never seen it."""
    await parties.organization("acme")
    _, token = await parties.worker()
    made = await parties.grant(token, "acme")
    async with projecting(settings):
        await told(parties, made)
        await parties.hub.pool.execute("DELETE FROM consent.given")
        [mine] = (await parties.hub.http.get("/v1/grants", headers=token)).json()["grants"]
        assert mine["grant_id"] == made["grant_id"]
        await parties.withdraw(token, made)
    [mine] = (await parties.hub.http.get("/v1/grants", headers=token)).json()["grants"]
    assert mine["state"] == "withdrawn"


def ask(**over: Any) -> dict[str, Any]:
    return {
        "categories": ["training"],
        "purposes": ["hiring"],
        "expires_at": (datetime.now(UTC) + timedelta(days=7)).isoformat(),
        **over,
    }


async def test_a_request_is_seen_and_declined(parties: Parties, settings: Settings) -> None:
    key, (ana, token), http = (
        await parties.organization("acme"),
        await parties.worker(),
        parties.hub.http,
    )
    index = parties.vault.blind_index("acme", "clock-17")
    await parties.hub.pool.execute(
        "INSERT INTO vault.source_record (source, record_index, worker_id) VALUES ($1, $2, $3)",
        "acme",
        index,
        ana,
    )
    order = ask(request_id=str(new_id()), source_record_id="clock-17")
    made = await http.post("/v1/access-requests", json=order, headers=key)
    again = await http.post("/v1/access-requests", json=order, headers=key)
    assert made.status_code == 202, made.text
    assert made.json() == again.json()
    assert (await at(settings, made.json()["position"])).worker_id == ana
    [mine] = (await http.get("/v1/access-requests", headers=token)).json()["requests"]
    assert (mine["recipient_id"], mine["state"]) == ("acme", "open")
    path = f"/v1/access-requests/{mine['request_id']}/decline"
    first, second = [await http.post(path, headers=token) for _ in range(2)]
    assert first.json() == second.json()
    assert (await at(settings, first.json()["position"])).name == "AccessDeclined"
    assert (
        await on_log(settings, "AccessRequested") == await on_log(settings, "AccessDeclined") == 1
    )
    [theirs] = (await http.get("/v1/access-requests", headers=key)).json()["requests"]
    assert theirs["state"] == "declined"
    assert str(ana) not in str(theirs)


async def asked(parties: Parties, key: dict[str, str], worker_id: UUID) -> str:
    """The id of a request to a person who has a record here."""
    await parties.hub.pool.execute(
        "INSERT INTO vault.worker (worker_id, created_at) VALUES ($1, now()) ON CONFLICT DO NOTHING",
        worker_id,
    )
    order = ask(worker_id=str(worker_id))
    made = await parties.hub.http.post("/v1/access-requests", json=order, headers=key)
    assert made.status_code == 202, made.text
    return str(made.json()["request_id"])


async def test_a_yes_answers_a_request_of_who_is_to_see_it(
    parties: Parties, settings: Settings
) -> None:
    acme, _ = [await parties.organization(name) for name in ("acme", "bravo")]
    (ana, token), (_, stranger) = await parties.worker(), await parties.worker()
    named = {"request_id": await asked(parties, acme, ana)}
    await parties.grant(token, "acme", **named)
    async with projecting(settings):
        for _ in range(2):  # known from here first, and from the read model afterwards
            answer = await parties.hub.http.get("/v1/access-requests", headers=acme)
            assert [one["request_id"] for one in answer.json()["requests"]] == [*named.values()]
            await until(lambda: _granted(parties, acme))
        for recipient, who, request in (
            ("bravo", token, named),  # another's
            ("acme", stranger, named),  # to somebody else
            ("acme", token, {"request_id": "made-up"}),
        ):
            order = parties.order(recipient, **request)
            answer = await parties.hub.http.post("/v1/grants", json=order, headers=who)
            [error] = problem(answer, 422)["errors"]
            assert (error["field"], bool(error["fix"])) == ("request_id", True)
    assert await on_log(settings, "ConsentGranted") == 1


async def _granted(parties: Parties, key: dict[str, str]) -> bool:
    [one] = (await parties.hub.http.get("/v1/access-requests", headers=key)).json()["requests"]
    return bool(one["state"] == "granted")


async def test_a_request_is_answered_in_time_and_by_one_yes_at_a_time(parties: Parties) -> None:
    acme, (ana, token) = await parties.organization("acme"), await parties.worker()
    named = {"request_id": await asked(parties, acme, ana)}
    order = parties.order("acme", **named)
    for _ in range(2):  # the same again is the same
        given = await parties.hub.http.post("/v1/grants", json=order, headers=token)
        assert given.status_code == 201, given.text

    async def refused(code: str) -> None:
        again = parties.order("acme", **named)
        answer = await parties.hub.http.post("/v1/grants", json=again, headers=token)
        body = problem(answer, 409)
        assert (body["type"], body["errors"][0]["field"]) == (f"/problems/{code}", "request_id")

    await refused("answered")
    await parties.withdraw(token, given.json())
    second = await parties.grant(token, "acme", **named)  # a change of mind
    await parties.withdraw(token, second)
    await parties.hub.pool.execute("UPDATE consent.request SET expires_at = now()")
    await refused("expired")


async def test_a_request_that_is_on_the_log_alone_is_waited_for(
    parties: Parties, settings: Settings
) -> None:
    """A yes to a promise asks so: its answer names a request that no table may have yet."""
    await parties.organization("acme")
    ana, token = await parties.worker()
    now = datetime.now(UTC)
    made = handlers.Asked(
        "by-promise", ana, "acme", ("training",), ("advancement",), now, now + timedelta(days=7)
    )
    await publish(parties.producer, settings, made.event(SYSTEM))
    order = parties.order("acme", request_id="by-promise")
    decline = "/v1/access-requests/by-promise/decline"
    for path, body in (("/v1/grants", order), (decline, None)):
        answer = await parties.hub.http.post(path, json=body, headers=token)
        assert problem(answer, 503)["type"] == "/problems/read-model-behind"
        assert answer.headers["Retry-After"]
    async with projecting(settings):
        await until(lambda: _taken(parties, token, order))


async def _taken(parties: Parties, token: dict[str, str], order: dict[str, Any]) -> bool:
    answer = await parties.hub.http.post("/v1/grants", json=order, headers=token)
    assert answer.status_code in (201, 503), answer.text
    return answer.status_code == 201


async def test_of_two_yeses_to_a_request_at_once_one_is_taken(parties: Parties) -> None:
    """Else whoever stops one of them would go on sharing under the other."""
    acme, (ana, token) = await parties.organization("acme"), await parties.worker()
    named = {"request_id": await asked(parties, acme, ana)}

    async def statuses(*orders: dict[str, Any]) -> list[int]:
        post = parties.hub.http.post
        answers = [post("/v1/grants", json=order, headers=token) for order in orders]
        return sorted(answer.status_code for answer in await asyncio.gather(*answers))

    orders = [parties.order("acme", **named) for _ in range(4)]
    assert await statuses(*orders) == [201, 409, 409, 409]
    [given] = (await parties.hub.http.get("/v1/grants", headers=token)).json()["grants"]
    await parties.withdraw(token, given)
    assert await statuses(*[parties.order("acme", **named)] * 4) == [201] * 4  # one yes, repeated


async def test_a_request_is_answered_however_many_grants_came_after(parties: Parties) -> None:
    acme, (ana, token) = await parties.organization("acme"), await parties.worker()
    named = {"request_id": await asked(parties, acme, ana)}
    await parties.grant(token, "acme", **named)
    columns = "worker_id, recipient_id, categories, purposes, valid_from, valid_until, position"
    columns += ", event, wording_version, wording_language, wording_sha256"
    await parties.hub.pool.execute(
        f"INSERT INTO consent.given (grant_id, granted_at, {columns})"
        f" SELECT gen_random_uuid(), now(), {columns} FROM consent.given, generate_series(1, 1000)"
    )
    order = parties.order("acme", **named)
    answer = await parties.hub.http.post("/v1/grants", json=order, headers=token)
    assert problem(answer, 409)["type"] == "/problems/answered"


async def test_a_grant_is_the_same_also_where_the_read_model_alone_remembers_it(
    parties: Parties, settings: Settings
) -> None:
    acme, (ana, token) = await parties.organization("acme"), await parties.worker()
    order = parties.order("acme", request_id=await asked(parties, acme, ana))
    given = await parties.hub.http.post("/v1/grants", json=order, headers=token)
    async with projecting(settings):
        await told(parties, given.json())
        await parties.hub.pool.execute("DELETE FROM consent.given")
        again = await parties.hub.http.post("/v1/grants", json=order, headers=token)
        assert again.status_code == 201, again.text
        assert again.json()["grant_id"] == order["grant_id"]


async def test_a_yes_to_another_on_the_log_leaves_a_request_open_and_where_it_was(
    parties: Parties, settings: Settings
) -> None:
    acme, bravo = [await parties.organization(name) for name in ("acme", "bravo")]
    ana, token = await parties.worker()
    request_id = await asked(parties, acme, ana)
    given = handlers.grant(
        GrantOrder.model_validate(parties.order("bravo", request_id=request_id)),
        new_id(),
        ana,
        longest=timedelta(days=366),
        now=datetime.now(UTC),
    )
    position = await publish(parties.producer, settings, given.event())
    async with projecting(settings):
        await told(parties, {"position": str(position)})
        for who in (token, acme):
            [one] = (await parties.hub.http.get("/v1/access-requests", headers=who)).json()[
                "requests"
            ]
            assert (one["recipient_id"], one["state"]) == ("acme", "open")
    answer = await parties.hub.http.get("/v1/access-requests", headers=bravo)
    assert answer.json()["requests"] == []


async def test_a_no_to_a_request_whose_id_has_a_slash(parties: Parties, settings: Settings) -> None:
    await parties.organization("acme")
    ana, token = await parties.worker()
    made = handlers.Asked(
        "spring/1", ana, "acme", ("training",), ("hiring",),
        datetime.now(UTC), datetime.now(UTC) + timedelta(days=7),
    )  # fmt: skip
    position = await publish(parties.producer, settings, made.event(SYSTEM))
    async with projecting(settings):
        await told(parties, {"position": str(position)})
        for path in ("spring/1", "spring%2F1"):
            answer = await parties.hub.http.post(
                f"/v1/access-requests/{path}/decline", headers=token
            )
            assert answer.status_code == 202, answer.text


async def test_requests_about_nobody_or_for_somebody_else(parties: Parties) -> None:
    key, http = await parties.organization("acme"), parties.hub.http
    ana, token = await parties.worker()
    nobody = ask(worker_id=str(ana))
    problem(await http.post("/v1/access-requests", json=nobody, headers=key), 404)
    problem(await http.post("/v1/access-requests", json=nobody, headers=token), 403)
    problem(await http.post("/v1/access-requests", json=ask(), headers=key), 422)
    late = ask(worker_id=str(ana), expires_at="2020-01-01T00:00:00Z")
    problem(await http.post("/v1/access-requests", json=late, headers=key), 404)
    problem(await http.post(f"/v1/access-requests/{new_id()}/decline", headers=token), 404)


async def test_who_saw_what_is_paged_newest_first(parties: Parties, settings: Settings) -> None:
    ana, token = await parties.worker()
    ben, other = await parties.worker()
    for number in range(7):
        await _attempted(parties, ana, number)
    await _attempted(parties, ben, 7)
    seen: list[str] = []
    async with projecting(settings):
        await until(lambda: _all(parties, 8))
        page = {"next": ""}
        while page["next"] is not None:
            before = {"before": page["next"]} if page["next"] else {}
            answer = await parties.hub.http.get(
                "/v1/disclosures", params={"limit": 3, **before}, headers=token
            )
            page = answer.json()
            seen += [row["message_id"] for row in page["disclosures"]]  # type: ignore[index]
    assert seen == [f"msg_{number}" for number in reversed(range(7))]
    [mine] = (await parties.hub.http.get("/v1/disclosures", headers=other)).json()["disclosures"]
    assert mine["message_id"] == "msg_7"
    bad = await parties.hub.http.get("/v1/disclosures?before=yesterday", headers=token)
    problem(bad, 422)


async def _all(parties: Parties, wanted: int) -> bool:
    return len(await attempts(parties.hub.pool, "DELIVERED")) == wanted


async def _attempted(parties: Parties, worker_id: UUID, number: int) -> None:
    now = datetime.now(UTC)
    event = about_worker(
        "DisclosureAttempted",
        new_id(),
        worker_id,
        SYSTEM,
        at=now,
        message_id=f"msg_{number}",
        connection_id="c-1",
        recipient_id="acme",
        grant_id=new_id().bytes,
        subject_event_id=new_id().bytes,
        subject_type="TrainingCompleted",
        subject_category="training",
        outcome="DELIVERED",
        reason="accepted",
        http_status=204,
        attempt=1,
        decided_at=now,
    )
    await publish(parties.producer, parties.settings, event)
