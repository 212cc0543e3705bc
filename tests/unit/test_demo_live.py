"""The gentle stream's steps, the client that waits for a hub, and what a seeded hub is known by."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from schemas.models import MODELS
from services.common.authors import MATRIX
from services.common.errors import DependencyDown
from services.demo.cast import CAST
from services.demo.client import HubClient, Refused
from services.demo.forms import flat
from services.demo.live import Continuing, sent_id_of
from services.demo.model import Life, instant
from services.demo.region import UNTIL, Region
from services.demo.state import DemoState, Person
from services.demo.tell import Happening

REGION = Region(workers=150)


def steps(count: int, seed: int = 1) -> list[tuple[Life, Happening]]:
    continuing = Continuing(REGION, random.Random(seed))
    start = int((UNTIL + timedelta(hours=1)).timestamp())
    return [continuing.step(start + n) for n in range(count)]


def test_what_happens_next_is_as_the_edge_takes_it_and_by_who_may_say_it() -> None:
    kinds = set()
    for life, happening in steps(600):
        kinds.add(happening.event_type)
        sent_id = sent_id_of(life, happening, instant(happening.at))
        body = flat(happening, life.worker_id, sent_id)
        MODELS[happening.event_type].model_validate(body)
        assert happening.author.role in MATRIX[happening.event_type]
    assert len(kinds) == 6


def test_the_named_cast_is_left_alone() -> None:
    assert {life.index for life, _ in steps(600)}.isdisjoint(range(len(CAST)))


def test_employers_speak_of_the_people_they_have() -> None:
    for life, happening in steps(600):
        if happening.event_type in {"SkillAttested", "TrainingAcknowledged"}:
            job = life.job_at(happening.at)
            assert job is not None
            assert job.employer is happening.author


def test_a_course_is_noticed_once_however_often_the_stream_is_started() -> None:
    def noticed(seed: int) -> dict[str, str]:
        return {
            happening.own["enrolment_id"]: sent_id_of(life, happening, instant(happening.at))
            for life, happening in steps(2000, seed)
            if happening.event_type == "TrainingAcknowledged"
        }

    first, again = noticed(1), noticed(2)
    both = first.keys() & again.keys()
    assert both
    assert all(first[course] == again[course] for course in both)


def test_steps_have_numbers_of_their_own() -> None:
    ids = [sent_id_of(life, happening, instant(happening.at)) for life, happening in steps(500)]
    assert len(set(ids)) == len(ids)


def test_a_region_without_people_has_no_stream() -> None:
    with pytest.raises((LookupError, IndexError)):
        Continuing(Region(workers=len(CAST)), random.Random(1)).step(0)


def hub(answer: Callable[[httpx.Request], httpx.Response], patience_s: float = 60) -> HubClient:
    transport = httpx.MockTransport(answer)
    http = httpx.AsyncClient(transport=transport, base_url="http://hub.test")
    return HubClient(http, patience_s=patience_s)


async def test_a_hub_that_is_away_is_tried_again() -> None:
    answers = [
        httpx.Response(503, headers={"Retry-After": "0"}),
        httpx.Response(429, headers={"Retry-After": "0"}),
        httpx.ConnectError("no"),
        httpx.Response(200, json={"good": True}),
    ]

    def answer(_request: httpx.Request) -> httpx.Response:
        following = answers.pop(0)
        if isinstance(following, Exception):
            raise following
        return following

    assert await hub(answer).call("GET", "/v1/x") == {"good": True}
    assert not answers


async def test_patience_ends() -> None:
    away = hub(lambda _request: httpx.Response(503), patience_s=0.3)
    with pytest.raises(DependencyDown, match="503"):
        await away.call("GET", "/v1/x")


async def test_a_refusal_is_not_tried_again() -> None:
    tried = []

    def answer(request: httpx.Request) -> httpx.Response:
        tried.append(request)
        return httpx.Response(403, json={"detail": "not yours"})

    with pytest.raises(Refused, match="403: not yours") as refused:
        await hub(answer).call("GET", "/v1/x")
    assert refused.value.status == 403
    assert len(tried) == 1


async def test_an_event_that_the_hub_refuses_is_named() -> None:
    body = {
        "counts": {"accepted": 1, "invalid": 1},
        "results": [{"status": "accepted"}, {"status": "invalid", "errors": ["no such course"]}],
    }
    taking = hub(lambda _request: httpx.Response(207, json=body))
    with pytest.raises(Refused, match=r"TrainingExited.*no such course"):
        await taking.post_events("t", [{"type": "TrainingEnrolled"}, {"type": "TrainingExited"}])


def test_a_regions_end_is_fixed_when_it_is_first_seeded(tmp_path: Path) -> None:
    state = DemoState.load(tmp_path / "new")
    state.region(1, UNTIL).people["0"] = Person("w", "t", "Rosa Martinez")
    state.region(2, UNTIL + timedelta(days=1))
    state.save()

    read = DemoState.load(tmp_path / "new")
    assert read == state
    assert read.region(1, UNTIL + timedelta(days=9)).ends_at == UNTIL
    assert read.region(2, UNTIL).ends_at == UNTIL + timedelta(days=1)
