"""What a declaration asks of the database is there, as PostgreSQL itself says."""

from __future__ import annotations

import pytest

from services.common.postgres import Pool
from services.projections.declaration import Projection
from services.projections.projections import PROJECTIONS

INDEXED = [projection for projection in PROJECTIONS if projection.indexes]
# The columns of each index of a table, in order.
INDEXES = """
SELECT array_agg(a.attname::text ORDER BY k.at) AS columns, i.indisvalid AS is_valid
FROM pg_index i CROSS JOIN unnest(i.indkey::int[]) WITH ORDINALITY AS k (attnum, at)
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
WHERE i.indrelid = $1::regclass GROUP BY i.indexrelid, i.indisvalid
"""


@pytest.mark.parametrize("projection", INDEXED, ids=lambda projection: projection.table)
async def test_an_index_that_is_declared_is_in_the_database(
    pool: Pool, projection: type[Projection]
) -> None:
    rows = await pool.fetch(INDEXES, f"read.{projection.table}")
    found = {tuple(row["columns"]) for row in rows if row["is_valid"]}
    assert set(projection.indexes) <= found


def test_some_declarations_ask_for_an_index() -> None:
    assert INDEXED
