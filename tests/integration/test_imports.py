"""CSV imports over HTTP: what is in the file is on the log, once, or in the report."""

from __future__ import annotations

import asyncio
import csv
import io
import threading
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import httpx
import pytest

from services.common.access import Keys, Principal, Role, issue_key
from services.common.errors import DependencyDown
from services.common.ids import new_id
from services.common.postgres import Pool
from services.common.settings import Settings
from services.common.vault import Keyring, Vault
from services.demo.data import open_university, provider_lists
from services.ingest.imports import routes
from services.ingest.imports.mapping import ImportMapping
from services.ingest.imports.opening import BATCH_EVENTS, file_of
from services.ingest.imports.parsing import parse_mapping
from services.ingest.imports.runner import ImportRunner
from services.ingest.imports.settings import ImportSettings
from services.ingest.imports.store import Import, ImportStore, NewImport
from services.ingest.imports.taking import AT_ONCE, EventWriter
from services.ingest.writer import Writer
from tests.conftest import Hub
from tests.integration.imports_kit import imported, on_the_log, over, post, report
from tests.processes import until

SERVICES = ("ingest",)
MAPPING = """
name: courses
events:
  - type: TrainingEnrolled
    fields:
      source_record_id: "{person}"
      source_event_id: "enrolled/{course}-{person}"
      occurred_at: {from: "{day}", as: iso}
      enrolment_id: "{course}-{person}"
      course_id: "{course}"
      provider_id: "{@caller}"
"""
HEADER = "person,course,day\n"
DAY_TWICE = 'as: date, formats: ["%d/%d/%Y"]'


async def test_the_shipped_cohort_is_on_the_log_and_a_second_time_changes_nothing(
    hub: Hub, settings: Settings
) -> None:
    key = await hub.key(Role.PROVIDER, "open-university")

    accounts = [await imported(hub, key, shipment) for shipment in open_university()]

    assert [a["state"] for a in accounts] == ["done"] * 3
    assert [a["rows"]["accepted"] for a in accounts] == [1330, 1330, 8304]
    assert all(a["events"]["refused"] == 0 and a["progress"] == 1 for a in accounts)
    counted = Counter(event.name for event in await on_the_log(settings, "stories"))
    expected = sum((Counter(a["accepted_by_type"]) for a in accounts), Counter())
    assert expected["AssessmentTaken"] == 8304
    assert {name: counted[name] for name in expected} == expected
    again = await imported(hub, key, open_university()[0])
    assert (again["rows"]["accepted"], again["rows"]["duplicate"]) == (0, 1330)
    assert (again["events"]["accepted"], again["events"]["refused"]) == (0, 0)


async def test_demographics_of_a_file_are_not_on_the_log(hub: Hub, settings: Settings) -> None:
    key = await hub.key(Role.PROVIDER, "open-university")
    results, courses = open_university()[1], open_university()[1].lookups
    head, row = results.file.read_text().splitlines()[:2]
    wide = f"{head},gender,region\n{row},marker-gender,marker-region\n"

    await over(hub, key, await post(hub, key, wide, results.mapping, lookups=courses))

    events = await on_the_log(settings, "stories")
    assert any(event.name == "TrainingCompleted" for event in events)
    assert not any("marker" in str(event.fields) for event in events)


async def test_provider_lists_become_the_directory_dirt_included(
    hub: Hub, settings: Settings
) -> None:
    key = await hub.key(Role.OPERATOR, "hub")

    texas, new_jersey = [await imported(hub, key, s) for s in provider_lists()]

    assert texas["rows"] == {"read": 150, "accepted": 150, "duplicate": 0, "refused": 0, "empty": 0}
    assert texas["events"]["accepted"] + texas["events"]["repeated"] == 300
    assert texas["repaired_by_rule"]["cip_leading_zero"] >= 5
    assert texas["warnings_by_reason"]["url"] >= 6
    assert texas["warnings_by_reason"]["number"] >= 4
    assert new_jersey["rows"]["accepted"] == 60
    assert new_jersey["warnings_by_reason"] == {"place": 1, "url": 1}
    events = await on_the_log(settings, "directory")
    organisations = {
        e.fields["organization_id"]: e.fields for e in events if e.name == "OrganizationRegistered"
    }
    programmes = [e.fields for e in events if e.name == "ProgrammePublished"]
    assert len(organisations) == texas["accepted_by_type"]["OrganizationRegistered"] + 60
    assert len(programmes) == 150
    assert all(p["organization_id"] in organisations for p in programmes)
    assert all(len(o["postal_code"]) == 5 for o in organisations.values() if o["postal_code"])
    lines = list(csv.DictReader(io.StringIO(await report(hub, key, new_jersey))))
    assert {(line["column"], line["severity"]) for line in lines} == {
        ("CITY", "warning"),
        ("WEBSITE", "warning"),
    }
    assert any("54912" in line["value"] for line in lines)


async def test_a_refused_row_is_named_and_the_others_are_taken(
    hub: Hub, settings: Settings
) -> None:
    key = await hub.key(Role.PROVIDER, "college")
    body = (
        HEADER
        + "1,welding,2024-01-08\n2,welding,soon\n,welding,2024-01-08\n3,welding,2024-01-09,x\n"
    )
    body += (
        "4,welding,2999-01-01\n5,welding,2024-01-08\n1,welding,2024-01-08\n1,welding,2024-02-01\n"
    )

    account = await over(hub, key, await post(hub, key, body, MAPPING))

    assert account["rows"] == {"read": 8, "accepted": 2, "duplicate": 1, "refused": 5, "empty": 0}
    assert account["refused_by_reason"] == {
        "date": 1,
        "empty": 1,
        "unreadable": 1,
        "invalid": 1,
        "conflict": 1,
    }
    lines = list(csv.DictReader(io.StringIO(await report(hub, key, account))))
    assert [line["row"] for line in lines] == ["3", "4", "5", "6", "9"]
    assert [line["column"] for line in lines[:2]] == ["day", "person"]
    assert all(line["reason"] and line["fix"] and not line["value"] for line in lines[:4])
    taken = [e for e in await on_the_log(settings, "stories") if e.name == "TrainingEnrolled"]
    assert {e.fields["enrolment_id"] for e in taken} == {"welding-1", "welding-5"}


async def test_a_dry_run_tells_and_writes_nothing(hub: Hub, settings: Settings) -> None:
    key = await hub.key(Role.PROVIDER, "college")
    body = HEADER + "1,welding,2024-01-08\n2,welding,soon\n"

    account = await over(hub, key, await post(hub, key, body, MAPPING, dry_run=True))

    assert account["dry_run"] is True
    assert (account["rows"]["accepted"], account["rows"]["refused"]) == (1, 1)
    assert account["events"]["valid"] == 1
    assert account["events"]["accepted"] == 0
    assert "soon" not in await report(hub, key, account)
    assert await on_the_log(settings, "stories") == []


@pytest.mark.parametrize(
    ("role", "file", "mapping", "status", "says"),
    [
        (Role.PROVIDER, "person,Course,day\n", MAPPING, 422, "It has: person, Course, day."),
        (Role.PROVIDER, HEADER, "no-such-mapping", 422, "oulad-results"),
        (Role.PROVIDER, HEADER, "events: [", 422, "is not YAML"),
        (Role.PROVIDER, HEADER, "[" * 100_000, 422, "nested more than 50 deep"),
        (Role.PROVIDER, HEADER, MAPPING.replace("as: iso", DAY_TWICE), 422, "each part once"),
        (Role.PROVIDER, b"", MAPPING, 422, "is empty"),
        (Role.PROVIDER, HEADER, "x" * 300_000, 400, "exceeded"),
        (Role.PROVIDER, HEADER, "oulad-results", 422, "lookup.courses"),
        (Role.EMPLOYER, HEADER, MAPPING, 403, "can't post TrainingEnrolled"),
        (Role.WORKER, HEADER, MAPPING, 403, "organisation"),
    ],
)
async def test_an_import_that_can_not_work_is_refused_at_once(
    hub: Hub, role: Role, file: str | bytes, mapping: str, status: int, says: str
) -> None:
    key = await hub.key(role, str(UUID(int=7)) if role is Role.WORKER else "college")

    answer = await post(hub, key, file, mapping)

    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert says in answer.text


async def test_a_mapping_is_read_beside_the_other_calls(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may take a moment, so never on the thread that answers everybody."""
    key, threads = await hub.key(Role.PROVIDER, "college"), []

    def read(text: bytes) -> ImportMapping:
        threads.append(threading.current_thread())
        return parse_mapping(text)

    monkeypatch.setattr(routes, "parse_mapping", read)
    sent = {"file": ("rows.csv", HEADER + "1,welding,2024-01-08\n", "text/csv")}
    for path in ("/v1/imports/inspect", "/v1/imports?dry_run=true"):
        answer = await hub.http.post(path, files=sent, data={"mapping": MAPPING}, headers=key)
        assert answer.status_code < 300, answer.text
    assert len(threads) == 2
    assert threading.current_thread() not in threads


async def test_parts_that_nobody_reads_and_missing_parts_are_refused(hub: Hub) -> None:
    key = await hub.key(Role.PROVIDER, "college")
    file = ("rows.csv", HEADER, "text/csv")

    async def sent(files: dict[str, Any], data: dict[str, str]) -> httpx.Response:
        return await hub.http.post("/v1/imports", files=files, data=data, headers=key)

    odd = await sent({"file": file, "lookup.runs": file}, {"mapping": MAPPING})
    no_file = await sent({"other": file}, {"mapping": MAPPING})
    no_mapping = await sent({"file": file}, {})

    assert [a.status_code for a in (odd, no_file, no_mapping)] == [422, 422, 422]
    assert odd.json()["errors"][0]["field"] == "lookup.runs"
    assert no_file.json()["errors"][0]["field"] == "file"
    assert no_mapping.json()["errors"][0]["field"] == "mapping"


async def test_another_organisation_sees_nothing_of_an_import(hub: Hub) -> None:
    key = await hub.key(Role.PROVIDER, "college")
    account = await over(hub, key, await post(hub, key, HEADER, MAPPING))
    stranger = await hub.key(Role.PROVIDER, "another-college")

    for path in (f"/v1/imports/{account['id']}", account["rejected"], f"/v1/imports/{new_id()}"):
        assert (await hub.http.get(path, headers=stranger)).status_code == 404
    assert (await hub.http.get(account["rejected"])).status_code == 401


async def test_a_file_over_the_limit_is_refused_and_nothing_is_kept(
    hub: Hub, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await hub.key(Role.PROVIDER, "college")
    app = hub.http._transport.app.app.app  # type: ignore[attr-defined]
    small = app.state.import_settings.model_copy(update={"max_file_bytes": 1000})
    monkeypatch.setattr(app.state, "import_settings", small)

    answer = await post(hub, key, HEADER + "1,welding,2024-01-08\n" * 60, MAPPING)

    assert answer.status_code == 413, answer.text
    assert list(app.state.import_folder.glob("*")) == []


@pytest.mark.parametrize("path", ["/v1/imports", "/v1/imports/inspect"])
async def test_a_sender_with_two_files_on_the_way_waits_with_the_third(hub: Hub, path: str) -> None:
    key = await hub.key(Role.PROVIDER, "college")
    room = hub.http._transport.app.app.app.state.import_room  # type: ignore[attr-defined]

    with room.taken(1, "college"), room.taken(1, "college"):
        answer = await hub.http.post(path, headers=key, files={"file": b"a\n1\n"})
        other = await hub.key(Role.PROVIDER, "school")
        theirs = await hub.http.post(path, headers=other, files={"file": b"a\n1\n"})

    assert answer.status_code == 429, answer.text
    assert answer.headers["retry-after"] == "1"
    assert theirs.status_code != 429


class Interrupted:
    """Hangs in its so-manieth call, as a process does that is about to be killed."""

    def __init__(self, writer: EventWriter, calls: int) -> None:
        self._writer = writer
        self.agreements = writer.agreements
        self._left = calls
        self.hangs = asyncio.Event()
        self.goes_on = asyncio.Event()

    async def write(self, items: Any, principal: Principal, at: datetime) -> Sequence[Any]:
        results = await self._writer.write(items, principal, at)
        self._left -= 1
        if self._left == 0:
            self.hangs.set()
            await self.goes_on.wait()
        return results


class Away:
    """Is down for a call, then works."""

    def __init__(self, writer: EventWriter) -> None:
        self._writer = writer
        self.agreements = writer.agreements
        self.calls = 0

    async def write(self, items: Any, principal: Principal, at: datetime) -> Sequence[Any]:
        self.calls += 1
        if self.calls == 1:
            raise DependencyDown("Kafka does not answer")
        return await self._writer.write(items, principal, at)


@pytest.fixture
async def waiting(settings: Settings, pool: Pool) -> NewImport:
    """An import of 3,500 rows that nobody has begun."""
    principal = await Keys(pool).principal(await issue_key(pool, Role.PROVIDER, "college"))
    assert principal is not None
    rows = "".join(f"{n},welding,2024-01-08\n" for n in range(3_500))
    job = NewImport(new_id(), principal, MAPPING, "courses", "a.csv", False, len(rows), "utf-8")
    path = file_of(settings.vault_dir.parent / "imports", job.import_id)
    path.parent.mkdir(parents=True)
    path.write_text(HEADER + rows)
    await ImportStore(pool).add(job)
    return job


@pytest.fixture
async def writer(settings: Settings, pool: Pool) -> Writer:
    vault = await Vault.open(settings)
    return Writer(settings, pool, vault, Keyring(pool, vault))


async def run(
    settings: Settings, pool: Pool, writer: EventWriter, job: NewImport
) -> tuple[asyncio.Task[None], Any]:
    vault = await Vault.open(settings)
    folder = settings.vault_dir.parent / "imports"
    runner = ImportRunner(pool, folder, writer, vault, ImportSettings())

    async def ended() -> Import | None:
        found = await ImportStore(pool).get(job.import_id)
        return (
            found if found is not None and found.state in ("done", "failed", "cancelled") else None
        )

    return asyncio.create_task(runner.run()), ended


async def files_gone(settings: Settings, job: NewImport) -> None:
    """They go a moment after the import is over."""
    folder = file_of(settings.vault_dir.parent / "imports", job.import_id).parent
    await until(lambda: asyncio.to_thread(lambda: not folder.exists()))


async def test_an_interrupted_import_goes_on_and_nothing_is_lost_or_doubled(
    settings: Settings, pool: Pool, waiting: NewImport, writer: Writer
) -> None:
    hanging = Interrupted(writer, calls=BATCH_EVENTS // AT_ONCE + 1)
    killed, _ = await run(settings, pool, hanging, waiting)
    await asyncio.wait_for(hanging.hangs.wait(), 60)
    killed.cancel()
    await asyncio.gather(killed, return_exceptions=True)
    half = await ImportStore(pool).get(waiting.import_id)
    assert half is not None
    assert half.state == "running"
    assert half.tally.rows["read"] == BATCH_EVENTS  # more is on the log, but not counted

    task, ended = await run(settings, pool, writer, waiting)
    done = await until(ended)
    await files_gone(settings, waiting)
    task.cancel()

    assert done.state == "done"
    rows = done.tally.rows
    assert rows["read"] == rows["accepted"] + rows["duplicate"] == 3_500
    assert AT_ONCE <= rows["duplicate"] <= 3_500 - BATCH_EVENTS
    events = [e for e in await on_the_log(settings, "stories") if e.name == "TrainingEnrolled"]
    assert len(events) == 3_500
    assert len({e.fields["enrolment_id"] for e in events}) == 3_500
    await writer.close()


async def test_an_import_waits_while_the_log_is_away(
    settings: Settings, pool: Pool, waiting: NewImport, writer: Writer
) -> None:
    away = Away(writer)

    task, ended = await run(settings, pool, away, waiting)
    done = await until(ended)
    task.cancel()

    assert away.calls > 1
    assert (done.state, done.tally.rows["accepted"]) == ("done", 3_500)
    await writer.close()


async def test_an_import_is_ended_while_it_runs_and_forgets_its_rows(
    settings: Settings, pool: Pool, waiting: NewImport, writer: Writer
) -> None:
    hanging = Interrupted(writer, calls=BATCH_EVENTS // AT_ONCE + 1)
    task, ended = await run(settings, pool, hanging, waiting)
    await asyncio.wait_for(hanging.hangs.wait(), 60)

    await ImportStore(pool).remove(waiting.import_id)
    hanging.goes_on.set()
    done = await until(ended)
    await files_gone(settings, waiting)
    task.cancel()

    assert (done.state, done.tally.rows["read"]) == ("cancelled", BATCH_EVENTS)
    await writer.close()


async def test_an_import_of_a_revoked_key_fails(
    settings: Settings, pool: Pool, waiting: NewImport, writer: Writer
) -> None:
    await pool.execute("UPDATE vault.access_key SET revoked_at = now()")

    task, ended = await run(settings, pool, writer, waiting)
    done = await until(ended)
    task.cancel()

    assert (done.state, "revoked" in done.problem) == ("failed", True)
    assert await on_the_log(settings, "stories") == []
    await writer.close()
