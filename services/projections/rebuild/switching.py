"""Puts one set of tables in the place of another, in one transaction.

Who writes waits for an instant; who reads is never refused, and sees one set or the other. All
names of a statement are found either before or after: while any session still reads the tables in
use, the switch takes back its locks and tries again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from services.common.postgres import Connection
from services.projections.rebuild.work import StepRefused

_RELATIONS = """
SELECT format('%I.%I', n.nspname, c.relname) AS name, c.relkind IN ('r', 'p') AS is_table
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v') ORDER BY 1
"""
# How many records, and in which partitions, one set of tables is behind another.
_BEHIND = """
SELECT coalesce(sum(live.next_offset - coalesce(b.next_offset, 0)), 0)::bigint
FROM {live}.stream_position live LEFT JOIN {beside}.stream_position b USING (topic, partition)
WHERE live.next_offset > coalesce(b.next_offset, 0)
"""
_WAKE = """
SELECT pg_notify('positions', topic || ':' || partition || ':' || next_offset)
FROM {schema}.stream_position
"""
_GRANTS = """
WITH relation AS (
    SELECT c.oid, c.relname, c.relacl, c.relowner FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v')
        AND to_regclass(format('%I.%I', $2::text, c.relname)) IS NOT NULL
), granted AS (
    SELECT a.*, format('SCHEMA %I', $2::text) AS what, nspowner AS owner
    FROM pg_namespace, aclexplode(nspacl) a WHERE nspname = $1
    UNION ALL
    SELECT a.*, format('TABLE %I.%I', $2::text, relname), relowner
    FROM relation, aclexplode(relacl) a
)
SELECT format('GRANT %s ON %s TO %s%s', privilege_type, what,
    CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
    CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
FROM granted WHERE grantee <> owner
"""
_USED_ELSEWHERE = """
SELECT DISTINCT format('%I.%I', vn.nspname, v.relname) FROM pg_depend d
JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
JOIN pg_class v ON v.oid = r.ev_class JOIN pg_namespace vn ON vn.oid = v.relnamespace
JOIN pg_class t ON d.refclassid = 'pg_class'::regclass AND t.oid = d.refobjid
JOIN pg_namespace tn ON tn.oid = t.relnamespace
WHERE tn.nspname = $1 AND vn.nspname <> $1 ORDER BY 1 LIMIT 10
"""
_HOLDERS = """
SELECT DISTINCT a.pid, a.application_name, a.state,
    extract(epoch FROM now() - a.xact_start)::int AS for_s
FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_stat_activity a ON a.pid = l.pid
WHERE n.nspname = $1 AND l.granted AND l.pid <> pg_backend_pid() ORDER BY for_s DESC LIMIT 3
"""
# Below PostgreSQL's deadlock_timeout (1 s), so that the one who gives in is never a reader.
_TRY_MS = 100
_LOCK_MS = 5_000
_PAUSE_S = 0.05


@dataclass(frozen=True, slots=True)
class Places:
    """Which schemas change names: `beside` becomes `live`, and `live` becomes `away`."""

    live: str
    beside: str
    away: str


async def behind(connection: Connection, live: str, beside: str) -> int:
    """Records that the tables in use have passed and those beside have not."""
    found: int = await connection.fetchval(_BEHIND.format(live=live, beside=beside))
    return found


async def used_elsewhere(connection: Connection, schema: str) -> Sequence[str]:
    """Views of other schemas that read these tables; they would keep to them after a switch."""
    return [row[0] for row in await connection.fetch(_USED_ELSEWHERE, schema)]


async def swap(connection: Connection, places: Places, *, within_s: float) -> None:
    """Change the names, with grants, when the tables beside have passed all that is read now.

    To be called in a transaction that has read nothing of `live` yet. Raises StepRefused.
    """
    deadline = time.monotonic() + within_s
    found = await connection.fetch(_RELATIONS, places.live)
    await connection.execute(f"SET LOCAL lock_timeout = {_LOCK_MS}")
    try:
        # Ends a vacuum that PostgreSQL began by itself, and keeps the next one away.
        tables = ", ".join(row["name"] for row in found if row["is_table"])
        await connection.execute(f"LOCK TABLE {tables} IN SHARE UPDATE EXCLUSIVE MODE")
        # No position moves from here on; reads go on.
        await _lock_positions(connection, places.live)
        await _until_passed(connection, places, deadline)
        await _lock_positions(connection, places.beside)
    except asyncpg.LockNotAvailableError as error:
        raise StepRefused("busy", await _who_holds(connection, places.live)) from error
    await _lock_out(connection, [row["name"] for row in found], places.live, deadline)
    for row in await connection.fetch(_GRANTS, places.live, places.beside):
        await connection.execute(row[0])
    await connection.execute(f"ALTER SCHEMA {places.live} RENAME TO {places.away}")
    await connection.execute(f"ALTER SCHEMA {places.beside} RENAME TO {places.live}")
    await connection.execute(_WAKE.format(schema=places.live))


async def _lock_positions(connection: Connection, schema: str) -> None:
    await connection.execute(f"LOCK TABLE {schema}.stream_position IN EXCLUSIVE MODE")


async def _until_passed(connection: Connection, places: Places, deadline: float) -> None:
    while left := await behind(connection, places.live, places.beside):
        if time.monotonic() > deadline:
            told = f"the other tables are {left:,} records behind, and do not catch up"
            raise StepRefused("behind", f"{told}; is a builder running?")
        await asyncio.sleep(_PAUSE_S)


async def _lock_out(
    connection: Connection, names: Sequence[str], schema: str, deadline: float
) -> None:
    """Wait for the instant at which no transaction holds any of these tables, and keep it."""
    while True:
        try:
            async with connection.transaction():
                await connection.execute(f"SET LOCAL lock_timeout = {_TRY_MS}")
                await connection.execute(f"LOCK TABLE {', '.join(names)} IN ACCESS EXCLUSIVE MODE")
            return
        except asyncpg.LockNotAvailableError as error:
            if time.monotonic() > deadline:
                raise StepRefused("busy", await _who_holds(connection, schema)) from error
        await asyncio.sleep(_PAUSE_S)


async def _who_holds(connection: Connection, schema: str) -> str:
    """In words, who has used the tables for longest. Works in a failed transaction, too."""
    try:
        rows = await connection.fetch(_HOLDERS, schema)
    except asyncpg.InFailedSQLTransactionError:
        return "other transactions use the tables for too long; try again"
    told = [
        f"{r['application_name'] or 'a program'} (pid {r['pid']}, {r['state']}, {r['for_s']} s)"
        for r in rows
    ]
    return f"other transactions use the tables for too long: {', '.join(told) or 'gone by now'}"
