"""Calls of the other routes of the write edge at random, and of addresses that are not there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml
from hypothesis import strategies as st

from services.demo.data import open_university
from tests.fuzz.parts import JSON, JSON_KIND, ODD, PLAIN, RARELY, ROLES, Call, World, as_json

BOUNDARY = "frontier"
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
def statement_calls(draw: st.DrawFn) -> Call:
    body: Any = draw(st.lists(_changed(_STATEMENT), min_size=1, max_size=3))
    version = draw(st.sampled_from(["1.0.3", "2.0.0", "2.0", "3.0", "", "1.0.\u00e9"]))
    headers = (*JSON_KIND, ("x-experience-api-version", version))
    role = draw(st.sampled_from(["provider", "provider", "employer", "worker"]))
    if draw(st.booleans()):
        return Call("POST", "/xapi/statements", role, headers, as_json(body))
    wanted = draw(st.uuids().map(str) | ODD)
    path = f"/xapi/statements?statementId={quote(wanted, safe='')}"
    return Call("PUT", path, role, headers, as_json(body[0]))


@st.composite
def scim_calls(draw: st.DrawFn) -> Call:
    method = draw(st.sampled_from(["GET", "POST", "POST", "PUT", "PATCH", "DELETE"]))
    resource = draw(
        st.sampled_from(["/Users", "/Users", "/Groups", "/Schemas", "/Bulk", "/.search"])
    )
    path = f"/scim/v2{resource}"
    if method in {"PUT", "PATCH", "DELETE"} or draw(RARELY):
        path += "/" + quote(draw(st.uuids().map(str) | ODD), safe="")
    if draw(RARELY) or method == "GET":
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
    return Call(method, path, role, (("content-type", kind),), as_json(body))


@st.composite
def account_calls(draw: st.DrawFn, world: World) -> Call:
    role = draw(ROLES)
    odd = quote(draw(ODD), safe="")
    names = st.sampled_from(["acme", "\x00"]) | st.integers(0, 99).map(lambda n: f"company-{n}")
    organization = {"organization_id": draw(names), "name": "Company", "kind": "EMPLOYER"}
    path, good = draw(
        st.sampled_from(
            [
                ("/v1/organizations", organization),
                (f"/v1/organizations/{odd}/keys", {}),
                ("/v1/workers", {"source_record_id": "r-9", "display_name": "Ana"}),
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
    caller = None if draw(RARELY) else role
    return Call("POST", path, caller, JSON_KIND, as_json(body))


_PATHWAY: dict[str, Any] = {
    "pathway_id": "lead",
    "title": "Line lead",
    "criteria": {"all": [{"training": "c-1"}, {"skill": "onet:2.B.1", "times": 2}]},
    "outcome": "INTERVIEW",
    "due_in_days": 30,
}


@st.composite
def promise_calls(draw: st.DrawFn, world: World) -> Call:
    odd = quote(draw(ODD), safe="")
    promised = {"pathway_id": "lead", "worker_id": str(draw(st.sampled_from(world.workers)))}
    path, good, role = draw(
        st.sampled_from(
            [
                ("/v1/pathways", _PATHWAY, "employer"),
                ("/v1/pathways", _PATHWAY, "employer"),
                ("/v1/promises", promised, "employer"),
                (f"/v1/promises/{odd}/answer", {"answer": "accept"}, "worker"),
            ]
        )
    )
    return Call("POST", path, role, JSON_KIND, as_json(draw(_changed(good))))


_FIELDS: dict[str, Any] = {
    "source_record_id": "{student}",
    "source_event_id": "{@row}",
    "occurred_at": {"from": "{date}", "as": "date", "formats": ["%Y-%m-%d"]},
    "enrolment_id": "{enrolment}",
    "course_id": "{course}",
    "provider_id": "{@caller}",
}
_IMPORT: dict[str, Any] = {
    "name": "courses",
    "events": [{"type": "TrainingEnrolled", "fields": _FIELDS}],
}
_ODD_FORMS = ["%d/%d/%Y", "%Y %Y", "%Y-%c", "%z%z", "%", "%Y%", "%999Y", "%G %V", "%j %U", "%s", ""]
_HEADER = "student,date,enrolment,course\n"
_ROW = st.integers(0, 9_999).map(lambda n: f"r-{n},2026-01-05,e-{n},c-1\n")
_DEEP_PARTS = [("- ", "x"), ("[", ""), ('{"a": ', "1"), ("? ", "x"), ("events: [[", "")]
_OULAD = open_university()[1]


@st.composite
def _mappings(draw: st.DrawFn) -> str:
    match draw(st.integers(0, 9)):
        case 0 | 1 | 2 | 3:
            return yaml.safe_dump(_IMPORT)
        case 4:
            forms = st.lists(st.sampled_from(_ODD_FORMS) | st.text(max_size=9), min_size=1)
            occurred = {"from": "{date}", "as": "date", "formats": draw(forms)}
            event = {"type": "TrainingEnrolled", "fields": {**_FIELDS, "occurred_at": occurred}}
            return yaml.safe_dump({"events": [event]}, allow_unicode=True)
        case 5:
            part, end = draw(st.sampled_from(_DEEP_PARTS))
            return part * draw(st.sampled_from([40, 60, 900, 3_000, 30_000])) + end
        case 6:
            odd = ["oulad-results", "../../x", "\x00", "- [", "&a [*a]", "!!python/x", ""]
            return draw(st.sampled_from(odd))
        case _:
            return yaml.safe_dump(draw(_changed(_IMPORT)), allow_unicode=True)


@st.composite
def import_calls(draw: st.DrawFn) -> Call:
    """Mostly looked at, for a hub keeps few imports waiting."""
    paths = ["/v1/imports/inspect"] * 4 + ["/v1/imports?dry_run=true", "/v1/imports"]
    path = draw(st.sampled_from(paths))
    files = {"file": draw(_tables())}
    parts = {"mapping": draw(_mappings()).encode("utf-8", "replace")}
    if draw(st.integers(0, 5)) == 3:
        files = {"file": _first(_OULAD.file), "lookup.courses": _first(_OULAD.lookups["courses"])}
        parts = {"mapping": _OULAD.mapping.encode()}
    if "inspect" in path and draw(st.booleans()):
        parts = {"type": draw(st.sampled_from(["TrainingEnrolled", "No", "\x00", ""])).encode()}
    if draw(RARELY):
        parts |= {draw(st.sampled_from(["sha256", "lookup.x", "what", "file"])): b"x\x00"}
    name = draw(st.sampled_from(["a.csv", "../../a", "a.csv.gz", "a\u00e9.csv"]))
    body = _multipart(parts, name, files)
    kind = f"multipart/form-data; boundary={draw(st.sampled_from([BOUNDARY] * 8 + ['', 'x']))}"
    role = draw(st.sampled_from(["provider", "provider", "provider", "worker"]))
    return Call("POST", path, role, (("content-type", kind),), body)


@st.composite
def _tables(draw: st.DrawFn) -> bytes:
    rows = _HEADER + "".join(draw(st.lists(_ROW, min_size=1, max_size=5)))
    match draw(st.integers(0, 5)):
        case 0:
            return draw(st.binary(max_size=90))
        case 1:
            return (rows + draw(st.text(max_size=60))).encode("utf-8", "replace")
        case 2:
            return rows.encode(draw(st.sampled_from(["utf-16", "utf-8-sig", "cp1252"])))
        case _:
            return rows.encode()


def _first(path: Path) -> bytes:
    return b"".join(path.read_bytes().splitlines(keepends=True)[:4])


def _multipart(parts: Mapping[str, bytes], filename: str, files: Mapping[str, bytes]) -> bytes:
    made = b""
    for name, value in parts.items():
        made += f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n'.encode()
        made += value + b"\r\n"
    for name, value in files.items():
        made += f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="{name}"; '.encode()
        made += f'filename="{filename}"\r\ncontent-type: text/csv\r\n\r\n'.encode()
        made += value + b"\r\n"
    return made + f"--{BOUNDARY}--\r\n".encode()


def good_calls() -> list[Call]:
    """One call of each of these routes that is taken."""
    version = (*JSON_KIND, ("x-experience-api-version", "1.0.3"))
    form = (("content-type", f"multipart/form-data; boundary={BOUNDARY}"),)
    company = {"organization_id": "company-1", "name": "Company", "kind": "EMPLOYER"}
    rows = {"file": (_HEADER + "r-1,2026-01-05,e-1,c-1\n").encode()}
    table = _multipart({"mapping": yaml.safe_dump(_IMPORT).encode()}, "a.csv", rows)
    scim = (("content-type", "application/scim+json"),)
    json_calls = [
        ("/xapi/statements", "provider", version, [_STATEMENT]),
        ("/scim/v2/Users", "employer", scim, _USER),
        ("/v1/organizations", "operator", JSON_KIND, company),
        ("/v1/workers", "provider", JSON_KIND, {"source_record_id": "r-9"}),
        ("/v1/agreements", "operator", JSON_KIND, _AGREEMENT),
        ("/v1/pathways", "employer", JSON_KIND, _PATHWAY),
    ]
    return [
        *(Call("POST", path, who, kind, as_json(body)) for path, who, kind, body in json_calls),
        Call("POST", "/v1/imports", "provider", form, table),
        Call("POST", "/v1/imports?dry_run=true", "provider", form, table),
    ]


@st.composite
def odd_paths(draw: st.DrawFn) -> Call:
    odd = quote(draw(ODD), safe="")
    paths = [
        *(f"/v1/{name}/{odd}" for name in ("imports", "agreements", "workers", "events")),
        *(f"/v1/imports/{odd}/{what}" for what in ("report", "rejected")),
        *(f"/v1/{name}?limit={odd}&before={odd}" for name in ("imports", "agreements")),
        f"/v1/agreements?organization_id={odd}",
        f"/{odd}",
    ]
    method = draw(st.sampled_from(["GET", "GET", "GET", "PUT", "DELETE", "PATCH", "POST"]))
    role = draw(ROLES | st.none() | st.just("nobody"))
    return Call(method, draw(st.sampled_from(paths)), role)
