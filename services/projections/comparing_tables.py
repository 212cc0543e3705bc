"""What two sets of tables have in common, as PostgreSQL itself describes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from services.common.postgres import Pool

# What says how far tables are, and what a single set of them went through.
BOOKKEEPING: Final = frozenset({"stream_position", "declaration", "verified", "parked", "left_out"})

_COLUMNS = """
SELECT c.relname AS name, a.attname AS column, format_type(a.atttypid, a.atttypmod) AS type,
    coalesce(array_position(i.indkey::int[], a.attnum::int), -1) AS key_at
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
WHERE n.nspname = $1 AND c.relkind = 'r' ORDER BY c.relname, a.attnum
"""


@dataclass(frozen=True, slots=True)
class SharedTable:
    """What both sides have of a table."""

    name: str
    keys: tuple[str, ...]
    values: tuple[str, ...]
    unlike: tuple[str, ...] = ()

    @property
    def owner(self) -> str:
        return self.keys[0]


async def shared_tables(
    pool: Pool, left: str, right: str
) -> tuple[list[SharedTable], tuple[str, ...], tuple[str, ...]]:
    """The tables that both have, and the names of those that one has alone."""
    sides = [await _described(pool, schema) for schema in (left, right)]
    names = [set(side) - BOOKKEEPING for side in sides]
    tables = []
    for name in sorted(names[0] & names[1]):
        a, b = (side[name] for side in sides)
        same = {c: at for c, (kind, at) in a.items() if b.get(c) == (kind, at)}
        keys = tuple(c for c, at in sorted(same.items(), key=lambda item: item[1]) if at >= 0)
        if not keys or len(keys) != max(sum(at >= 0 for _, at in s.values()) for s in (a, b)):
            tables.append(SharedTable(name, (), (), tuple(sorted(a.keys() | b.keys()))))
            continue
        values = tuple(c for c, at in same.items() if at < 0)
        tables.append(
            SharedTable(name, keys, values, tuple(sorted((a.keys() | b.keys()) - same.keys())))
        )
    return tables, tuple(sorted(names[0] - names[1])), tuple(sorted(names[1] - names[0]))


async def _described(pool: Pool, schema: str) -> dict[str, dict[str, tuple[str, int]]]:
    found: dict[str, dict[str, tuple[str, int]]] = {}
    for row in await pool.fetch(_COLUMNS, schema):
        found.setdefault(row["name"], {})[row["column"]] = row["type"], row["key_at"]
    return found
