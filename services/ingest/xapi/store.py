"""All SQL of the statement resource."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from services.common.postgres import Pool


class StatementConflict(Exception):
    """A statement id is known with other content."""

    def __init__(self, statement_id: UUID) -> None:
        super().__init__(str(statement_id))
        self.statement_id = statement_id


class StatementStore:
    """Which statements were taken, when, and a hash of what they said."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def reserve(
        self, organization_id: str, contents: Mapping[UUID, bytes], at: datetime
    ) -> dict[UUID, datetime]:
        """Note them all or none. Answers when each was first taken. Raises StatementConflict."""
        ids = sorted(contents)  # in one order, so that two requests never wait for each other
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(
                "INSERT INTO ingest_work.xapi_statement"
                " SELECT $1, s.id, s.content, $4 FROM unnest($2::uuid[], $3::bytea[])"
                " AS s(id, content) ON CONFLICT DO NOTHING",
                organization_id,
                ids,
                [contents[i] for i in ids],
                at,
            )
            rows = await connection.fetch(
                "SELECT statement_id, content, taken_at FROM ingest_work.xapi_statement"
                " WHERE organization_id = $1 AND statement_id = ANY($2::uuid[])",
                organization_id,
                ids,
            )
            for row in rows:
                if row["content"] != contents[row["statement_id"]]:
                    raise StatementConflict(row["statement_id"])
        return {row["statement_id"]: row["taken_at"] for row in rows}
