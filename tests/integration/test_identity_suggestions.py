"""Is this you: an address that a person has proved, and records that organisations have under it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from aiokafka import AIOKafkaProducer
from pydantic import ValidationError

from schemas.models import WorkerRegistered
from services.common.access import Principal, Role
from services.common.clock import utc_now
from services.common.postgres import Pool
from services.common.settings import Settings
from services.common.vault import Keyring, Vault
from services.consent.identity.mail import MailSettings
from services.ingest.settings import IngestSettings
from services.ingest.worker_store import WorkerStore
from services.ingest.writer import Writer
from tests.conftest import Hub
from tests.identity_kit import World, projecting
from tests.mail_kit import Mailbox, mail_server
from tests.processes import free_port

SERVICES = ("ingest", "consent")
COLLEGE, AGENCY = "river-college", "hill-agency"
ROSA = "rosa@example.org"
Headers = dict[str, str]


@pytest.fixture
async def mailbox(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Mailbox]:
    async with mail_server() as box:
        monkeypatch.setenv("SMTP_URL", f"smtp://127.0.0.1:{box.port}")
        monkeypatch.setenv("SMTP_FROM", "hub@example.org")
        yield box


@pytest.fixture
def dead_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMTP_URL", f"smtp://127.0.0.1:{free_port()}")
    monkeypatch.setenv("SMTP_FROM", "hub@example.org")


@pytest.fixture
def unsafe_server(mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> Mailbox:
    """It does not speak TLS, and the hub has a password for it."""
    monkeypatch.setenv("SMTP_URL", f"smtp://hub:secret@127.0.0.1:{mailbox.port}")
    return mailbox


@pytest.fixture
async def world(
    mailbox: Mailbox, hub: Hub, settings: Settings, producer: AIOKafkaProducer
) -> World:
    return await World(hub, settings, producer).ready()


@pytest.fixture
async def read_world(world: World) -> AsyncIterator[World]:
    """With a read model, without which no record is joined or parted."""
    async with projecting(world.settings):
        yield world


async def somebody(world: World) -> Headers:
    return await world.hub.key(Role.WORKER, str(uuid4()))


async def registered(world: World, source: str, record: str, email: str = ROSA) -> dict[str, Any]:
    """A person whom an organisation registers with an address."""
    answer = await world.hub.http.post(
        "/v1/workers",
        json={"source_record_id": record, "contact_email": email},
        headers=await world.organization(source),
    )
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def ask(world: World, who: Headers, email: str = ROSA, **more: str) -> httpx.Response:
    order = {"email": email, **more}
    return await world.hub.http.post("/v1/contacts/verification", json=order, headers=who)


async def try_code(world: World, who: Headers, check: str, code: str) -> int:
    path = f"/v1/contacts/verification/{check}"
    answer = await world.hub.http.post(path, json={"code": code}, headers=who)
    return answer.status_code


async def proved(world: World, mailbox: Mailbox, who: Headers, email: str = ROSA) -> None:
    asked = await ask(world, who, email)
    assert asked.status_code == 202, asked.text
    assert await try_code(world, who, asked.json()["verification_id"], mailbox.code()) == 200


async def suggested(world: World, who: Headers) -> list[dict[str, Any]]:
    answer = await world.hub.http.get("/v1/suggestions", headers=who)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["suggestions"]
    return found


async def say(world: World, who: Headers, suggestion: str, mine: object) -> httpx.Response:
    path = f"/v1/suggestions/{suggestion}/answer"
    return await world.hub.http.post(path, json={"mine": mine}, headers=who)


async def test_a_yes_merges_nothing_and_the_organisations_code_does(
    read_world: World, mailbox: Mailbox
) -> None:
    world = read_world
    ana, key = await world.newcomer(COLLEGE, "c-1")
    theirs = await registered(world, AGENCY, "a-1", " ROSA@Example.org ")
    sent = await world.send(AGENCY, "a-1")
    agency = await world.organization(AGENCY)
    assert await suggested(world, key) == []
    await proved(world, mailbox, key)

    (one,) = await suggested(world, key)
    assert set(one) == {"suggestion_id", "organization_id", "registered_at", "mine"}
    assert (one["organization_id"], one["mine"]) == (AGENCY, None)
    assert await suggested(world, agency) == []
    answer = await say(world, key, one["suggestion_id"], True)
    assert answer.json()["organization_id"] == AGENCY
    assert theirs["worker_id"] not in answer.text
    await world.all_read()
    assert await world.worker_of(AGENCY, "a-1") != ana
    assert sent not in await world.facts(ana)
    (waiting,) = await suggested(world, agency)
    assert set(waiting) == {"worker_id", "source_record_id", "asked_at"}
    assert (waiting["worker_id"], waiting["source_record_id"]) == (theirs["worker_id"], "a-1")
    assert await suggested(world, await world.organization(COLLEGE)) == []

    code = (await world.register(AGENCY, waiting["source_record_id"]))["claim_code"]
    claimed = await world.claim(code, key)
    assert claimed.status_code == 200, claimed.text
    await world.ended(claimed.json()["move_id"], key)
    await world.all_read()
    assert sent in await world.facts(ana)
    assert await suggested(world, key) == await suggested(world, agency) == []


async def test_a_no_is_never_asked_again_and_the_organisation_learns_nothing(
    world: World, mailbox: Mailbox
) -> None:
    key = await somebody(world)
    await registered(world, AGENCY, "a-1")
    await proved(world, mailbox, key)
    (one,) = await suggested(world, key)

    assert (await say(world, key, one["suggestion_id"], "true")).status_code == 422
    assert (await say(world, key, one["suggestion_id"], False)).status_code == 200
    await proved(world, mailbox, key)
    assert await suggested(world, key) == []
    assert (await say(world, key, one["suggestion_id"], True)).status_code == 404
    assert await suggested(world, await world.organization(AGENCY)) == []


async def test_only_who_reads_the_address_mail_learns_who_knows_it(
    world: World, mailbox: Mailbox
) -> None:
    ana = await somebody(world)
    bo = await somebody(world)
    await registered(world, AGENCY, "a-1")
    known, unknown = await ask(world, bo), await ask(world, bo, "who@example.org")
    assert known.status_code == unknown.status_code == 202
    assert set(known.json()) == set(unknown.json()) == {"verification_id", "expires_at"}
    assert await suggested(world, bo) == []

    await proved(world, mailbox, ana)
    (one,) = await suggested(world, ana)
    assert (await say(world, bo, one["suggestion_id"], True)).status_code == 404
    agency = await world.organization(AGENCY)
    assert (await say(world, agency, one["suggestion_id"], True)).status_code == 403
    assert (await ask(world, agency)).status_code == 403
    forgotten = await world.hub.http.delete("/v1/contacts", headers=ana)
    assert forgotten.status_code == 204
    assert await suggested(world, ana) == []


async def test_records_that_were_claimed_joined_or_parted_are_not_suggested(
    read_world: World, mailbox: Mailbox
) -> None:
    world = read_world
    _, ana = await world.newcomer(COLLEGE, "c-1")
    _, bo = await world.newcomer(COLLEGE, "c-2")
    claimed, merged = [await registered(world, AGENCY, f"a-{n}") for n in range(2)]
    await proved(world, mailbox, ana)
    assert len(await suggested(world, ana)) == 2
    assert (await world.claim(claimed["claim_code"])).status_code == 200
    assert len(await suggested(world, ana)) == 1
    joined = (await world.claim(merged["claim_code"], bo)).json()
    await world.ended(joined["move_id"], bo)
    assert await suggested(world, ana) == []
    listed = (await world.hub.http.get("/v1/links", headers=bo)).json()["links"]
    (link,) = [x["link_id"] for x in listed if x["organization_id"] == AGENCY]
    parted = await world.hub.http.delete(f"/v1/links/{link}", headers=bo)
    await world.ended(parted.json()["move_id"], bo)
    assert await suggested(world, ana) == []


async def test_a_mailed_code_is_good_once_for_a_while_and_for_five_tries(
    world: World, mailbox: Mailbox
) -> None:
    ana = await somebody(world)
    bo = await somebody(world)
    check, code = (await ask(world, ana)).json()["verification_id"], mailbox.code()
    assert await try_code(world, bo, check, code) == 404
    assert await try_code(world, ana, str(uuid4()), code) == 404
    assert await try_code(world, ana, check, code.lower().replace("-", " ")) == 200
    assert await try_code(world, ana, check, code) == 404

    check, code = (await ask(world, ana)).json()["verification_id"], mailbox.code()
    for _ in range(5):
        assert await try_code(world, ana, check, "0000-0000-0000-0000") == 404
    assert await try_code(world, ana, check, code) == 404

    check, code = (await ask(world, ana)).json()["verification_id"], mailbox.code()
    await world.hub.pool.execute(
        "UPDATE vault.contact_check SET expires_at = now() WHERE check_id = $1", UUID(check)
    )
    assert await try_code(world, ana, check, code) == 404


async def test_five_codes_an_hour_go_out_for_a_person_and_to_an_address(
    world: World, mailbox: Mailbox
) -> None:
    people = [await somebody(world) for _ in range(6)]
    for who in people[:5]:
        assert (await ask(world, who)).status_code == 202
    by_address = await ask(world, people[5], " ROSA@example.org")
    for n in range(4):
        assert (await ask(world, people[0], f"r{n}@example.org")).status_code == 202
    by_person = await ask(world, people[0], "r4@example.org")
    assert (by_address.status_code, by_person.status_code) == (429, 429)
    assert by_address.text == by_person.text
    assert len(mailbox.mails) == 9


async def test_the_mail_goes_to_the_form_that_counts_in_the_persons_language(
    world: World, mailbox: Mailbox
) -> None:
    ana = await somebody(world)
    assert (await ask(world, ana, "\ufb01ona@Example.org", language="es")).status_code == 202
    to, mail = mailbox.mails[-1]
    assert to == mail["To"] == "fiona@example.org"
    assert mail["From"] == "hub@example.org"
    assert "30 minutos" in mailbox.text()


@pytest.mark.parametrize(
    "email", ["rosa", "a\r\nBcc: b@example.org", "a@example.org, b@example.org", "a b@example.org"]
)
async def test_what_is_no_address_gets_no_mail(world: World, mailbox: Mailbox, email: str) -> None:
    ana = await somebody(world)
    assert (await ask(world, ana, email)).status_code == 422
    assert mailbox.mails == []


async def test_no_address_and_no_code_is_kept_or_logged_in_clear(
    world: World, mailbox: Mailbox, capfd: pytest.CaptureFixture[str]
) -> None:
    ana = await somebody(world)
    await registered(world, AGENCY, "a-1")
    await proved(world, mailbox, ana)
    refused = await ask(world, ana, "nobody.rosa@example.org")
    assert refused.status_code == 422
    code = mailbox.code()
    pool = world.hub.pool
    tables = await pool.fetch(
        "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables"
        " WHERE schemaname <> 'information_schema' AND schemaname NOT LIKE 'pg\\_%'"
    )
    secrets = [ROSA, "nobody.rosa", code, code.replace("-", "")]
    for (table,) in tables:
        rows = "\n".join(str(dict(row)) for row in await pool.fetch(f"SELECT * FROM {table}"))
        assert not [s for s in secrets if s in rows], table
    written = "".join(capfd.readouterr())
    assert not [s for s in secrets if s in written]


async def test_a_batch_with_addresses_takes_one_statement_more_and_one_without_none(
    settings: Settings, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    add = WorkerStore.add_contacts

    async def counted(self: WorkerStore, given: Any) -> None:
        calls.append(len(given))
        await add(self, given)

    monkeypatch.setattr(WorkerStore, "add_contacts", counted)
    vault = await Vault.open(settings)
    writer = Writer(settings, pool, vault, Keyring(pool, vault), IngestSettings())
    agency = Principal(Role.AGENCY, AGENCY, "key-1")
    people = [person(n, f"b{n}@example.org") for n in range(3)]
    try:
        await writer.register([person(9, None)], agency, utc_now())
        assert calls == []
        for _ in range(2):  # a repeat is not written, so it gives nothing new
            await writer.register(people, agency, utc_now())
    finally:
        await writer.close()
    assert calls == [3]
    assert await pool.fetchval("SELECT count(*) FROM vault.given_contact") == 3


def person(number: int, email: str | None) -> WorkerRegistered:
    return WorkerRegistered(
        source_record_id=f"b-{number}", contact_email=email, occurred_at=utc_now()
    )


async def test_without_a_mail_server_it_says_what_to_set(hub: Hub) -> None:
    who = await hub.key(Role.WORKER, str(uuid4()))
    order = {"email": ROSA}
    answer = await hub.http.post("/v1/contacts/verification", json=order, headers=who)
    assert answer.status_code == 501
    assert "SMTP_URL" in answer.text


async def test_a_mail_server_that_is_away_is_told_as_such(dead_server: None, hub: Hub) -> None:
    who = await hub.key(Role.WORKER, str(uuid4()))
    order = {"email": ROSA}
    answer = await hub.http.post("/v1/contacts/verification", json=order, headers=who)
    assert answer.status_code == 503
    assert "Retry-After" in answer.headers


async def test_a_password_never_goes_to_a_server_in_clear(unsafe_server: Mailbox, hub: Hub) -> None:
    who = await hub.key(Role.WORKER, str(uuid4()))
    order = {"email": ROSA}
    answer = await hub.http.post("/v1/contacts/verification", json=order, headers=who)
    assert answer.status_code == 503
    assert unsafe_server.mails == []


def test_a_mail_server_is_set_wholly_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MailSettings().url is None
    for url, sender in [
        ("smtp://mail.example.org", ""),
        ("mail.example.org:25", "hub@example.org"),
        ("smtp://mail.example.org:port", "hub@example.org"),
        ("smtp://mail.example.org", "hub@example.org\r\nBcc: x@example.org"),
    ]:
        monkeypatch.setenv("SMTP_URL", url)
        monkeypatch.setenv("SMTP_FROM", sender)
        with pytest.raises(ValidationError):
            MailSettings()
