"""What a rebuild would take, before anything is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from services.common.postgres import Pool
from services.projections.projections import PROJECTIONS
from services.projections.rebuild import work
from services.projections.rebuild.work import Schemas
from services.projections.sql import fingerprint

# On two cores shared with Kafka and PostgreSQL, and with the workers in use.
ASSUMED_PER_S = 10_000
_SIZE = """
SELECT count(*) FILTER (WHERE c.relkind = 'r') AS tables,
    coalesce(sum(pg_total_relation_size(c.oid)) FILTER (WHERE c.relkind = 'r'), 0)::bigint AS bytes
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1
"""
_PASSED = "SELECT coalesce(sum(next_offset), 0)::bigint FROM {schema}.stream_position"


@dataclass(frozen=True, slots=True)
class Planned:
    """Sizes as they are in use now; `against` says why it could not begin."""

    tables: int
    records: int
    size_bytes: int
    records_per_s: int
    is_changed: bool
    against: Sequence[str]

    @property
    def seconds(self) -> float:
        return self.records / self.records_per_s

    def as_dict(self) -> dict[str, object]:
        return asdict(self) | {"seconds": round(self.seconds, 1)}


async def plan(pool: Pool, live: str, rate: int | None) -> Planned:
    """Look at the tables in use. rate: records a second at most."""
    schemas = Schemas(live)
    mine, in_use = fingerprint(PROJECTIONS), await work.made_from(pool, live)
    against = []
    if in_use is None:
        return Planned(0, 0, 0, rate or ASSUMED_PER_S, True, ["there is no read model yet"])
    if await work.made_from(pool, schemas.old) is not None:
        against.append(f"{schemas.old} is kept; `throughline rebuild drop` removes it")
    if await work.made_from(pool, schemas.next) not in (None, mine):
        against.append(f"{schemas.next} was begun by another release; drop it first")
    size = await pool.fetchrow(_SIZE, live)
    assert size is not None
    passed = await pool.fetchval(_PASSED.format(schema=live))
    speed = min(rate or ASSUMED_PER_S, ASSUMED_PER_S)
    return Planned(size["tables"], passed, size["bytes"], speed, in_use != mine, against)
