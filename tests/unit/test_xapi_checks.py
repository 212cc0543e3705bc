"""Which statements the standard allows."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.xapi.checks import check
from services.ingest.xapi.events import events_of

BASE: dict[str, Any] = {
    "actor": {"mbox": "mailto:ana@example.org"},
    "verb": {"id": "http://adlnet.gov/expapi/verbs/attended"},
    "object": {"id": "http://www.example.com/meetings/34534"},
}
SUB = {**BASE, "objectType": "SubStatement"}
LINK = {
    "usageType": "http://example.com/test",
    "display": {"en-US": "A test"},
    "contentType": "text/plain",
    "length": 27,
    "sha2": "495395e777cd98da653df9615d09c0fd6bb2f8d4788394cd53c56a3bfdcd848a",
    "fileUrl": "http://over.there.com/file.txt",
}


def problems(spoken: str = "1.0.3", **parts: Any) -> dict[str, str]:
    errors = check({**BASE, **parts}, spoken, "s")
    return {error.field: error.problem for error in errors}


VALID: list[dict[str, Any]] = [
    {},
    {"id": "6690E6C9-3ef0-4ed3-8b37-7f3964730bee"},
    {"timestamp": "2008-09-15T15:53:00.601+01:00"},
    {"timestamp": "2008-09-15 15:53:00.601+00:00"},
    {"result": {"duration": "P3Y1M29DT4H35M59.14S"}},
    {"result": {"duration": "P4W"}},
    {"result": {"duration": "PT16559.14S"}},
    {"result": {"response": ""}},
    {"result": {"score": {"scaled": -1, "raw": 0, "min": 0, "max": 0}}},
    {"result": {"extensions": {"http://example.com/null": None}}},
    {"actor": {"mbox": "mailto:ana@company.local"}},
    {"actor": {"mbox_sha1sum": "CD9B00A5611F94EAA7B1661EDAB976068E364975"}},
    {"actor": {"openid": "http://ana.example.org"}},
    {"object": {"objectType": "Agent", "mbox": "mailto:b@example.org"}},
    {"object": {**SUB, "object": {"objectType": "Group", "mbox": "mailto:t@example.org"}}},
    {"context": {"instructor": {"objectType": "Group", "mbox": "mailto:t@example.org"}}},
    {"context": {"language": "tlh", "platform": "a", "revision": "b"}},
    {"verb": {**BASE["verb"], "display": {"sr-Cyrl": "пријавио"}}},
    {"attachments": [LINK]},
]


@pytest.mark.parametrize("version", ["1.0.3", "2.0.0"])
@pytest.mark.parametrize("parts", VALID, ids=json.dumps)
def test_what_the_standard_allows_is_taken(parts: dict[str, Any], version: str) -> None:
    assert problems(version, **parts) == {}


INVALID: list[tuple[dict[str, Any], str]] = [
    ({"id": "AA97B177-9383-4934-8543-0F91A7A028368"}, "s.id"),
    ({"id": "6690e6c93ef04ed38b377f3964730bee"}, "s.id"),
    ({"timestamp": "01/011/2015"}, "s.timestamp"),
    ({"timestamp": "2008-09-15"}, "s.timestamp"),
    ({"timestamp": 1221493980}, "s.timestamp"),
    ({"timestamp": "2008-09-15T15:53:00.601-00"}, "s.timestamp"),
    ({"timestamp": "2008-09-15T15:53:00.601-0000"}, "s.timestamp"),
    ({"timestamp": "2008-09-15T15:53:00.601-00:00"}, "s.timestamp"),
    ({"result": {"duration": "P4W1D"}}, "s.result.duration"),
    ({"result": {"duration": "PT"}}, "s.result.duration"),
    ({"result": {"duration": 12}}, "s.result.duration"),
    ({"result": {"score": {"max": "100"}}}, "s.result.score.max"),
    ({"result": {"score": {"scaled": 1.1}}}, "s.result.score.scaled"),
    ({"result": {"score": {"raw": -1, "min": 0}}}, "s.result.score"),
    ({"result": {"completion": "false"}}, "s.result.completion"),
    ({"result": {"extensions": {"nope": 1}}}, "s.result.extensions.nope"),
    ({"actor": {"mbox": "ana@example.org"}}, "s.actor.mbox"),
    ({"actor": {"mbox": "mailto:Ana <ana@example.org>"}}, "s.actor.mbox"),
    ({"actor": {"openid": "ana"}}, "s.actor.openid"),
    ({"actor": {"name": "Ana"}}, "s.actor"),
    ({"actor": {"mbox": "mailto:a@b.org", "openid": "http://a.org"}}, "s.actor"),
    ({"actor": {"mbox": "mailto:a@b.org", "name": None}}, "s.actor.name"),
    ({"actor": "ana"}, "s.actor"),
    ({"actor": {"objectType": "Group", "member": [{"name": "x"}]}}, "s.actor.member[0]"),
    ({"verb": {**BASE["verb"], "display": {"a12345": "x"}}}, "s.verb.display.a12345"),
    ({"verb": {"id": "attended"}}, "s.verb.id"),
    ({"object": {"mbox": "mailto:a@b.org"}}, "s.object.id"),
    ({"object": {**SUB, "id": "6690e6c9-3ef0-4ed3-8b37-7f3964730bee"}}, "s.object.id"),
    ({"object": {**SUB, "object": SUB}}, "s.object.object"),
    ({"object": {**BASE["object"], "objectType": "activity"}}, "s.object.objectType"),
    ({"context": {}}, "s.context"),
    ({"context": {"registration": "7"}}, "s.context.registration"),
    ({"context": {"team": BASE["actor"]}}, "s.context.team"),
    ({"context": {"contextActivities": {"parent": [{}]}}}, "s.context.contextActivities.parent[0]"),
    ({"object": {"objectType": "Agent", "mbox": "mailto:b@e.org"}, "context": {"platform": "x"}},
     "s.context.platform"),
    ({"attachments": [{**LINK, "length": "27"}]}, "s.attachments[0].length"),
    ({"attachments": [{k: v for k, v in LINK.items() if k != "fileUrl"}]},
     "s.attachments[0].fileUrl"),
    ({"version": "0.9"}, "s.version"),
    ({"mood": "good"}, "s.mood"),
]  # fmt: skip


@pytest.mark.parametrize(("parts", "field"), INVALID, ids=lambda value: json.dumps(value)[:80])
def test_what_it_does_not_allow_is_refused_with_the_place(
    parts: dict[str, Any], field: str
) -> None:
    assert field in problems(**parts)


def test_the_newer_version_wants_a_zone_and_has_people_in_the_context() -> None:
    agents = [{"objectType": "contextAgent", "agent": BASE["actor"], "relevantTypes": ["abc"]}]

    assert problems("1.0.3", timestamp="2008-09-15T15:53:00") == {}
    assert problems("2.0.0", timestamp="2008-09-15T15:53:00")
    assert "s.context.contextAgents" in problems("1.0.3", context={"contextAgents": agents})
    place = "s.context.contextAgents[0].relevantTypes[0]"
    assert list(problems("2.0.0", context={"contextAgents": agents})) == [place]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *BASE,
                    "result",
                    "context",
                    "score",
                    "id",
                    "member",
                    "mbox",
                    "objectType",
                    "definition",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from([*BASE, "result", "context", "attachments"]), ANYTHING))
def test_whatever_is_sent_is_checked_without_a_crash(parts: dict[str, Any]) -> None:
    errors = check({**BASE, **parts}, "2.0.0", "s")

    assert all(error.field.startswith("s") and error.problem for error in errors)
    if not errors:
        list(events_of({**BASE, **parts, "id": "7"}, "2.0.0", "college", AT, lambda _: "h"))


AT = datetime(2026, 3, 1, tzinfo=UTC)


def test_deep_nesting_is_refused() -> None:
    deep: Any = "x"
    for _ in range(200):
        deep = {"a": deep}

    assert any("deep" in problem for problem in problems(result=deep).values())


def test_loading_the_service_does_not_load_the_models_of_statements() -> None:
    program = "import sys, services.ingest.__main__; sys.exit('ralph' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
