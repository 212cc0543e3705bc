"""Confluent's Schema Registry API, read from the committed catalogue. Public.

Source: Confluent, Schema Registry API Reference (v1). Nothing can be written: a new schema is
answered with 403, everything else that would change something with 405.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import BaseModel, Field

from services.registry.answers import FOR_EVER, RegistryRoute, answer, raw_answer
from services.registry.errors import Refused, no_subject, read_only
from services.registry.subjects import Registered, Subjects, by_id

COMPATIBILITY = "FULL_TRANSITIVE"
router = APIRouter(tags=["registry"], route_class=RegistryRoute)

Subject = Annotated[str, Path(max_length=500)]
SchemaId = Annotated[int, Path(ge=0, lt=2**32)]


class SchemaAsked(BaseModel):
    """A schema that a client has, and wants the id of. Other members are Confluent's business."""

    schema_: Annotated[str, Field(alias="schema", min_length=1, max_length=900_000)]
    schema_type: Annotated[str, Field(alias="schemaType", max_length=20)] = "AVRO"


def _subjects(request: Request) -> Subjects:
    found: Subjects = request.app.state.subjects
    return found


Known = Annotated[Subjects, Depends(_subjects)]


@router.get("/subjects")
async def subjects(request: Request, known: Known, subjectPrefix: str = "") -> Response:
    """The names of all subjects: the full names of the event types."""
    return answer(request, known.names(subjectPrefix))


@router.get("/subjects/{subject}/versions")
async def versions(request: Request, known: Known, subject: Subject) -> Response:
    return answer(request, [one.version for one in known.versions(subject)])


@router.get("/subjects/{subject}/versions/{version}")
async def version(request: Request, known: Known, subject: Subject, version: str) -> Response:
    """One version, by number or `latest`."""
    return answer(request, known.version(subject, version).as_dict())


@router.get("/subjects/{subject}/versions/{version}/schema")
async def version_schema(
    request: Request, known: Known, subject: Subject, version: str
) -> Response:
    """The schema itself, unwrapped."""
    return _schema(request, known.version(subject, version))


@router.get("/subjects/{subject}/versions/{version}/referencedby")
async def referenced_by(request: Request, known: Known, subject: Subject, version: str) -> Response:
    """Nothing: every schema stands alone."""
    known.version(subject, version)
    return answer(request, [])


@router.get("/schemas")
async def schemas(
    request: Request,
    known: Known,
    subjectPrefix: str = "",
    latestOnly: bool = False,
) -> Response:
    """Every version of every subject."""
    found = [
        one.as_dict()
        for subject in known.names(subjectPrefix)
        for one in known.versions(subject)[-1 if latestOnly else 0 :]
    ]
    return answer(request, found)


@router.get("/schemas/types")
async def types(request: Request) -> Response:
    return answer(request, ["AVRO"])


@router.get("/schemas/ids/{schema_id}")
async def schema(
    request: Request,
    known: Known,
    schema_id: SchemaId,
    fetchMaxId: bool = False,
) -> Response:
    """What a record's schema id stands for. Its bytes are read so for ever; words may change."""
    found = {"schema": known.schema(schema_id).schema}
    if fetchMaxId:
        return answer(request, {**found, "maxId": max(by_id())})
    return answer(request, found)


@router.get("/schemas/ids/{schema_id}/schema")
async def schema_only(request: Request, known: Known, schema_id: SchemaId) -> Response:
    return _schema(request, known.schema(schema_id))


@router.get("/schemas/ids/{schema_id}/subjects")
async def subjects_of(request: Request, known: Known, schema_id: SchemaId) -> Response:
    return answer(request, [known.schema(schema_id).subject], FOR_EVER)


@router.get("/schemas/ids/{schema_id}/versions")
async def versions_of(request: Request, known: Known, schema_id: SchemaId) -> Response:
    found = known.schema(schema_id)
    return answer(request, [{"subject": found.subject, "version": found.version}], FOR_EVER)


@router.post("/subjects/{subject}")
async def look_up(known: Known, request: Request, subject: Subject, asked: SchemaAsked) -> Response:
    """The id and version of a schema that the client has. Docs and annotations do not count."""
    return answer(request, _look_up(known, subject, asked).as_dict(), "no-store")


@router.post("/subjects/{subject}/versions")
async def register(
    known: Known, request: Request, subject: Subject, asked: SchemaAsked
) -> Response:
    """The id of a schema that is in the catalogue, as serialisers ask before they write.

    Raises Refused 403 for another one.
    """
    try:
        found = _look_up(known, subject, asked)
    except Refused as error:
        if error.status == 404:
            raise read_only(403) from error
        raise
    return answer(request, {"id": found.id}, "no-store")


@router.get("/config")
async def config(request: Request) -> Response:
    return answer(request, {"compatibilityLevel": COMPATIBILITY})


@router.get("/config/{subject}")
async def subject_config(request: Request, known: Known, subject: Subject) -> Response:
    known.versions(subject)
    return answer(request, {"compatibilityLevel": COMPATIBILITY})


@router.get("/mode")
async def mode(request: Request) -> Response:
    return answer(request, {"mode": "READONLY"})


@router.get("/mode/{subject}")
async def subject_mode(request: Request, known: Known, subject: Subject) -> Response:
    known.versions(subject)
    return answer(request, {"mode": "READONLY"})


@router.get("/contexts")
async def contexts(request: Request) -> Response:
    """The default one alone."""
    return answer(request, ["."])


async def refuse_to_change(request: Request) -> Response:
    """Every call that would change a subject, a level or the mode."""
    raise read_only(405)


for _path in (
    *("/subjects/{subject}", "/subjects/{subject}/versions"),
    "/subjects/{subject}/versions/{version}",
    *("/config", "/config/{subject}", "/mode", "/mode/{subject}"),
):
    router.add_api_route(
        _path, refuse_to_change, methods=["PUT", "DELETE", "PATCH"], include_in_schema=False
    )


def _schema(request: Request, found: Registered) -> Response:
    return raw_answer(request, found.schema.encode())


def _look_up(known: Subjects, subject: str, asked: SchemaAsked) -> Registered:
    if asked.schema_type != "AVRO":
        raise no_subject(subject)
    return known.look_up(subject, asked.schema_)
