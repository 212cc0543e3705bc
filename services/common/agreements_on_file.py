"""Which sharing agreements there are: what the read model has, and the last moments beside it.

`ingest_work.agreement` holds what was signed over HTTP before the read model has it, so that a
signature counts from the answer on. Lost, it is read again from the log.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Annotated, Any

import asyncpg
from fastapi import Depends, Request

from schemas.catalog import event_types
from services.common.access import Principal, caller
from services.common.agreements import (
    BOUND,
    Agreement,
    is_free,
    receiving_refused,
    sending_refused,
)
from services.common.clock import utc_now
from services.common.codec import Decoded, decode
from services.common.errors import DependencyDown, FieldError, Problem
from services.common.kafka import Position
from services.common.locks import Lock
from services.common.log import get_logger
from services.common.postgres import Pool
from services.common.replay import records_of
from services.common.settings import Settings

log = get_logger("agreements")
_COLUMNS = """organization_id, agreement_id, version, other_party, sends, receives, purposes,
    valid_from, valid_until, ended, document_sha256"""
# The newest version of each agreement of these organisations, wherever it is known from.
_OF = f"""
SELECT DISTINCT ON (agreement_id) {_COLUMNS}, signed_at
FROM (
    SELECT {_COLUMNS}, signed_at FROM ingest_work.agreement
    WHERE organization_id = ANY($1) AND position IS NOT NULL
    UNION ALL
    SELECT {_COLUMNS}, signed_at FROM read.sharing_agreement WHERE organization_id = ANY($1)
) AS known
ORDER BY agreement_id, version DESC
"""  # noqa: S608 - the columns are ours
_NEWEST = f"""
SELECT * FROM (
    SELECT DISTINCT ON (agreement_id) * FROM (
        SELECT {_COLUMNS}, signed_at FROM ingest_work.agreement WHERE position IS NOT NULL
        UNION ALL
        SELECT {_COLUMNS}, signed_at FROM read.sharing_agreement
    ) AS known
    WHERE $1::text IS NULL OR organization_id = $1
    ORDER BY agreement_id, version DESC
) AS newest
ORDER BY signed_at DESC, agreement_id LIMIT $2
"""  # noqa: S608 - the columns are ours
KEEP = f"""
INSERT INTO ingest_work.agreement AS a ({_COLUMNS}, signed_at, event, position)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
ON CONFLICT (agreement_id, version) DO UPDATE SET position = coalesce(a.position, excluded.position)
RETURNING {_COLUMNS}, signed_at, event, position
"""  # noqa: S608 - the columns are ours
_RESTORED = "SELECT EXISTS (SELECT FROM ingest_work.agreements_restored WHERE topic = $1)"
_MARK = "INSERT INTO ingest_work.agreements_restored (topic) VALUES ($1) ON CONFLICT DO NOTHING"


async def restore(settings: Settings, pool: Pool) -> int:
    """Read every agreement on the log into `ingest_work.agreement`, once per database.

    Whoever judges by agreements calls this first. Answers how many versions were read; 0 when it
    was done before. Raises KafkaError when the log does not answer.
    """
    topic = settings.topic("directory")
    if await pool.fetchval(_RESTORED, topic):
        return 0
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", Lock.RESTORE_AGREEMENTS)
        if await connection.fetchval(_RESTORED, topic):
            return 0
        found = 0
        async for records in records_of(settings, "directory", "SharingAgreementSigned"):
            rows = [
                columns(decode(r.value), r.value, Position("directory", r.partition, r.offset))
                for r in records
            ]
            await connection.executemany(KEEP, rows)
            found += len(rows)
        await connection.execute(_MARK, topic)
    return found


def columns(event: Decoded, value: bytes, position: Position | None) -> tuple[object, ...]:
    """The arguments of `KEEP`."""
    said = event.fields
    own = ("other_party", "sends", "receives", "purposes", "valid_from", "valid_until")
    return (
        said["organization_id"],
        said["entity_id"],
        said["version"],
        *(said[name] for name in own),
        said["ended"],
        said["document_sha256"],
        said["occurred_at"],
        value,
        None if position is None else str(position),
    )


async def on_file(
    pool: Pool, organization_ids: Collection[str]
) -> Mapping[str, tuple[Agreement, ...]]:
    """The agreements of each organisation in their newest versions, ended ones included.

    Raises DependencyDown when that can't be known now, and whatever PostgreSQL raises when away.
    """
    found: dict[str, list[Agreement]] = defaultdict(list)
    for row in await _rows(pool, _OF, list(organization_ids)):
        found[row["organization_id"]].append(_agreement(row))
    return {wanted: tuple(found[wanted]) for wanted in organization_ids}


async def newest_rows(pool: Pool, organization_id: str | None, limit: int) -> list[Any]:
    """Newest versions with all columns, of one organisation or of all; the latest signed first.

    Raises as `on_file`.
    """
    return await _rows(pool, _NEWEST, organization_id, limit)


async def _rows(pool: Pool, sql: str, *arguments: object) -> list[Any]:
    try:
        return list(await pool.fetch(sql, *arguments))
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError) as error:
        raise DependencyDown("the agreements are not there to read", retry_after_s=2) from error


def _agreement(row: Mapping[str, Any]) -> Agreement:
    return Agreement(
        agreement_id=row["agreement_id"],
        organization_id=row["organization_id"],
        version=row["version"],
        sends=frozenset(row["sends"]),
        receives=frozenset(row["receives"]),
        purposes=frozenset(row["purposes"]),
        valid_from=row["valid_from"],
        valid_until=row["valid_until"],
        ended=row["ended"],
    )


async def check_receiving(
    pool: Pool,
    principal: Principal,
    categories: Iterable[str],
    purposes: Iterable[str],
    *,
    required: bool,
) -> None:
    """Raises Problem 403 when no agreement lets the caller receive these parts for them."""
    if principal.role not in BOUND:
        return
    mine = principal.subject
    if refusal := await why_not_receive(pool, mine, categories, purposes, required=required):
        raise _not_covered(refusal)


async def why_not_receive(
    pool: Pool,
    organization_id: str,
    categories: Iterable[str],
    purposes: Iterable[str],
    *,
    required: bool,
) -> FieldError | None:
    """Why an organisation may not receive these parts for these purposes now, or None."""
    mine = (await on_file(pool, [organization_id]))[organization_id]
    if is_free(mine, required=required):
        return None
    return receiving_refused(organization_id, categories, purposes, mine, at=utc_now())


def may_send(event_type: str) -> Any:
    """FastAPI dependency of a route that writes such an event for its caller.

    Raises Problem 403 when no agreement lets the caller send it.
    """

    async def check(request: Request, who: Annotated[Principal, Depends(caller)]) -> None:
        state = request.app.state
        if who.role not in BOUND:
            return
        mine = (await on_file(state.pool, [who.subject]))[who.subject]
        if is_free(mine, required=state.settings.require_agreement):
            return
        family = event_types()[event_type].family
        if refusal := sending_refused(who.subject, family, event_type, mine, at=utc_now()):
            raise _not_covered(refusal)

    return Depends(check)


def _not_covered(refusal: FieldError) -> Problem:
    detail = "No sharing agreement covers this."
    return Problem(403, "no-agreement", detail, errors=[refusal])
