"""The statement resource of a learning record store, for writing: `/xapi/statements`.

Source: xAPI 1.0.3, Communication 2.1 and 3.3; xAPI 2.0 (IEEE 9274.1.1), 4.1.6.1. A request is
taken whole or not at all.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID, uuid4

import orjson
from aiokafka.errors import KafkaError
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import ValidationError

from schemas.edge import EdgeEvent
from services.common.access import Principal, caller
from services.common.authors import may_author
from services.common.clock import utc_now
from services.common.errors import FieldError, Problem, RetryableError, unavailable
from services.common.postgres import AWAY
from services.common.vault import Vault
from services.ingest.drafts import ItemResult, Status
from services.ingest.handlers import Author, draft
from services.ingest.writer import Writer
from services.ingest.xapi.checks import check, duplicates
from services.ingest.xapi.events import events_of
from services.ingest.xapi.forms import UUID_FORM
from services.ingest.xapi.store import StatementConflict, StatementStore

MAX_STATEMENTS = 1_000
MAX_BODY_BYTES = 5_000_000
VERSIONS = ("2.0.0", "1.0.3")
HEADER = "X-Experience-API-Version"
_TYPES = ("AssessmentTaken", "TrainingCompleted", "TrainingEnrolled", "TrainingProgressed")
_MOST_EVENTS = 1_000  # in one call of the writer
_MOST_ERRORS = 20
# What the store sets itself, and so does not compare.
_NOT_COMPARED = frozenset({"stored", "authority", "version"})


class Versioned(APIRoute):
    """Puts the version header on every answer, problems included."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def versioned(request: Request) -> Response:
            spoken = "1.0.3" if request.headers.get(HEADER, "").startswith("1.0") else "2.0.0"
            try:
                response = await handle(request)
            except Problem as problem:
                problem.headers[HEADER] = spoken
                raise
            except (RetryableError, KafkaError, *AWAY) as error:
                away = unavailable("The hub's log or database does not answer now.")
                away.headers[HEADER] = spoken
                raise away from error
            response.headers[HEADER] = spoken
            return response

        return versioned


router = APIRouter(prefix="/xapi", tags=["xapi"], route_class=Versioned)
Caller = Annotated[Principal, Depends(caller)]


@router.get("/about")
async def about() -> dict[str, list[str]]:
    """The versions spoken here."""
    return {"version": list(VERSIONS)}


@router.post("/statements")
async def post(request: Request, principal: Caller) -> JSONResponse:
    """Take one statement or a list of up to 1,000. Answers their ids."""
    version = _version(request)
    body = _parsed(await _body(request))
    statements = body if isinstance(body, list) else [body]
    return JSONResponse(await _take(request, principal, statements, version))


@router.put("/statements", status_code=204)
async def put(request: Request, principal: Caller) -> Response:
    """Take one statement under the id that `statementId` names."""
    version = _version(request)
    statement_id = request.query_params.get("statementId", "")
    if not UUID_FORM.fullmatch(statement_id):
        raise _refused([FieldError("statementId", "is missing, or is not a UUID")])
    body = _parsed(await _body(request))
    if not isinstance(body, dict):
        raise _refused([FieldError("body", "is not a statement", "Send one JSON object.")])
    if str(body.get("id", statement_id)).lower() != statement_id.lower():
        raise _refused([FieldError("id", "is not the statementId of the request")])
    await _take(request, principal, [{**body, "id": statement_id}], version)
    return Response(status_code=204)


def _version(request: Request) -> str:
    given = request.headers.get(HEADER, "")
    if not re.fullmatch(r"[12]\.0(\.[0-9]{1,4})?", given):
        problem = f"is {given[:20]!r}" if given else "is missing"
        fix = f"Send {HEADER}: {' or '.join(VERSIONS)}."
        raise Problem(
            400, "xapi-version", "The version is not spoken here.",
            errors=[FieldError(HEADER, problem, fix)],
        )  # fmt: skip
    return given


async def _body(request: Request) -> bytes:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        fix = "Send application/json; attachments are taken as links (fileUrl)."
        raise Problem(
            400, "content-type", "Statements are taken as JSON.",
            errors=[FieldError("Content-Type", f"is {kind[:60] or 'missing'}", fix)],
        )  # fmt: skip
    return await request.body()


def _refused(errors: Sequence[FieldError], code: str = "invalid-statement") -> Problem:
    detail = "Nothing of this request was taken: a statement is not as the standard has it."
    return Problem(400, code, detail, errors=errors[:_MOST_ERRORS])


def _parsed(body: bytes) -> Any:
    try:
        # Stricter than the one that knows of repeats: half of an escaped pair is text that no
        # answer could say back.
        orjson.loads(body)
        return json.loads(body, object_pairs_hook=_no_repeats, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise _refused([FieldError("body", f"is not JSON: {error}")], "not-json") from None


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the property {twice[:60]!r} stands twice in one object")
    return made


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number in JSON")


async def _take(
    request: Request, principal: Principal, statements: list[Any], version: str
) -> list[str]:
    """All of them, or none. Raises Problem."""
    provider_id = principal.organization_id
    if not all(may_author(principal.role, name) for name in _TYPES):
        detail = f"The key of {principal.role.value} can't post learning records."
        raise Problem(403, "not-yours-to-say", detail)
    if not 1 <= len(statements) <= MAX_STATEMENTS:
        limit = f"Send from 1 to {MAX_STATEMENTS:,} at a time."
        raise _refused([FieldError("body", f"holds {len(statements):,} statements", limit)])
    state = request.app.state
    state.ingest_limit.take(principal.key_id, len(statements), time.monotonic())
    named = await asyncio.to_thread(_checked, statements, version)
    hashed = {
        UUID(s["id"]): state.vault.blind_index("xapi", provider_id, _canonical(s)) for s in named
    }

    now = utc_now()
    reading = _Reading(principal, version, state.vault, now, state.ingest_settings.ahead)
    # Once before anything is noted, so that a statement that can't be an event leaves no trace.
    first = await asyncio.to_thread(reading.events, named, dict.fromkeys(hashed, now))
    await _must_be_covered(state.writer, {event.event_type for event in first}, principal, now)
    try:
        taken = await StatementStore(state.pool).reserve(provider_id, hashed, now)
    except StatementConflict as conflict:
        raise _conflict(str(conflict.statement_id)) from None
    events = await asyncio.to_thread(reading.events, named, taken)
    await _write(state.writer, events, principal, now)
    return [s["id"] for s in named]


def _checked(statements: list[Any], version: str) -> list[dict[str, Any]]:
    """The statements, each with an id. Raises Problem 400 naming statement, field and reason."""
    errors = [e for i, s in enumerate(statements) for e in check(s, version, f"statements[{i}]")]
    if errors:
        raise _refused(errors)
    named = [{**s, "id": s.get("id", str(uuid4()))} for s in statements]
    if again := duplicates([s["id"].lower() for s in named]):
        raise _refused([FieldError(f"statements[{i}].id", "stood before it") for i in again])
    return named


def _canonical(statement: dict[str, Any]) -> str:
    compared = {k: v for k, v in statement.items() if k not in _NOT_COMPARED}
    return json.dumps(compared, sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class _Reading:
    """What turns checked statements into events that the writer will take."""

    principal: Principal
    version: str
    vault: Vault
    now: datetime
    ahead: timedelta

    def events(
        self, statements: Sequence[dict[str, Any]], taken: Mapping[UUID, datetime]
    ) -> list[EdgeEvent]:
        """Raises Problem 400 naming the statement that no event can be made of."""
        author = Author.of(self.principal)
        made: list[EdgeEvent] = []
        for index, statement in enumerate(statements):
            place = f"statements[{index}]"
            try:
                events = list(self._of(statement, taken[UUID(statement["id"])]))
            except ValidationError as error:
                problems = [f"{item['loc'][0]}: {item['msg']}" for item in error.errors()]
                raise _refused([FieldError(place, problem) for problem in problems]) from None
            for event in events:
                drafted = draft(event, author, self.vault, self.now, self.ahead)
                if isinstance(drafted, ItemResult):
                    raise _refused(
                        [
                            FieldError(f"{place}: {e.field}", e.problem, e.fix)
                            for e in drafted.errors
                        ]
                    )
            made += events
        return made

    def _of(self, statement: dict[str, Any], taken_at: datetime) -> Iterator[EdgeEvent]:
        provider_id = self.principal.organization_id
        return events_of(statement, self.version, provider_id, taken_at, self._keyed)

    def _keyed(self, text: str) -> str:
        return self.vault.blind_index("xapi-enrolment", text).hex()[:32]


async def _must_be_covered(
    writer: Writer, names: Collection[str], principal: Principal, at: datetime
) -> None:
    """All or none here, too. Raises Problem 403."""
    if refused := await writer.agreements.refusals(principal, names, at):
        detail = "Nothing of this request was taken: no sharing agreement covers it."
        raise Problem(403, "no-agreement", detail, errors=list(refused.values()))


async def _write(
    writer: Writer, events: Sequence[EdgeEvent], principal: Principal, at: datetime
) -> None:
    for start in range(0, len(events), _MOST_EVENTS):
        batch = events[start : start + _MOST_EVENTS]
        for event, result in zip(batch, await writer.write(batch, principal, at), strict=True):
            if result.status in (Status.ACCEPTED, Status.DUPLICATE):
                continue
            if result.status is Status.CONFLICT:
                raise _conflict(str(event.source_event_id))
            raise _refused(result.errors)


def _conflict(statement_id: str) -> Problem:
    detail = f"The statement {statement_id} was sent before with other content."
    errors = [FieldError("id", "is taken", "Give a new statement a new id.")]
    return Problem(409, "statement-conflict", detail, errors=errors)
