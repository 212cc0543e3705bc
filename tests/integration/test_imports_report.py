"""What a dry run tells, what refused rows are good for, and how an import is ended."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from services.common.access import Role
from services.common.postgres import open_pool
from services.common.settings import Settings
from services.ingest.agreement_check import AgreementCheck
from services.ingest.imports import report_store
from services.ingest.imports.report_store import ReportStore
from tests.conftest import Hub
from tests.integration.imports_kit import Headers, on_the_log, over, post, rejected

SERVICES = ("ingest",)
MAPPING = """
name: courses
events:
  - type: TrainingEnrolled
    fields:
      source_record_id: "{person}"
      source_event_id: "enrolled/{course}-{person}"
      occurred_at: {from: "{day}", as: date, formats: ["%d/%m/%Y"]}
      enrolment_id: "{course}-{person}"
      course_id: "{course}"
      provider_id: "{@caller}"
"""
HEADER = "person,course,day,note\n"
GOOD = HEADER + "1,welding,08/01/2024,\n2,welding,09/01/2024,\n"
# Line 4 repeats line 2, 5 says something else under its number, 6 and 7 are bad.
MIXED = (
    GOOD
    + '1,welding,08/01/2024,again\n2,welding,10/01/2024,"two\nlines"\n'
    + "3,welding,2024-01-08,=1+1\n4,welding,31/02/2024,-5\n5,welding,08/01/2024,x,y\n"
    + "6,care,01/03/2024,\n"
)


async def test_a_dry_run_counts_what_the_run_would_and_writes_nothing(
    hub: Hub, settings: Settings
) -> None:
    key = await hub.key(Role.PROVIDER, "college")
    await over(hub, key, await post(hub, key, HEADER + "1,welding,08/01/2024,\n", MAPPING))
    before = await _state(hub, settings)

    told = await over(hub, key, await post(hub, key, MIXED, MAPPING, dry_run=True))

    assert await _state(hub, settings) == before
    done = await over(hub, key, await post(hub, key, MIXED, MAPPING))
    assert told["rows"] == done["rows"]
    assert told["rows"] == {"read": 8, "accepted": 2, "duplicate": 2, "refused": 4, "empty": 0}
    assert told["accepted_by_type"] == done["accepted_by_type"] == {"TrainingEnrolled": 2}
    assert told["refused_by_reason"] == done["refused_by_reason"]
    assert told["people"] == {"known": 1, "new": 2}
    assert "people" not in done
    dates = next(reason for reason in told["reasons"] if reason["rule"] == "date")
    assert (dates["column_name"], dates["rows"], dates["first_lines"]) == ("day", 2, [7, 8])
    assert {r["rule"]: r["first_lines"] for r in told["reasons"]} == {
        "date": [7, 8],
        "conflict": [5],
        "unreadable": [9],
    }
    kinds = {column["name"]: column["type"] for column in told["columns"]}
    assert (kinds["person"], kinds["course"]) == ("integer", "code")
    assert not any("examples" in column for column in told["columns"])


async def _state(hub: Hub, settings: Settings) -> Any:
    counts = [
        await hub.pool.fetchval(f"SELECT count(*) FROM {table}")
        for table in ("vault.worker", "vault.source_record", "ingest_work.reservation")
    ]
    return counts, len(await on_the_log(settings, "stories"))


async def test_refused_rows_sent_again_as_they_are_are_refused_for_the_same_reasons(
    hub: Hub, settings: Settings
) -> None:
    key = await hub.key(Role.PROVIDER, "college")
    first = await over(hub, key, await post(hub, key, MIXED, MAPPING))
    text = await rejected(hub, key, first)

    again = await over(hub, key, await post(hub, key, text.encode(), MAPPING))

    assert again["rows"] == {"read": 4, "accepted": 0, "duplicate": 0, "refused": 4, "empty": 0}
    assert again["refused_by_reason"] == first["refused_by_reason"]
    assert _without_lines(await rejected(hub, key, again)) == _without_lines(text)


def _without_lines(text: str) -> list[list[str]]:
    return [row[1:] for row in csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""))]


async def test_who_reads_a_report_slowly_keeps_no_connection_from_others(
    hub: Hub, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await hub.key(Role.PROVIDER, "college")
    done = await over(hub, key, await post(hub, key, MIXED, MAPPING))
    monkeypatch.setattr(report_store, "_PAGE", 1)
    async with open_pool(settings, most=1) as pool, asyncio.timeout(20):
        store, found = ReportStore(pool), []
        async for refused in store.refused(UUID(done["id"])):
            found.append(refused.row_number)
            assert await pool.fetchval("SELECT 1")
        lines = [note["line_number"] async for note in store.notes(UUID(done["id"]))]
    assert len(found) == 4
    assert lines == [5, 7, 8, 9]


async def test_corrected_rows_are_taken_with_the_same_mapping(hub: Hub, settings: Settings) -> None:
    key = await hub.key(Role.PROVIDER, "college")
    first = await over(hub, key, await post(hub, key, MIXED, MAPPING))
    text = await rejected(hub, key, first)
    assert "'=1+1" in text
    assert ",-5" in text
    rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))
    assert [row["throughline_line"] for row in rows] == ["5", "7", "8", "9"]
    assert rows[1]["throughline_column"] == "day"
    assert "is not a date" in rows[1]["throughline_reason"]
    assert rows[1]["throughline_fix"]

    corrected = text.replace("2024-01-08", "08/01/2024").replace("31/02/2024", "29/02/2024")
    corrected = corrected.replace(",x,y", ",x").replace("2,welding,10", "7,welding,10")
    done = await over(hub, key, await post(hub, key, corrected.encode(), MAPPING))

    assert done["rows"] == {"read": 4, "accepted": 4, "duplicate": 0, "refused": 0, "empty": 0}
    taken = [e for e in await on_the_log(settings, "stories") if e.name == "TrainingEnrolled"]
    assert len(taken) == 3 + 4


async def test_refused_rows_are_sealed_at_rest_and_not_for_others(hub: Hub) -> None:
    key = await hub.key(Role.PROVIDER, "college")
    secret = HEADER + "marker-person,welding,soon,marker-note\n"
    account = await over(hub, key, await post(hub, key, secret, MAPPING))

    assert "marker-person" in await rejected(hub, key, account)
    kept = await hub.pool.fetch("SELECT sealed FROM ingest_work.import_refused")
    assert len(kept) == 1
    assert not any(b"marker" in row["sealed"] for row in kept)
    for role, subject in ((Role.OPERATOR, "hub"), (Role.PROVIDER, "another")):
        other = await hub.key(role, subject)
        assert (await hub.http.get(account["rejected"], headers=other)).status_code == 404


async def test_what_is_ended_is_forgotten_and_its_counts_stay(hub: Hub) -> None:
    key = await hub.key(Role.PROVIDER, "college")
    account = await over(hub, key, await post(hub, key, MIXED, MAPPING))

    ended = await hub.http.delete(account["self"], headers=key)

    assert ended.status_code == 204
    assert len((await rejected(hub, key, account)).splitlines()) == 1
    assert (await hub.http.get(account["self"], headers=key)).json()["rows"] == account["rows"]
    stranger = await hub.key(Role.PROVIDER, "another")
    assert (await hub.http.delete(account["self"], headers=stranger)).status_code == 404


async def test_the_organisations_imports_are_listed_newest_first_page_by_page(hub: Hub) -> None:
    key = await hub.key(Role.PROVIDER, "college")
    other = await hub.key(Role.PROVIDER, "another")
    sent = [(await post(hub, key, GOOD, MAPPING, dry_run=True)).json()["id"] for _ in range(3)]
    await post(hub, other, GOOD, MAPPING, dry_run=True)

    first = (await hub.http.get("/v1/imports", params={"limit": 2}, headers=key)).json()
    params = {"limit": 2, "before": first["next"]}
    rest = (await hub.http.get("/v1/imports", params=params, headers=key)).json()

    assert [job["id"] for job in first["imports"] + rest["imports"]] == sent[::-1]
    assert rest["next"] is None


async def _upload(hub: Hub, key: Headers, digest: str) -> httpx.Response:
    return await hub.http.post(
        "/v1/imports",
        files={"file": ("a.csv", GOOD, "text/csv")},
        data={"mapping": MAPPING, "sha256": digest},
        headers=key,
    )


async def test_a_file_that_did_not_arrive_whole_is_refused_and_not_kept(hub: Hub) -> None:
    key = await hub.key(Role.PROVIDER, "college")
    digest = hashlib.sha256(GOOD.encode()).hexdigest()

    damaged = await _upload(hub, key, hashlib.sha256(GOOD[:-3].encode()).hexdigest())
    whole = await _upload(hub, key, digest)

    assert (damaged.status_code, damaged.json()["type"]) == (422, "/problems/damaged-file")
    assert (whole.status_code, whole.json()["sha256"]) == (202, digest)
    assert (await hub.http.get("/v1/imports", headers=key)).json()["imports"][1:] == []


async def test_an_inspection_shows_what_the_file_holds_and_keeps_nothing(hub: Hub) -> None:
    key = await hub.key(Role.PROVIDER, "college")
    body = "Student ID;Course;Start date\n00417;weld;03/04/2024\n00418;weld;05/06/2024\n"

    async def inspected(**data: str) -> httpx.Response:
        files = {"file": ("a.csv", body.encode("cp1252"), "text/csv")}
        return await hub.http.post("/v1/imports/inspect", files=files, data=data, headers=key)

    found = (await inspected(type="TrainingEnrolled")).json()
    fits = (await inspected(mapping=MAPPING)).json()["mapping"]

    assert (found["delimiter"], found["rows_read"]) == (";", 2)
    day = found["columns"][2]
    assert day["formats"] == ["%d/%m/%Y", "%m/%d/%Y"]
    assert "give the one that is meant" in day["ambiguous"]
    assert found["proposal"]["open"] == ["occurred_at"]
    assert fits["missing"] == ["course", "day", "person"]
    refused = await post(hub, key, body, found["proposal"]["mapping"])
    assert (refused.status_code, "still to be chosen" in refused.text) == (422, True)
    app = hub.http._transport.app.app.app  # type: ignore[attr-defined]
    assert list(app.state.import_folder.glob("*")) == []
    settled = found["proposal"]["mapping"].replace("CHOOSE: %d/%m/%Y or %m/%d/%Y", "%d/%m/%Y")
    done = await over(hub, key, await post(hub, key, body, settled))
    assert done["rows"]["accepted"] == 2


async def test_what_no_agreement_covers_is_told_by_a_dry_run_too(hub: Hub) -> None:
    key = await hub.key(Role.PROVIDER, "college")
    app = hub.http._transport.app.app.app  # type: ignore[attr-defined]
    required = AgreementCheck(hub.pool, required=True, age=timedelta(0))
    app.state.writer.agreements = required

    told = await over(hub, key, await post(hub, key, GOOD, MAPPING, dry_run=True))
    done = await over(hub, key, await post(hub, key, GOOD, MAPPING))

    assert told["rows"] == done["rows"]
    assert told["rows"]["refused"] == 2
    assert "no sharing agreement" in told["reasons"][0]["reason"]


async def test_a_mapping_that_is_not_utf_8_is_refused(hub: Hub) -> None:
    key = await hub.key(Role.PROVIDER, "college")
    files = {"file": ("a.csv", GOOD), "mapping": ("m.yaml", MAPPING.encode("utf-16"))}

    answer = await hub.http.post("/v1/imports", files=files, headers=key)

    assert (answer.status_code, "Save it as UTF-8" in answer.text) == (422, True)


async def test_a_workbook_is_refused_with_the_way_out(hub: Hub) -> None:
    key = await hub.key(Role.PROVIDER, "college")

    answer = await post(hub, key, b"PK\x03\x04" + bytes(60), MAPPING)

    assert (answer.status_code, "save it as CSV" in answer.text) == (415, True)
