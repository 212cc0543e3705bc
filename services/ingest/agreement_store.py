"""SQL of signing: versions of agreements, kept before their events are on the log."""

from __future__ import annotations

from dataclasses import fields

import asyncpg

from services.common.agreements_on_file import KEEP, columns, newest_rows
from services.common.codec import decode
from services.common.emit import Event
from services.common.postgres import Pool
from services.ingest.agreement_order import Version

_VERSIONS = """
SELECT * FROM ingest_work.agreement WHERE agreement_id = $1 ORDER BY version DESC LIMIT 1000
"""
_PUBLISHED = """
UPDATE ingest_work.agreement SET position = $3 WHERE agreement_id = $1 AND version = $2
"""
_IS_ORGANIZATION = """
SELECT EXISTS (SELECT FROM vault.access_key WHERE subject = $1 AND role <> 'worker')
"""


class AgreementStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def is_organization(self, organization_id: str) -> bool:
        return bool(await self._pool.fetchval(_IS_ORGANIZATION, organization_id))

    async def versions(self, agreement_id: str) -> list[Version]:
        """The newest first, one that is not on the log yet included."""
        return [_version(row) for row in await self._pool.fetch(_VERSIONS, agreement_id)]

    async def newest(self, organization_id: str | None, limit: int) -> list[Version]:
        """Agreements in force or not, of one organisation or of all; the latest signed first."""
        return [_version(row) for row in await newest_rows(self._pool, organization_id, limit)]

    async def reserve(self, wanted: Version, event: Event) -> tuple[Version, bytes, str | None]:
        """What stands under this version now: it, its event, and the position once on the log."""
        row = await self._pool.fetchrow(KEEP, *columns(decode(event.value), event.value, None))
        assert row is not None, "inserted or found"
        return _version(row), row["event"], row["position"]

    async def published(self, version: Version, position: str) -> None:
        await self._pool.execute(_PUBLISHED, version.agreement_id, version.version, position)


def _version(row: asyncpg.Record) -> Version:
    values = {field.name: row[field.name] for field in fields(Version)}
    lists = {name: tuple(row[name]) for name in ("sends", "receives", "purposes")}
    return Version(**values | lists)
