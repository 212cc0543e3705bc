"""`throughline schemas push`: the same ids in a real registry, or an error that says why not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from schemas.catalog import versions
from services.cli import schema_push
from services.cli.exits import Exit
from services.cli.remote_registry import RemoteRegistry
from services.cli.schema_push import IdTaken, PushFailed
from services.registry.subjects import Registered, by_id
from tests import apicurio
from tests.registry_kit import registry_app, serving

ENTRIES = list(by_id().values())
FOREIGN = json.dumps({"type": "record", "name": "somebody.Elses", "fields": []})


def push_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "services.cli", "schemas", "push", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=dict(os.environ))


@pytest.fixture(scope="module")
def real_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An Apicurio of this module's own: the ids must be free in it."""
    with apicurio.running(tmp_path_factory.mktemp("apicurio")) as url:
        yield url


@pytest.fixture
def http(real_registry: str) -> Iterator[httpx.Client]:
    """Calls it from its base URL on, with patience."""
    with httpx.Client(base_url=real_registry, timeout=60) as made:
        yield made


def register(http: httpx.Client, subject: str, schema: str) -> int:
    answer = http.post(f"/subjects/{subject}/versions", json={"schema": schema})
    given: int = answer.raise_for_status().json()["id"]
    return given


def evolved(entry: Registered, version: int, schema_id: int) -> Registered:
    """A version that is not in the catalogue, as a later release would add it."""
    schema = json.loads(entry.schema)
    added = {"name": f"added_{version}", "type": ["null", "string"], "default": None}
    schema["fields"].append(added)
    return Registered(entry.subject, version, schema_id, json.dumps(schema))


def test_a_real_registry_holds_the_same_ids_and_takes_later_versions(
    real_registry: str, http: httpx.Client
) -> None:
    dry = push_command(real_registry, "--dry-run", "--json")
    assert (dry.returncode, len(json.loads(dry.stdout)["missing"])) == (0, len(ENTRIES))
    assert http.get("/subjects").json() == []

    done = push_command(real_registry)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(ENTRIES) + 1

    for schema_id, event_type in versions().items():
        held = http.get(f"/schemas/ids/{schema_id}").json()["schema"]
        assert json.loads(held)["name"] == event_type.name
        place = f"/subjects/{event_type.full_name}/versions/{event_type.version}"
        assert http.get(place).json()["id"] == schema_id

    again = push_command(real_registry, "--json")
    counts = json.loads(again.stdout)
    assert (again.returncode, counts["registered"]) == (0, [])
    assert sorted(counts["present"]) == sorted(versions())

    # A later release: a version of a known subject, and what others registered meanwhile stays.
    foreign = register(http, "somebody.Elses", FOREIGN)
    assert foreign > max(versions())
    newest = [e for e in ENTRIES if e.subject == ENTRIES[0].subject][-1]
    later = evolved(newest, newest.version + 1, 90_000)
    remote = RemoteRegistry(real_registry)
    assert schema_push.push(remote, [newest, later], lambda _: None).missing == [later]
    latest = http.get(f"/subjects/{later.subject}/versions/latest").json()
    assert (latest["id"], latest["version"]) == (90_000, later.version)

    clash = Registered("throughline.x.Y", 1, foreign, later.schema)
    with pytest.raises(IdTaken, match=rf"id {foreign}, ours for throughline.x.Y version 1"):
        schema_push.push(remote, [newest, clash], lambda _: None)

    # The same bytes under another id: Apicurio would answer with that one.
    twin = Registered("throughline.x.Twin", 1, 91_000, FOREIGN)
    with pytest.raises(PushFailed, match="id 91000"):
        schema_push.push(remote, [twin], lambda _: None)
    assert "throughline.x.Twin" not in http.get("/subjects").json()
    remote.close()


def test_a_registry_that_gives_ids_of_its_own_is_noticed_at_once(
    real_registry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Apicurio takes the mode IMPORT and ignores the id that comes with a schema."""
    monkeypatch.setattr(RemoteRegistry, "apicurio", lambda _: None)
    entry = evolved(ENTRIES[0], 1, 95_000)
    own = Registered("throughline.x.Own", 1, entry.id, entry.schema)
    remote = RemoteRegistry(real_registry)
    with pytest.raises(PushFailed, match="does not keep ids"):
        schema_push.push(remote, [own], lambda _: None)
    remote.close()


def test_an_id_that_is_taken_ends_the_command_before_anything_is_written() -> None:
    target = ImportRegistry()
    target.ids[ENTRIES[3].id] = FOREIGN
    with serving(target.app()) as url:
        done = push_command(url)
    assert done.returncode == Exit.REFUSED
    assert f"id {ENTRIES[3].id}, ours for {ENTRIES[3].subject}" in done.stderr
    assert target.writes == 0


def test_nobody_there_and_a_registry_that_takes_nothing_are_told_apart() -> None:
    assert push_command("http://127.0.0.1:9").returncode == Exit.UNREACHABLE
    with serving(registry_app()) as url:  # ours: everything is there already
        done = push_command(url, "--json")
        assert (done.returncode, json.loads(done.stdout)["registered"]) == (0, [])


def test_confluents_import_mode_is_used_subject_by_subject_and_left_again() -> None:
    target = ImportRegistry()
    with serving(target.app()) as url:
        remote = RemoteRegistry(url)
        told: list[Registered] = []
        schema_push.push(remote, ENTRIES, told.append)
        assert len(told) == len(ENTRIES)
        assert target.modes == {}
        later = evolved(ENTRIES[0], 2, 90_000)
        target.modes[later.subject] = "READONLY"
        schema_push.push(remote, [later], told.append)
        assert target.modes == {later.subject: "READONLY"}
        remote.close()


class ImportRegistry:
    """The rules of Confluent's import mode, as its documentation states them.

    Confluent's server is in none of the package registries that tests may fetch from, so what is
    checked here is what we send, not how the server behaves. Source: Schema Registry API
    Reference, "Mode", and Migrate Schemas, "Migrate an Individual Schema".
    """

    def __init__(self) -> None:
        self.ids: dict[int, str] = {}
        self.subjects: dict[str, dict[int, int]] = {}
        self.modes: dict[str, str] = {}
        self.writes = 0

    def app(self) -> FastAPI:
        app = FastAPI()
        app.add_api_route("/schemas/ids/{schema_id}", self.schema)
        app.add_api_route("/subjects", lambda: list(self.subjects))
        app.add_api_route("/subjects/{subject}/versions", self.versions)
        app.add_api_route("/subjects/{subject}/versions/{version}", self.version)
        app.add_api_route("/subjects/{subject}/versions", self.register, methods=["POST"])
        app.add_api_route("/mode/{subject}", self.mode, methods=["GET", "PUT", "DELETE"])
        return app

    def schema(self, schema_id: int) -> Response:
        held = self.ids.get(schema_id)
        return _not_found(40403) if held is None else JSONResponse({"schema": held})

    def versions(self, subject: str) -> Response:
        held = self.subjects.get(subject)
        return _not_found(40401) if held is None else JSONResponse(sorted(held))

    def version(self, subject: str, version: int) -> Response:
        held = self.subjects.get(subject, {}).get(version)
        return _not_found(40402) if held is None else JSONResponse({"id": held})

    async def mode(self, subject: str, request: Request, force: bool = False) -> Response:
        if request.method == "PUT":
            wanted = (await request.json())["mode"]
            if wanted == "IMPORT" and self.subjects.get(subject) and not force:
                return JSONResponse({"error_code": 42205, "message": "not empty"}, 422)
            self.modes[subject] = wanted
        elif subject not in self.modes:
            return _not_found(40409)
        known = self.modes[subject]
        if request.method == "DELETE":
            del self.modes[subject]
        return JSONResponse({"mode": known})

    async def register(self, subject: str, request: Request) -> Response:
        self.writes += 1
        body = await request.json()
        if self.modes.get(subject) != "IMPORT":
            return JSONResponse({"error_code": 42205, "message": "not in import mode"}, 422)
        if self.ids.setdefault(body["id"], body["schema"]) != body["schema"]:
            return JSONResponse({"error_code": 42207, "message": "id is taken"}, 422)
        self.subjects.setdefault(subject, {})[body["version"]] = body["id"]
        return JSONResponse({"id": body["id"]})


def _not_found(error_code: int) -> Response:
    return JSONResponse({"error_code": error_code, "message": "not found"}, 404)
