"""Standing, as the views tell it of real tables: what is true now, and what is in dispute."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from services.common.settings import Settings
from services.projections.projections import (
    PROJECTIONS,
    VIEWS,
    CurrentJob,
    LiveAttestation,
    LiveCredential,
    OpenDispute,
    OpenPromise,
    Opportunity,
    PromiseStanding,
    SkillStanding,
    SupportReceived,
    WorkerMonth,
)
from services.projections.store import ReadModelStore
from services.projections.views import View
from tests.integration.test_projections_store import batch_of, empty_store, own_settings
from tests.projection_kit import Event, make, records

__all__ = ["own_settings"]  # a fixture of the other module
ANA = bytes([1]) * 16
LONG_AGO = datetime(2020, 1, 10, 12, tzinfo=UTC)
NEVER = datetime(2999, 1, 1, tzinfo=UTC)


def day(month: int, year: int = 2020) -> datetime:
    return datetime(year, month, 10, 12, tzinfo=UTC)


class Life:
    """Tells events of Ana, each with an id of its own, and asks views about her."""

    def __init__(self, store: ReadModelStore) -> None:
        self.store = store
        self._offsets: dict[str, int] = {}
        self._told = 0

    async def tell(self, *told: tuple[str, datetime, dict[str, Any]]) -> list[UUID]:
        found: list[Event] = []
        for name, at, fields in told:
            self._told += 1
            own = {"event_id": self._told.to_bytes(16, "big"), "worker_id": ANA} | fields
            found.append(make(name, occurred_at=at, **own))
        await self.store.apply(await batch_of(self.store, records(found, self._offsets)))
        return [UUID(bytes=event[1]["event_id"]) for event in found]

    async def see(self, view: type[View], *columns: str, at: datetime | None = None) -> set[Any]:
        """The rows of Ana, cut down to some columns."""
        sql = f"SELECT * FROM read.{view.table} WHERE worker_id = $1"
        values: list[object] = [UUID(bytes=ANA)]
        if at is not None:
            sql = f"SELECT * FROM ({view.query('read', '$2')}) v WHERE worker_id = $1"
            values.append(at)
        rows = await self.store._connection.fetch(sql, *values)
        return {
            tuple(tuple(v) if isinstance(v := row[c], list) else v for c in columns) for row in rows
        }


@pytest.fixture
async def ana(own_settings: Settings) -> AsyncIterator[Life]:
    async with empty_store(own_settings) as store:
        yield Life(store)


async def test_a_job_is_current_from_its_start_to_its_end(ana: Life) -> None:
    wage = {"wage_amount": Decimal("18.50"), "wage_currency": "USD", "wage_period": "HOUR"}
    more = wage | {"wage_amount": Decimal("20.00")}
    mine, old, last = ({"employment_id": f"j-{n}", "employer_id": "acme"} for n in range(3))
    await ana.tell(
        ("EmploymentStarted", day(1), mine | wage | {"job_level": 1, "occupation": "53-7051.00"}),
        ("WageChanged", day(3), mine | more),
        ("Promoted", day(4), mine | {"job_level": 2}),
        ("SupervisorAssigned", day(5), mine | {"supervisor_id": "s-7"}),
        ("EmploymentStarted", day(1), old),
        ("EmploymentEnded", day(2), old | {"reason": "OTHER"}),
        ("EmploymentStarted", day(6), last),
        ("EmploymentEnded", NEVER, last | {"reason": "OTHER"}),
    )

    seen = await ana.see(
        CurrentJob, "employment_id", "job_level", "wage_amount", "paid_from_at", "supervisor_id"
    )

    assert seen == {
        ("j-0", 2, Decimal("20.00"), day(3), "s-7"),
        ("j-2", None, None, day(6), None),
    }
    assert await ana.see(CurrentJob, "employment_id", at=day(1)) == {("j-0",), ("j-1",)}


async def test_a_credential_is_live_until_it_expires_or_is_revoked(ana: Life) -> None:
    def of(number: int, **fields: Any) -> dict[str, Any]:
        return {"credential_id": f"c-{number}", "credential_kind": "forklift"} | fields

    await ana.tell(
        ("CredentialAwarded", day(1), of(0)),
        ("CredentialAwarded", day(1), of(1, expires_at=day(6))),
        ("CredentialAwarded", day(1), of(2)),
        ("CredentialRevoked", day(2), of(2)),
        ("CredentialAwarded", day(1), of(3)),
        ("CredentialRevoked", day(2), of(3)),
        ("CredentialAwarded", day(3), of(3, expires_at=NEVER)),
        ("CredentialRevoked", day(2), of(4)),
    )

    assert await ana.see(LiveCredential, "credential_id") == {("c-0",), ("c-3",)}
    assert await ana.see(LiveCredential, "credential_id", at=day(5)) == {
        ("c-0",),
        ("c-1",),
        ("c-3",),
    }


async def test_a_skill_has_what_others_saw_and_did_not_withdraw(ana: Life) -> None:
    def seen(number: int, source: str, level: str = "CAN_DO") -> dict[str, Any]:
        own = {"attestation_id": f"a-{number}", "skill_id": "onet:2.B.1", "source": source}
        return own | {"level": level, "attested_by": "SUPERVISOR", "evidence": b"sealed"}

    gone = {"attestation_id": "a-1", "skill_id": "onet:2.B.1", "source": "acme"}
    college = {"source": "river-college"}
    await ana.tell(
        ("SkillClaimed", day(1), {"skill_id": "onet:2.B.1", "level": "CAN_TEACH"}),
        ("SkillClaimed", day(1), {"skill_id": "onet:9", "level": "BEGINNER"}),
        ("SkillAttested", day(2), seen(1, "acme")),
        ("SkillAttested", day(3), seen(2, "acme", "BEGINNER")),
        ("SkillAttested", day(3), seen(1, "river-college")),
        ("SkillAttested", day(3), seen(3, "river-college")),
        ("SkillAttestationWithdrawn", day(4), gone | {"attestation_id": "a-3"} | college),
        ("SkillAttested", day(5), seen(3, "river-college")),
        ("SkillAttestationWithdrawn", day(4), gone | {"reason": "MISTAKE"}),
        ("SkillAttestationWithdrawn", day(4), gone | {"attestation_id": "a-2", "source": "else"}),
    )

    assert await ana.see(
        SkillStanding, "skill_id", "claimed_level", "attestations", "attested_by_organizations"
    ) == {
        ("onet:2.B.1", "CAN_TEACH", 3, ("acme", "river-college")),
        ("onet:9", "BEGINNER", 0, ()),
    }
    assert await ana.see(LiveAttestation, "source", "attestation_id", "evidence") == {
        ("acme", "a-2", b"sealed"),
        ("river-college", "a-1", b"sealed"),
        ("river-college", "a-3", b"sealed"),
    }
    assert await ana.see(SkillStanding, "skill_id", "attested_level", at=day(2)) == {
        ("onet:2.B.1", "CAN_DO"),
        ("onet:9", None),
    }


async def test_a_promise_is_open_until_it_is_kept_lapsed_declined_or_withdrawn(ana: Life) -> None:
    def made(number: int) -> tuple[str, datetime, dict[str, Any]]:
        fields = {"promise_id": f"p-{number}", "employer_id": "acme", "criteria": ["training:c-1"]}
        return "PromiseMade", day(1), fields

    def then(name: str, number: int, **fields: Any) -> tuple[str, datetime, dict[str, Any]]:
        return name, day(2), {"promise_id": f"p-{number}"} | fields

    await ana.tell(
        *(made(number) for number in range(10)),
        then("PromiseAccepted", 1),
        then("PromiseDue", 2, due_at=NEVER),
        then("PromiseDue", 3, due_at=day(3)),
        then("PromiseKept", 4),
        then("PromiseLapsed", 5),
        then("PromiseDeclined", 6),
        then("PromiseWithdrawn", 7, employer_id="acme"),
        then("PromiseWithdrawn", 8, employer_id="somebody-else"),
        then("PromiseDue", 9, due_at=day(2) - timedelta(hours=1)),
        then("PromiseWithdrawn", 9, employer_id="acme"),  # after its last day
        then("CriterionMet", 1, criterion="training:c-1"),
        then("CriterionMet", 2, criterion="training:c-1"),
        ("CriterionUnmet", day(3), {"promise_id": "p-2", "criterion": "training:c-1"}),
        then("PromiseDisputed", 3, reason="NOT_KEPT"),
        ("PromiseDisputed", day(3), {"promise_id": "p-3", "reason": "QUESTION"}),
        then("PromiseDisputed", 1, reason="QUESTION"),  # which is no dispute
    )

    assert await ana.see(OpenPromise, "promise_id", "state", "met", "in_dispute") == {
        ("p-0", "MADE", (), False),
        ("p-1", "ACCEPTED", ("training:c-1",), False),
        ("p-2", "DUE", (), False),
        ("p-3", "LATE", (), True),
        ("p-8", "MADE", (), False),
        ("p-9", "LATE", (), False),
    }
    states = dict(await ana.see(PromiseStanding, "promise_id", "state"))
    assert {states[f"p-{number}"] for number in (0, 8)} == {"MADE"}
    assert [states[f"p-{number}"] for number in (4, 5, 6, 7)] == [
        "KEPT",
        "LAPSED",
        "DECLINED",
        "WITHDRAWN",
    ]


async def test_support_is_added_up_by_kind(ana: Life) -> None:
    def given(number: int, kind: str, by: str, minutes: int | None) -> dict[str, Any]:
        return {"support_id": f"s-{number}", "kind": kind, "started_by": by, "minutes": minutes}

    await ana.tell(
        ("SupportGiven", day(1), given(1, "MENTORING", "WORKER", 30)),
        ("SupportGiven", day(3), given(2, "MENTORING", "SUPERVISOR", None)),
        ("SupportGiven", day(2), given(3, "CHILDCARE", "PROVIDER", 60)),
        ("SupportGiven", day(2), given(3, "CHILDCARE", "PROVIDER", 90)),
    )

    assert await ana.see(
        SupportReceived, "kind", "times", "minutes", "last_at", "started_by_worker"
    ) == {("MENTORING", 2, 30, day(3), 1), ("CHILDCARE", 1, 90, day(2), 0)}


async def test_what_rests_on_a_disputed_event_is_marked_until_its_author_answers(ana: Life) -> None:
    job = {"employment_id": "j-1", "employer_id": "acme", "source": "acme"}
    _, told, _ = await ana.tell(
        ("EmploymentStarted", day(1), job),
        ("WageChanged", day(2), job | {"wage_amount": Decimal("1.00")}),
        ("SupportGiven", day(2), {"support_id": "s-1", "kind": "COACHING"}),
    )
    dispute = {"dispute_id": b"d" * 16, "disputed_event_id": told.bytes, "reason": "WRONG"}
    await ana.tell(("RecordDisputed", day(3), dispute))

    assert await ana.see(OpenDispute, "disputed_event_id", "written_by", "event_type") == {
        (told, "acme", "WageChanged")
    }
    assert await ana.see(CurrentJob, "in_dispute") == {(True,)}
    assert await ana.see(SupportReceived, "in_dispute") == {(False,)}

    answer = dispute | {"answer": "KEPT"}
    await ana.tell(("DisputeAnswered", day(4), answer | {"source": "somebody-else"}))
    assert await ana.see(CurrentJob, "in_dispute") == {(True,)}
    await ana.tell(("DisputeAnswered", day(4), answer | {"source": "acme"}))
    assert await ana.see(CurrentJob, "in_dispute") == {(False,)}
    assert await ana.see(OpenDispute, "dispute_id") == set()


async def test_a_start_that_is_in_dispute_marks_a_job_that_changed_since(ana: Life) -> None:
    job = {"employment_id": "j-1", "employer_id": "acme"}
    more = {"occupation": "53-7051.00", "job_level": 2, "wage_amount": Decimal("9.00")}
    started, *_ = await ana.tell(
        ("EmploymentStarted", day(1), job | more),
        ("Promoted", day(2), job | more),
        ("WageChanged", day(3), job | more),
    )
    about = {"dispute_id": b"d" * 16, "disputed_event_id": started.bytes}
    await ana.tell(("RecordDisputed", day(4), about))

    assert await ana.see(CurrentJob, "in_dispute") == {(True,)}


async def test_opportunities_have_their_last_state(ana: Life) -> None:
    def of(name: str, month: int, **fields: Any) -> tuple[str, datetime, dict[str, Any]]:
        return name, day(month), {"employer_id": "acme"} | fields

    await ana.tell(
        of("InterestExpressed", 1, interest_id="i-1"),
        of("InterviewGuaranteed", 1, interview_id="v-1"),
        of("InterviewScheduled", 2, interview_id="v-2", scheduled_for=NEVER),
        of("InterviewScheduled", 2, interview_id="v-3", scheduled_for=day(3)),
        of("InterviewMissed", 3, interview_id="v-3", missed_by="EMPLOYER"),
        of("InterviewScheduled", 2, interview_id="v-4", scheduled_for=day(3)),
        of("InterviewMissed", 3, interview_id="v-4", missed_by="WORKER"),
        of("InterviewScheduled", 4, interview_id="v-4", scheduled_for=NEVER),
        of("InterviewHeld", 5, interview_id="v-5"),
        of("OfferMade", 1, offer_id="o-1", answer_by=NEVER),
        of("OfferMade", 1, offer_id="o-2", answer_by=day(2)),
        of("OfferMade", 1, offer_id="o-3"),
        of("OfferAnswered", 2, offer_id="o-3", answer="ACCEPTED"),
    )

    assert await ana.see(Opportunity, "opportunity_id", "state", "happened_at") == {
        ("i-1", "EXPRESSED", day(1)),
        ("v-1", "GUARANTEED", day(1)),
        ("v-2", "SCHEDULED", day(2)),
        ("v-3", "MISSED", day(3)),
        ("v-4", "SCHEDULED", day(4)),
        ("v-5", "HELD", day(5)),
        ("o-1", "MADE", day(1)),
        ("o-2", "UNANSWERED", day(1)),
        ("o-3", "ACCEPTED", day(2)),
    }


async def test_a_month_has_its_services_from_the_first_to_the_last(ana: Life) -> None:
    one = {"enrolment_id": "e-1", "course_id": "c-1"}
    end_of_january = datetime(2020, 1, 31, 23, 59, tzinfo=UTC)
    await ana.tell(
        ("TrainingEnrolled", day(1), one),
        ("TrainingProgressed", end_of_january, one),
        ("AssessmentTaken", day(3), one | {"assessment_id": "a"}),
        ("SupportGiven", day(3), {"support_id": "s-1", "kind": "COACHING", "minutes": 45}),
        ("SupportGiven", day(5), {"support_id": "s-2", "kind": "TRANSPORT"}),
        ("EmploymentStarted", day(6), {"employment_id": "j"}),
    )

    assert await ana.see(
        WorkerMonth, "month", "services", "support_minutes", "first_at", "last_at"
    ) == {
        (date(2020, 1, 1), 2, None, day(1), end_of_january),
        (date(2020, 3, 1), 2, 45, day(3), day(3)),
    }


_VALUES = {
    "uuid": "md5(n::text)::uuid",
    "text": "'t-' || n",
    "timestamp with time zone": "now() - interval '1 day' - n * interval '1 minute'",
    "bytea": "decode(md5(n::text) || md5(n::text), 'hex')",
    "text[]": "'{}'",
    "boolean": "false",
    "numeric": "1.00",
}


async def _fill(store: ReadModelStore) -> None:
    """8,000 rows in each table that views read: two for each of 4,000 workers."""
    read = {"story"} | {one.table for view in VIEWS for one in view.of if not issubclass(one, View)}
    columns = await store._connection.fetch(
        """
        SELECT c.relname AS name, a.attname AS column, format_type(a.atttypid, NULL) AS kind
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
        WHERE c.relnamespace = 'read'::regnamespace AND c.relname = ANY ($1)
        """,
        sorted(read),
    )
    for table in sorted(read):
        values = {
            r["column"]: _value(r["column"], r["kind"]) for r in columns if r["name"] == table
        }
        names, made = ", ".join(f'"{name}"' for name in values), ", ".join(values.values())
        await store._connection.execute(
            f"INSERT INTO read.{table} ({names}) SELECT {made} FROM generate_series(1, 8000) n"
        )
        await store._connection.execute(f"ANALYZE read.{table}")


def _value(column: str, kind: str) -> str:
    return (
        "md5((n % 4000)::text)::uuid" if column == "worker_id" else _VALUES.get(kind, f"n::{kind}")
    )


def _nodes(plan: Any) -> list[str]:
    inner = [node for child in plan.get("Plans", ()) for node in _nodes(child)]
    return [f"{plan['Node Type']} {plan.get('Relation Name', '')}", *inner]


async def test_views_of_one_worker_read_by_index(own_settings: Settings) -> None:
    async with empty_store(own_settings) as store:
        connection = store._connection
        await _fill(store)
        worker = await connection.fetchval("SELECT worker_id FROM read.skill LIMIT 1")
        for view in VIEWS:
            for query in (f"read.{view.table}", f"({view.query('read', 'now()')})"):
                explain = f"EXPLAIN (FORMAT JSON) SELECT * FROM {query} v WHERE worker_id = $1"
                plan = json.loads(await connection.fetchval(explain, worker))
                scans = [node for node in _nodes(plan[0]["Plan"]) if "Seq Scan" in node]
                assert not scans, (view.table, scans)


async def test_every_view_is_over_tables_that_are_there(own_settings: Settings) -> None:
    async with empty_store(own_settings) as store:
        found = await store._connection.fetch(
            "SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = 'read'"
        )
    kinds = {row["table_name"]: row["table_type"] for row in found}
    assert {kinds.get(view.table) for view in VIEWS} == {"VIEW"}
    assert {kinds.get(projection.table) for projection in PROJECTIONS} == {"BASE TABLE"}
