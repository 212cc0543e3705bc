"""All SQL of the SCIM service provider."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from services.common.postgres import Connection, Pool

_COLUMNS = "id, worker_id, sealed, version, created, modified"
_OF = "FROM vault.scim_user WHERE organization_id = $1"
_ONE = f"SELECT {_COLUMNS} {_OF} AND id = $2"
_PAGE = f"SELECT {_COLUMNS} {_OF} ORDER BY created, id LIMIT $2 OFFSET $3"
_COUNT = f"SELECT count(*) {_OF}"
_BY_INDEX = {
    name: f"SELECT {_COLUMNS} {_OF} AND {name}_index = $2" for name in ("user_name", "external_id")
}
_ADD = """
INSERT INTO vault.scim_user (organization_id, id, worker_id, user_name_index, external_id_index,
    sealed, version, created, modified) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)
"""
_CHANGE = """
UPDATE vault.scim_user SET user_name_index = $3, external_id_index = $4, sealed = $5, version = $6,
    modified = $7 WHERE organization_id = $1 AND id = $2
"""
_REMOVE = "DELETE FROM vault.scim_user WHERE organization_id = $1 AND id = $2"
_TELL = """
INSERT INTO vault.scim_event (organization_id, id, worker_id, sealed) VALUES ($1, $2, $3, $4)
"""
_UNTOLD = """
SELECT number, worker_id, sealed FROM vault.scim_event
WHERE organization_id = $1 AND id = $2 AND refused IS NULL ORDER BY number
"""
_WAITING = """
SELECT DISTINCT organization_id, id FROM vault.scim_event
WHERE refused IS NULL AND written_at < now() - $1::interval LIMIT 1000
"""
_TOLD = "DELETE FROM vault.scim_event WHERE organization_id = $1 AND id = $2 AND number = $3"
_REFUSED = """
UPDATE vault.scim_event SET refused = $4 WHERE organization_id = $1 AND id = $2 AND number = $3
"""


@dataclass(frozen=True, slots=True)
class Row:
    """A user, sealed."""

    id: UUID
    worker_id: UUID
    sealed: bytes
    version: int
    created: datetime
    modified: datetime


@dataclass(frozen=True, slots=True)
class Names:
    """Keyed hashes of the names by which a user is found."""

    user_name: bytes
    external_id: bytes | None


@dataclass(frozen=True, slots=True)
class Untold:
    number: int
    worker_id: UUID
    sealed: bytes


class Taken(Exception):
    """Another user of the organisation has one of these names."""


def _row(row: asyncpg.Record) -> Row:
    return Row(**dict(row))


class ScimStore:
    """The users of one organisation."""

    def __init__(self, pool: Pool, organization_id: str) -> None:
        self._pool = pool
        self._of = organization_id

    async def one(self, scim_id: UUID) -> Row | None:
        row = await self._pool.fetchrow(_ONE, self._of, scim_id)
        return None if row is None else _row(row)

    async def page(self, limit: int | None, offset: int) -> list[Row]:
        """In the order in which they were made; without a limit, all of them."""
        return [_row(r) for r in await self._pool.fetch(_PAGE, self._of, limit, offset)]

    async def count(self) -> int:
        return int(await self._pool.fetchval(_COUNT, self._of))

    async def named(self, name: str, index: bytes) -> list[Row]:
        """name: user_name or external_id."""
        return [_row(r) for r in await self._pool.fetch(_BY_INDEX[name], self._of, index)]

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[ScimTransaction]:
        async with self._pool.acquire() as connection, connection.transaction():
            yield ScimTransaction(connection, self._of)

    async def untold(self, scim_id: UUID) -> list[Untold]:
        rows = await self._pool.fetch(_UNTOLD, self._of, scim_id)
        return [Untold(**dict(row)) for row in rows]

    async def told(self, scim_id: UUID, number: int) -> None:
        await self._pool.execute(_TOLD, self._of, scim_id, number)

    async def refused(self, scim_id: UUID, number: int, why: str) -> None:
        await self._pool.execute(_REFUSED, self._of, scim_id, number, why)


async def waiting(pool: Pool, since: object) -> list[tuple[str, UUID]]:
    """Users with events that are not on the log although they were written a while ago."""
    rows = await pool.fetch(_WAITING, since)
    return [(row["organization_id"], row["id"]) for row in rows]


class ScimTransaction:
    """A change of one user and what it means, together or not at all."""

    def __init__(self, connection: Connection, organization_id: str) -> None:
        self._db = connection
        self._of = organization_id

    async def locked(self, scim_id: UUID) -> Row | None:
        row = await self._db.fetchrow(_ONE + " FOR UPDATE", self._of, scim_id)
        return None if row is None else _row(row)

    async def add(self, row: Row, names: Names) -> None:
        """Raises Taken."""
        values = (names.user_name, names.external_id, row.sealed, row.version, row.created)
        try:
            await self._db.execute(_ADD, self._of, row.id, row.worker_id, *values)
        except asyncpg.UniqueViolationError:
            raise Taken from None

    async def change(self, row: Row, names: Names) -> None:
        """Raises Taken."""
        values = (names.user_name, names.external_id, row.sealed, row.version, row.modified)
        try:
            await self._db.execute(_CHANGE, self._of, row.id, *values)
        except asyncpg.UniqueViolationError:
            raise Taken from None

    async def remove(self, scim_id: UUID) -> None:
        await self._db.execute(_REMOVE, self._of, scim_id)

    async def tell(self, row: Row, sealed: Sequence[bytes]) -> None:
        """Leave events for the log."""
        for value in sealed:
            await self._db.execute(_TELL, self._of, row.id, row.worker_id, value)
