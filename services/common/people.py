"""Who is meant: an organisation names a person by its own number, or by an id it was answered."""

from __future__ import annotations

from uuid import UUID

from services.common.errors import not_found
from services.common.postgres import Pool
from services.common.vault import Vault

# As ingest has it: an id that was merged stands for the one that the story goes on under, and said
# by the organisation whose record it was first made for, for whoever has that record by now. Who
# was registered by another writer is known once it was read.
_BY_ID = """
SELECT coalesce(
    (SELECT coalesce(s.worker_id, w.merged_into, w.worker_id) FROM vault.worker w
     LEFT JOIN vault.source_record s ON s.source = $1 AND s.first_worker_id = w.worker_id
     WHERE w.worker_id = $2),
    (SELECT worker_id FROM read.worker WHERE worker_id = $2))
"""
_BY_NUMBER = "SELECT worker_id FROM vault.source_record WHERE source = $1 AND record_index = $2"


async def person_meant(
    pool: Pool,
    vault: Vault,
    organization_id: str,
    *,
    worker_id: UUID | None = None,
    number: str | None = None,
) -> UUID:
    """The id of now of whom an organisation means by an id or else by its number.

    Raises Problem 404 when that is nobody.
    """
    if number is not None:
        index = vault.blind_index(organization_id, number)
        found: UUID | None = await pool.fetchval(_BY_NUMBER, organization_id, index)
    else:
        found = await pool.fetchval(_BY_ID, organization_id, worker_id)
    if found is None:
        raise not_found("worker")
    return found
