"""Calls of every route of the write edge, made at random: good ones, almost good ones, and noise.

calls(world)    a hypothesis strategy of `Call`
answer_fault    what is wrong with an answer, or None: the rules that every answer keeps
"""

from __future__ import annotations

import gzip
import json
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx
import yaml
from hypothesis import strategies as st

from schemas.catalog import event_types
from services.common.access import Role
from services.common.authors import SPEAKS_FOR, may_author
from services.common.codec import encode
from tests.events_kit import edge_of, events_of

PLAIN, CLOUD, CLOUDS = (
    "application/json",
    "application/cloudevents+json",
    "application/cloudevents-batch+json",
)
AVRO = "application/avro"
BOUNDARY = "frontier"
ORGANIZATIONS = {"provider": "river-college", "employer": "acme", "agency": "state"}

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=30)
    | st.sampled_from(["\x00", "2026-02-30T00:00:00Z", "1e999", "9" * 40, math.nan, "\ud83d"])
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner),
    max_leaves=10,
)


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `role` names whose key is sent; None: no key."""

    method: str
    path: str
    role: str | None
    headers: tuple[tuple[str, str], ...] = ()
    content: bytes = b""


@dataclass(frozen=True, slots=True)
class World:
    """Who is known to the hub that is called."""

    workers: tuple[UUID, ...]


def answer_fault(call: Call, answer: httpx.Response) -> str | None:
    """No failure of ours, and where it is a refusal, one in the route's own standard form."""
    # RFC 7644, 3.12: 501 is the answer to what the service does not offer.
    offered = answer.status_code != 501 or not _is_scim(call.path)
    if answer.status_code >= 500 and offered:
        return f"a {answer.status_code}: {answer.text[:500]}"
    if answer.status_code < 400:
        return None
    kind = answer.headers.get("content-type", "").partition(";")[0]
    wanted = "application/scim+json" if _is_scim(call.path) else "application/problem+json"
    if kind != wanted:
        return f"a refusal as {kind!r}, not {wanted!r}: {answer.text[:200]}"
    body = answer.json()
    if int(body["status"]) != answer.status_code:
        return "the body says another status than the answer"
    if wanted.endswith("problem+json") and not {"type", "title", "detail"} <= body.keys():
        return f"a problem without type, title or detail: {body}"
    return None


def _is_scim(path: str) -> bool:
    return path == "/scim/v2" or path.startswith(("/scim/v2/", "/scim/v2?"))


def calls(world: World) -> st.SearchStrategy[Call]:
    """Every route, the one for events most often."""
    return st.one_of(
        _event_calls(world),
        _event_calls(world),
        _event_calls(world),
        _statement_calls(),
        _scim_calls(),
        _account_calls(world),
        _import_calls(),
        _odd_paths(),
    )


def varied(made: Sequence[Call], times: int, rng: random.Random) -> Iterator[Call]:
    """Each call, and variants of it: from another caller, as another type, in parts another call,
    or with some bytes changed. Far cheaper than calls that hypothesis makes.
    """
    for call in made:
        yield call
        for _ in range(times - 1):
            match rng.randrange(10):
                case 0 | 1:
                    yield replace(call, role=rng.choice(made).role)
                case 2:
                    yield replace(call, headers=rng.choice(made).headers)
                case 3 | 4 | 5 | 6 | 7:
                    yield replace(call, content=_crossed(call, rng.choice(made), rng))
                case _:
                    yield replace(call, content=_damaged(call.content, rng))


def _damaged(content: bytes, rng: random.Random) -> bytes:
    """The same bytes cut, repeated, or with some changed."""
    at = rng.randint(0, len(content))
    noise = rng.randbytes(rng.randint(1, 6))
    match rng.randrange(4):
        case 0:
            return content[:at]
        case 1:
            return content[:at] + noise + content[at:]
        case 2:
            return content[:at] + noise + content[at + len(noise) :]
        case _:
            return content + content[at:]


def _crossed(call: Call, other: Call, rng: random.Random) -> bytes:
    """One JSON body with a part of another in a place of its own."""
    try:
        mine, others = json.loads(call.content), json.loads(other.content)
    except ValueError:  # Avro, a file, noise: two of a kind together, or the same once more
        return call.content + (other.content if call.headers == other.headers else b"")
    part = rng.choice([others, *(others.values() if isinstance(others, dict) else [])])
    node: Any = mine
    while isinstance(node, dict | list) and node:
        at = rng.choice(list(node)) if isinstance(node, dict) else rng.randrange(len(node))
        if not isinstance(node[at], dict | list) or not node[at] or rng.random() < 0.3:
            node[at] = part
            break
        node = node[at]
    return json.dumps(mine).encode()


def _json(value: Any) -> bytes:
    """Also what JSON has no form for (NaN, half characters): senders write such things."""
    return json.dumps(value).encode()


# --- /v1/events ---------------------------------------------------------------------------------


@st.composite
def _events(draw: st.DrawFn, world: World, role: str) -> dict[str, Any]:
    """A good event about somebody known, by anybody; often with something wrong."""
    name = draw(st.sampled_from(_may_say(role)))
    event = dict(draw(edge_of(event_types()[name])))
    if "worker_id" in event:
        for name_of_field in ("worker_id", "source_record_id", "supersedes"):
            event.pop(name_of_field, None)
        event |= draw(_who(world))
    if name in SPEAKS_FOR:
        event[SPEAKS_FOR[name]] = ORGANIZATIONS.get(role, "acme")
    for _ in range(draw(st.sampled_from([0] * 6 + [1, 1, 2]))):
        field = draw(st.sampled_from(sorted(event)) | st.text(max_size=8))
        if draw(st.booleans()):
            event[field] = draw(JSON)
        else:
            event.pop(field, None)
    return event


@cache
def _may_say(role: str) -> list[str]:
    """Mostly what the role may author; now and then anything."""
    allowed = [name for name in sorted(event_types()) if may_author(Role(role), name)]
    return allowed * 10 + sorted(event_types())


def _who(world: World) -> st.SearchStrategy[dict[str, Any]]:
    known = st.sampled_from(world.workers).map(lambda worker: {"worker_id": str(worker)})
    recorded = st.integers(0, 5).map(lambda n: {"source_record_id": f"r-{n}"})
    return known | recorded


def _as_cloud_event(event: Mapping[str, Any], role: str) -> dict[str, Any]:
    data = {k: v for k, v in event.items() if k not in {"type", "occurred_at", "source_event_id"}}
    name = event.get("type")
    known = isinstance(name, str) and name in event_types()
    return {
        "specversion": "1.0",
        "id": event.get("source_event_id", "1"),
        "source": f"/organizations/{ORGANIZATIONS.get(role, role)}",
        "type": event_types()[name].full_name if known else name,
        "time": event.get("occurred_at"),
        "data": data,
    }


@st.composite
def _event_calls(draw: st.DrawFn, world: World) -> Call:
    role = draw(_ROLES)
    kind = draw(st.sampled_from([PLAIN, PLAIN, CLOUD, CLOUDS, AVRO, AVRO]))
    headers = [("content-type", kind)]
    if kind == AVRO:
        content = b"".join(draw(st.lists(_datums(world, role), min_size=1, max_size=3)))
    else:
        events = draw(st.lists(_events(world, role), min_size=1, max_size=4))
        content = _json(draw(st.sampled_from(_bodies(events, kind, role))))
    if draw(_RARELY):
        content = draw(st.binary(max_size=60) | JSON.map(_json))
    if draw(_RARELY):
        names = st.sampled_from(["ce-specversion", "ce-id", "ce-type", "ce-source", "ce-time"])
        values = st.sampled_from(["1.0", "x", "%00", "throughline.training.TrainingEnrolled", ""])
        headers += draw(st.dictionaries(names, values)).items()
    if draw(_RARELY):
        headers.append(
            ("idempotency-key", draw(st.sampled_from(['"a"', "a", "b" * 300, '"\x7f"'])))
        )
    if draw(_RARELY):
        headers.append(("content-encoding", draw(st.sampled_from(["gzip", "zstd", "br", "x"]))))
        content = gzip.compress(content, 1) if draw(st.booleans()) else content
    return Call("POST", "/v1/events", role, tuple(headers), content)


def _bodies(events: list[dict[str, Any]], kind: str, role: str) -> list[Any]:
    if kind == PLAIN:
        return [events[0], events[0], {"events": events}, events]
    cloud = [_as_cloud_event(event, role) for event in events]
    return [cloud[0], cloud, {"events": cloud}] if kind == CLOUD else [cloud, cloud, cloud[0]]


@st.composite
def _datums(draw: st.DrawFn, world: World, role: str) -> bytes:
    """An event in the Confluent frame, sealed fields as plain text or as any bytes."""
    event_type = event_types()[draw(st.sampled_from(_may_say(role)))]
    fields = dict(draw(events_of(event_type)))
    if "worker_id" in fields:
        fields |= {"worker_id": draw(st.sampled_from(world.workers)).bytes, "supersedes": None}
    if event_type.name in SPEAKS_FOR:
        fields[SPEAKS_FOR[event_type.name]] = ORGANIZATIONS.get(role, "acme")
    if not draw(_RARELY):
        fields |= {"event_id": bytes(16), "source": "", "actor_id": ""}
    if not draw(_RARELY):
        for field in event_type.sealed_fields:
            if fields[field.name] is not None:
                fields[field.name] = draw(st.text(min_size=1, max_size=20)).encode(
                    "utf-8", "replace"
                )
    return encode(event_type, fields)


# --- /xapi, /scim, accounts, agreements, imports, and paths that are not there -------------------

_ROLES = st.sampled_from(["provider", "employer", "agency", "operator", "worker"])
# Not 0: hypothesis likes that.
_RARELY = st.integers(0, 19).map(lambda n: n == 13)
_ODD = st.text(max_size=12) | st.sampled_from(["\x00", "..", "%", "a/b", "ﬀ", "x" * 2000])
_JSON_KIND = (("content-type", PLAIN),)
_STATEMENT: dict[str, Any] = {
    "actor": {"account": {"homePage": "https://lms.test", "name": "r-1"}},
    "verb": {"id": "http://adlnet.gov/expapi/verbs/completed"},
    "object": {"id": "https://lms.test/courses/forklift"},
    "timestamp": "2026-01-05T09:00:00Z",
    "result": {"completion": True, "success": True, "score": {"scaled": 0.9}},
}
_USER: dict[str, Any] = {
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
    "userName": "ana@acme.com",
    "externalId": "e-1",
    "name": {"givenName": "Ana", "familyName": "Diaz"},
    "emails": [{"value": "ana@acme.com", "primary": True}],
    "active": True,
}
_PATCH: dict[str, Any] = {
    "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
    "Operations": [{"op": "replace", "path": "active", "value": False}],
}
_AGREEMENT: dict[str, Any] = {
    "agreement_id": "mou-1",
    "organization_id": "acme",
    "version": 1,
    "sends": ["training"],
    "receives": ["training"],
    "purposes": ["hiring"],
}


@st.composite
def _changed(draw: st.DrawFn, good: Mapping[str, Any]) -> Any:
    """A JSON object with some values, at any depth, replaced, added or taken away."""
    made = json.loads(json.dumps(good))
    for _ in range(draw(st.integers(0, 3))):
        node: Any = made
        while isinstance(node, dict) and node:
            name = draw(st.sampled_from(sorted(node)))
            if not isinstance(node[name], dict | list) or draw(st.booleans()):
                break
            node = node[name]
            if isinstance(node, list):
                node = node[0] if node and isinstance(node[0], dict) else {"": None}
        name = draw(st.sampled_from(sorted(node) or [""]) | st.text(max_size=8))
        if draw(st.integers(0, 3)):
            node[name] = draw(JSON)
        else:
            node.pop(name, None)
    return made


@st.composite
def _statement_calls(draw: st.DrawFn) -> Call:
    body: Any = draw(st.lists(_changed(_STATEMENT), min_size=1, max_size=3))
    version = draw(st.sampled_from(["1.0.3", "2.0.0", "2.0", "3.0", "", "1.0.\u00e9"]))
    headers = (*_JSON_KIND, ("x-experience-api-version", version))
    role = draw(st.sampled_from(["provider", "provider", "employer", "worker"]))
    if draw(st.booleans()):
        return Call("POST", "/xapi/statements", role, headers, _json(body))
    wanted = draw(st.uuids().map(str) | _ODD)
    path = f"/xapi/statements?statementId={quote(wanted, safe='')}"
    return Call("PUT", path, role, headers, _json(body[0]))


@st.composite
def _scim_calls(draw: st.DrawFn) -> Call:
    method = draw(st.sampled_from(["GET", "POST", "POST", "PUT", "PATCH", "DELETE"]))
    resource = draw(
        st.sampled_from(["/Users", "/Users", "/Groups", "/Schemas", "/Bulk", "/.search"])
    )
    path = f"/scim/v2{resource}"
    if method in {"PUT", "PATCH", "DELETE"} or draw(_RARELY):
        path += "/" + quote(draw(st.uuids().map(str) | _ODD), safe="")
    if draw(_RARELY) or method == "GET":
        names = st.sampled_from(["filter", "startIndex", "count", "attributes", "sortBy"])
        values = st.sampled_from(
            ['userName eq "ana"', "(", "-1", "9" * 30, "", "\x00", 'a eq "\x00"']
        )
        query = draw(st.dictionaries(names, values, max_size=2))
        path += "?" + "&".join(f"{name}={quote(value)}" for name, value in query.items())
    body = draw(_changed(_PATCH if method == "PATCH" else _USER))
    if isinstance(body, dict) and method == "POST" and draw(st.booleans()):
        body["userName"] = draw(st.text(max_size=10))
    kind = draw(st.sampled_from(["application/scim+json", PLAIN, "text/plain", ""]))
    role = draw(st.sampled_from(["employer", "employer", "employer", "provider", None]))
    return Call(method, path, role, (("content-type", kind),), _json(body))


@st.composite
def _account_calls(draw: st.DrawFn, world: World) -> Call:
    role = draw(_ROLES)
    odd = quote(draw(_ODD), safe="")
    names = st.sampled_from(["acme", "\x00"]) | st.integers(0, 99).map(lambda n: f"company-{n}")
    organization = {"organization_id": draw(names), "name": "Company", "kind": "EMPLOYER"}
    path, good = draw(
        st.sampled_from(
            [
                ("/v1/organizations", organization),
                (f"/v1/organizations/{odd}/keys", {}),
                ("/v1/workers", {"source_record_id": "r-9", "display_name": "Ana"}),
                ("/v1/claims", {"code": "ABCD-EFGH-JKLM"}),
                ("/v1/agreements", _AGREEMENT),
                ("/v1/agreements", _AGREEMENT),
                (f"/v1/agreements/{odd}/end", {}),
            ]
        )
    )
    if path.startswith(("/v1/organizations", "/v1/agreements")) and draw(st.booleans()):
        role = "operator"
    body = draw(st.one_of(st.just(good), _changed(good), JSON))
    caller = None if draw(_RARELY) else role
    return Call("POST", path, caller, _JSON_KIND, _json(body))


_IMPORT: dict[str, Any] = {
    "type": "TrainingEnrolled",
    "fields": {
        "source_record_id": {"column": "student"},
        "occurred_at": {"column": "date"},
        "enrolment_id": {"column": "enrolment"},
        "course_id": {"column": "course"},
        "provider_id": {"value": "river-college"},
    },
}
_CSV = "student,date,enrolment,course\nr-1,2026-01-05,e-1,c-1\n"


@st.composite
def _import_calls(draw: st.DrawFn) -> Call:
    """Mostly looked at, for a hub keeps few imports waiting."""
    path = draw(st.sampled_from(["/v1/imports/inspect"] * 6 + ["/v1/imports?dry_run=true"]))
    mapping = draw(
        _changed(_IMPORT).map(lambda m: yaml.safe_dump(m, allow_unicode=True))
        | st.sampled_from(["oulad-results", "../../x", "\x00", "- [", "&a [*a]", "!!python/x", ""])
    )
    rows = draw(st.just(_CSV) | st.text(max_size=60).map(lambda text: _CSV + text))
    encoding = draw(st.sampled_from(["utf-8", "utf-16", "utf-8-sig", "cp1252"]))
    content = (
        rows.encode(encoding, "replace") if draw(st.booleans()) else draw(st.binary(max_size=90))
    )
    parts = {"mapping": mapping.encode("utf-8", "replace")}
    if "inspect" in path and draw(st.booleans()):
        parts = {"type": draw(st.sampled_from(["TrainingEnrolled", "No", "\x00", ""])).encode()}
    if draw(_RARELY):
        parts |= {draw(st.sampled_from(["sha256", "lookup.x", "what", "file"])): b"x\x00"}
    name = draw(st.sampled_from(["a.csv", "../../a", "a.csv.gz", "a\u00e9.csv"]))
    body = _multipart(parts, name, content)
    kind = f"multipart/form-data; boundary={draw(st.sampled_from([BOUNDARY] * 8 + ['', 'x']))}"
    role = draw(st.sampled_from(["provider", "provider", "provider", "worker"]))
    return Call("POST", path, role, (("content-type", kind),), body)


def _multipart(parts: Mapping[str, bytes], filename: str, file: bytes) -> bytes:
    made = b""
    for name, value in parts.items():
        made += f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n'.encode()
        made += value + b"\r\n"
    made += f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="file"; '.encode()
    made += f'filename="{filename}"\r\ncontent-type: text/csv\r\n\r\n'.encode()
    return made + file + f"\r\n--{BOUNDARY}--\r\n".encode()


@st.composite
def _odd_paths(draw: st.DrawFn) -> Call:
    odd = quote(draw(_ODD), safe="")
    paths = [
        *(f"/v1/{name}/{odd}" for name in ("imports", "agreements", "workers", "events")),
        *(f"/v1/imports/{odd}/{what}" for what in ("report", "rejected")),
        *(f"/v1/{name}?limit={odd}&before={odd}" for name in ("imports", "agreements")),
        f"/v1/agreements?organization_id={odd}",
        f"/{odd}",
    ]
    method = draw(st.sampled_from(["GET", "GET", "GET", "PUT", "DELETE", "PATCH", "POST"]))
    role = draw(_ROLES | st.none() | st.just("nobody"))
    return Call(method, draw(st.sampled_from(paths)), role)
