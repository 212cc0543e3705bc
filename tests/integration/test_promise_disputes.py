"""A person says that a promise was not kept, or asks about it: over HTTP, with the workers behind."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from services.common.access import Role
from services.common.kafka import Position
from services.promises.handlers import MOST_DISPUTES
from tests.integration.test_promises_http import (
    ACME,
    NOW,
    PATHWAY,
    Region,
    finish,
    promised,
    region,  # noqa: F401 (a fixture)
)
from tests.processes import until

SERVICES = ("ingest", "consent", "promises", "portal")
WORDS = "Nobody has called me since. xq-mark-7"


async def say(at: Region, promise_id: str, **order: Any) -> tuple[int, Any]:
    return await at.post(f"/v1/promises/{promise_id}/dispute", at.worker, **order)


async def said(at: Region, promise_id: str, **order: Any) -> Any:
    status, answer = await say(at, promise_id, **order)
    assert status == 202, answer
    return answer


async def mine(at: Region, after: str) -> Any:
    _, found = await at.get("/v1/promises", at.worker, after=after)
    (promise,) = found["promises"]
    return promise


async def story(at: Region, after: str) -> list[dict[str, Any]]:
    """What the person said of promises, as the own story has it, newest first."""
    _, found = await at.get(f"/v1/workers/{at.ana}/story", at.worker, after=after)
    return [item["fields"] for item in found["items"] if item["type"] == "PromiseDisputed"]


async def due(at: Region) -> str:
    """A promise of which everything is done."""
    promise_id = await promised(at)
    await at.good(f"/v1/promises/{promise_id}/answer", at.worker, answer="accept")
    skill = {"attestation_id": "s-1", "skill_id": "onet:2.B.1", "level": "CAN_DO"}
    await at.send("SkillAttested", NOW, ACME, **skill, attested_by="SUPERVISOR")
    last = await finish(at, "e-1", NOW - timedelta(days=40))
    assert (await mine(at, last))["state"] == "due"
    return promise_id


async def test_a_question_is_asked_once_however_often_it_is_sent(
    region: Region,  # noqa: F811
) -> None:
    promise_id = await promised(region)
    order = {"reason": "QUESTION", "statement": f"  {WORDS} "}
    answers = await asyncio.gather(*(said(region, promise_id, **order) for _ in range(5)))

    # At the same moment they may put it on the log more than once, under one id.
    [asked_at] = {answer["disputed_at"] for answer in answers}
    position = max((one["position"] for one in answers), key=lambda p: Position.parse(p).offset)
    own = {"promise_id": promise_id, "reason": "QUESTION", "statement": WORDS}
    assert await story(region, position) == [own]
    shown = await mine(region, position)
    assert shown["disputes"] == [{"reason": "QUESTION", "disputed_at": asked_at}]
    assert shown["state"] == "made"
    again = {"reason": "QUESTION", "statement": "And when?", "dispute_id": str(uuid4())}
    more = await said(region, promise_id, **again)
    assert more["dispute_id"] == again["dispute_id"]
    assert [one["statement"] for one in await story(region, more["position"])] == [
        "And when?",
        WORDS,
    ]


async def test_an_id_that_has_said_something_else_is_refused(
    region: Region,  # noqa: F811
) -> None:
    promise_id = await due(region)
    order = {"reason": "NOT_KEPT", "statement": WORDS, "dispute_id": str(uuid4())}
    first = await said(region, promise_id, **order)

    for other in ({"statement": "No"}, {"statement": None}, {"reason": "QUESTION"}):
        status, answer = await say(region, promise_id, **order | other)
        assert (status, answer["type"]) == (409, "/problems/conflict")
        assert answer["errors"][0]["field"] == "dispute_id"
        assert "another `dispute_id`" in answer["detail"]
    assert (await said(region, promise_id, **order))["position"] == first["position"]
    assert len(await story(region, first["position"])) == 1


async def test_what_was_not_due_was_not_broken_and_what_is_kept_is_no_question(
    region: Region,  # noqa: F811
) -> None:
    promise_id = await promised(region)
    status, answer = await say(region, promise_id, reason="NOT_KEPT")
    assert (status, answer["type"]) == (409, "/problems/not-due")
    assert answer["errors"][0]["fix"] == "Ask about it: send QUESTION."

    question = {"reason": "QUESTION", "statement": "When is it?"}
    asked = await said(region, promise_id, **question)
    await due(region)
    first = await said(region, promise_id, reason="NOT_KEPT")
    interview = {"interview_id": "i-1", "employer_id": ACME, "promise_id": promise_id}
    at = datetime.now(UTC) + timedelta(hours=1)  # NOW may be long before the promise
    last = await region.send("InterviewHeld", at, ACME, **interview)
    assert (await mine(region, last))["state"] == "kept"
    more = {"dispute_id": str(uuid4())}
    status, answer = await say(region, promise_id, **question, **more)
    assert (status, answer["type"]) == (409, "/problems/kept")
    assert answer["errors"][0]["fix"] == "If that is wrong, say so: send NOT_KEPT."
    assert (await said(region, promise_id, **question))["position"] == asked["position"]
    last = (await said(region, promise_id, reason="NOT_KEPT", **more))["position"]
    assert last != first["position"]

    shown = await mine(region, last)
    assert [one["reason"] for one in shown["disputes"]] == ["NOT_KEPT", "NOT_KEPT", "QUESTION"]
    assert shown["state"] == "kept"


@pytest.mark.parametrize("reason", ["NOT_KEPT", "QUESTION"])
async def test_nothing_is_said_of_a_promise_that_was_turned_down_or_taken_back(
    region: Region,  # noqa: F811
    reason: str,
) -> None:
    promise_id = await promised(region)
    own = {"promise_id": promise_id, "employer_id": ACME, "reason": "POSITION_CLOSED"}
    position = await region.send("PromiseWithdrawn", NOW, ACME, **own)
    assert (await mine(region, position))["state"] == "withdrawn"
    status, answer = await say(region, promise_id, reason=reason, statement=WORDS)
    assert (status, answer["type"]) == (409, "/problems/withdrawn")

    await region.good("/v1/pathways", region.acme, **PATHWAY | {"due_in_days": 3})
    order = {"pathway_id": "to-lead", "worker_id": str(region.ana)}
    next_id = (await region.good("/v1/promises", region.acme, **order))["promise_id"]
    no = await region.good(f"/v1/promises/{next_id}/answer", region.worker, answer="decline")
    await region.get("/v1/promises", region.worker, after=no["position"])
    status, answer = await say(region, next_id, reason=reason, statement=WORDS)
    assert (status, answer["type"]) == (409, "/problems/declined")
    assert await story(region, no["position"]) == []


async def test_only_the_person_it_was_made_to_says_something_of_a_promise(
    region: Region,  # noqa: F811
) -> None:
    promise_id = await promised(region)
    stranger = await region.hub.key(Role.WORKER, str(uuid4()))
    order = {"reason": "QUESTION", "statement": WORDS}

    for path, who, expected in (
        (promise_id, stranger, 404),
        ("no-such-promise", region.worker, 404),
        (promise_id, region.acme, 403),
        (promise_id, {}, 401),
    ):
        status, answer = await region.post(f"/v1/promises/{path}/dispute", who, **order)
        assert status == expected, answer
    assert await region.hub.pool.fetchval("SELECT count(*) FROM promises_work.written") == 2


async def test_words_are_bounded_sealed_and_in_no_answer_or_line_of_the_log(
    region: Region,  # noqa: F811
    capfd: pytest.CaptureFixture[str],
) -> None:
    promise_id = await promised(region)
    for wrong, field in (
        ({"statement": WORDS * 30}, "statement"),
        ({"statement": "  "}, "statement"),
        ({}, "body"),
        ({"statement": WORDS, "why": WORDS}, "why"),
    ):
        status, answer = await say(region, promise_id, reason="QUESTION", **wrong)
        assert (status, answer["errors"][0]["field"]) == (422, field)
        assert "xq-mark" not in str(answer)
    answer = await said(region, promise_id, reason="QUESTION", statement=WORDS)
    assert "xq-mark" not in str(answer)
    assert [one["statement"] for one in await story(region, answer["position"])] == [WORDS]

    kept = await region.hub.pool.fetch("SELECT value FROM promises_work.written")
    told = await region.hub.pool.fetch("SELECT payload FROM read.story")
    facts = await region.hub.pool.fetch("SELECT fields::text FROM promises.fact")
    assert "xq-mark" not in str([row[0] for row in (*kept, *told, *facts)])
    assert "xq-mark" not in "".join(capfd.readouterr())


async def test_an_employer_sees_it_only_while_the_person_shares(
    region: Region,  # noqa: F811
) -> None:
    promise_id = await due(region)
    answer = await said(region, promise_id, reason="NOT_KEPT", statement=WORDS)
    after = answer["position"]

    _, unseen = await region.get("/v1/promises", region.acme, after=after)
    assert "disputes" not in unseen["promises"][0]
    grant_id = await region.shares("promise")
    _, seen = await region.get("/v1/promises", region.acme)
    (shown,) = seen["promises"]
    assert [one["reason"] for one in shown["disputes"]] == ["NOT_KEPT"]
    path = f"/v1/workers/{region.ana}"
    _, told = await region.get(f"{path}/story", region.acme)
    assert WORDS in [item["fields"].get("statement") for item in told["items"]]

    async def logged() -> bool:
        _, found = await region.get("/v1/disclosures", region.worker)
        return "PromiseDisputed" in {one["subject_type"] for one in found["disclosures"]}

    await until(logged)
    await region.hub.http.delete(f"/v1/grants/{grant_id}", headers=region.worker)
    _, unseen = await region.get("/v1/promises", region.acme)
    assert "disputes" not in unseen["promises"][0]


async def test_a_question_is_no_dispute_in_the_read_model(
    region: Region,  # noqa: F811
) -> None:
    promise_id = await due(region)
    path = f"/v1/workers/{region.ana}/promises"

    async def read(after: str) -> tuple[bool, bool, bool]:
        _, found = await region.get(path, region.worker, after=after)
        (one,) = found["promises"]
        return one["in_dispute"], bool(one["disputed_at"]), bool(one["asked_at"])

    asked = await said(region, promise_id, reason="QUESTION", statement=WORDS)
    assert await read(asked["position"]) == (False, False, True)
    disputed = await said(region, promise_id, reason="NOT_KEPT")
    again = {"reason": "QUESTION", "statement": "When?", "dispute_id": str(uuid4())}
    await said(region, promise_id, **again)
    assert await read(disputed["position"]) == (True, True, True)


async def test_control_characters_and_endless_words_are_refused(
    region: Region,  # noqa: F811
) -> None:
    promise_id = await promised(region)
    for statement in ("a\x00b", "a\x1bb", "a" * 1001):
        status, answer = await say(region, promise_id, reason="QUESTION", statement=statement)
        assert (status, answer["errors"][0]["field"]) == (422, "statement"), answer


async def test_of_one_promise_so_many_things_are_said_and_no_more(
    region: Region,  # noqa: F811
) -> None:
    promise_id = await promised(region)
    for number in range(MOST_DISPUTES):
        order = {"reason": "QUESTION", "statement": f"And {number}?", "dispute_id": str(uuid4())}
        last = await said(region, promise_id, **order)
    await mine(region, last["position"])
    status, answer = await say(region, promise_id, reason="QUESTION", statement="And now?")
    assert (status, answer["type"]) == (409, "/problems/said-enough"), answer
