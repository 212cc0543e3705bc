"""The full files of the Open University, Texas and New Jersey: the log equals the files."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.common.access import Role
from services.common.settings import Settings
from services.demo.data import Shipment, open_university
from tests.conftest import Hub
from tests.integration.imports_kit import SHARED, ends_of, imported, needs, on_the_log, report

SERVICES = ("ingest",)
OULAD = SHARED / "oulad"
TEXAS = SHARED / "etpl" / "tx" / "statewide_etpl_2024-03-20.csv"
NEW_JERSEY = SHARED / "etpl" / "nj" / "providers_20210305.csv"
pytestmark = pytest.mark.timeout(900)


def read(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        yield from csv.DictReader(file)


def expected() -> Counter[tuple[str, ...]]:
    """The files' own counts by event type, module run and result, counted without the product."""
    counts: Counter[tuple[str, ...]] = Counter()
    for row in read(OULAD / "studentRegistration.csv"):
        run = f"{row['code_module']}-{row['code_presentation']}"
        counts["TrainingEnrolled", run] += 1
        if row["date_unregistration"] not in ("", "?"):
            counts["TrainingExited", run, "day known"] += 1
    results = {"Pass": "PASSED", "Distinction": "DISTINCTION", "Fail": "FAILED"}
    for row in read(OULAD / "studentInfo.csv"):
        run = f"{row['code_module']}-{row['code_presentation']}"
        if row["final_result"] == "Withdrawn":
            counts["TrainingExited", run, "day unknown"] += 1
        else:
            counts["TrainingCompleted", run, results[row["final_result"]]] += 1
    runs = {
        row["id_assessment"]: f"{row['code_module']}-{row['code_presentation']}"
        for row in read(OULAD / "assessments.csv")
    }
    for row in read(OULAD / "studentAssessment.csv"):
        score = f"{int(row['score']) / 100:.2f}" if row["score"] not in ("", "?") else "none"
        counts["AssessmentTaken", runs[row["id_assessment"]], score, row["is_banked"]] += 1
    return counts


async def found(settings: Settings) -> tuple[Counter[tuple[str, ...]], int]:
    """The same counts from the log, and how many different events that were."""
    counts: Counter[tuple[str, ...]] = Counter()
    ids = set()
    for event in await on_the_log(settings, "stories"):
        fields = event.fields
        if event.name == "WorkerRegistered":
            continue
        ids.add(event.event_id)
        key: tuple[str, ...] = (event.name, fields["course_id"])
        if event.name == "TrainingExited":
            key += ("day known" if fields["day_known"] else "day unknown",)
        elif event.name == "TrainingCompleted":
            key += (fields["result"],)
        elif event.name == "AssessmentTaken":
            score = "none" if fields["score"] is None else f"{fields['score']:.2f}"
            key += (score, str(int(fields["carried_over"])))
        counts[key] += 1
    return counts, len(ids)


@needs(OULAD)
async def test_every_row_of_the_open_university_is_on_the_log_once(
    hub: Hub, settings: Settings
) -> None:
    key = await hub.key(Role.PROVIDER, "open-university")
    counted = expected()

    accounts = [await imported(hub, key, s, within_s=240) for s in open_university(OULAD)]

    assert [a["rows"]["read"] for a in accounts] == [16_159, 16_159, 86_482]
    assert all(a["rows"]["accepted"] == a["rows"]["read"] for a in accounts)
    on_log, different = await found(settings)
    assert on_log == counted
    assert different == sum(counted.values()) == 16_159 + 4_979 + 16_159 + 86_482
    ends = await ends_of(settings, "stories")
    again = [await imported(hub, key, s, within_s=240) for s in open_university(OULAD)[:2]]
    assert all(a["rows"]["duplicate"] == a["rows"]["read"] for a in again)
    assert await ends_of(settings, "stories") == ends, "nothing was added"
    for account in accounts:
        print(account["mapping"], account["accepted_by_type"], account["finished_at"])


@needs(TEXAS)
@needs(NEW_JERSEY)
async def test_every_row_of_the_provider_lists_is_accounted_for(
    hub: Hub, settings: Settings
) -> None:
    key = await hub.key(Role.OPERATOR, "hub")

    texas = await imported(hub, key, Shipment(TEXAS, "texas-etpl"))
    new_jersey = await imported(hub, key, Shipment(NEW_JERSEY, "new-jersey-providers"))

    for account, path in ((texas, TEXAS), (new_jersey, NEW_JERSEY)):
        rows = account["rows"]
        assert rows["read"] == sum(1 for _ in read(path))
        outcomes = ("accepted", "duplicate", "refused", "empty")
        assert sum(rows[name] for name in outcomes) == rows["read"]
        lines = list(csv.DictReader(io.StringIO(await report(hub, key, account))))
        said = Counter((line["severity"], line["column"], line["rule"]) for line in lines)
        print(account["mapping"], rows, account["events"], account["repaired_by_rule"])
        print(*said.items(), sep="\n")
        assert sum(said.values()) == sum(
            [*account["refused_by_reason"].values(), *account["warnings_by_reason"].values()]
        )
    events = Counter(event.name for event in await on_the_log(settings, "directory"))
    providers = {row["Provider ID"] for row in read(TEXAS)}
    assert texas["accepted_by_type"]["OrganizationRegistered"] == len(providers)
    assert texas["events"]["repeated"] == texas["rows"]["read"] - len(providers)
    assert events["OrganizationRegistered"] == len(providers) + new_jersey["rows"]["accepted"]
    assert events["ProgrammePublished"] == texas["rows"]["accepted"]
