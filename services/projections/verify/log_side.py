"""The log's side: every record up to the stored positions, hashed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set

from aiokafka import ConsumerRecord

from services.common.postgres import Connection
from services.common.replay import records_between
from services.common.settings import Settings
from services.projections.counting import ERASED, STRAY, Place, record_hash
from services.projections.declaration import STORIES
from services.projections.events import stream_of
from services.projections.intake import is_stray
from services.projections.verify.buckets import Buckets
from services.projections.verify.differences import Findings, Wrong

_CLAIMS = """
SELECT log_offset, why FROM {schema}.left_out
WHERE topic = $1 AND partition = $2 AND log_offset BETWEEN $3 AND $4 AND why IN ('erased', 'stray')
"""
_ERASED = "SELECT DISTINCT worker_id FROM {schema}.erased WHERE worker_id = ANY ($1)"


class LogSide:
    """Reads the log once, and checks what is said of records that are kept nowhere."""

    def __init__(self, settings: Settings, connection: Connection, schema: str) -> None:
        self._settings = settings
        self._connection = connection
        self._schema = schema
        self.findings = Findings()

    async def read(
        self,
        spans: Mapping[Place, tuple[int, int]],
        claiming: Set[Place],
        buckets: Buckets,
        told: Callable[[int], None],
    ) -> None:
        """Add every record of these spans (start, end of each partition) to the buckets.

        claiming: partitions with erased or stray records. told: called with how many were read.
        """
        async for place, records in records_between(self._settings, spans):
            offsets = [record.offset for record in records]
            hashes = [record_hash(record.value, record.offset) for record in records]
            buckets.add(place, offsets, hashes)
            if place in claiming:
                await self._check_claims(place, records)
            told(len(records))

    async def _check_claims(self, place: Place, records: Sequence[ConsumerRecord]) -> None:
        """Whether erased records are of somebody who was erased, and strays are strays."""
        first, last = records[0].offset, records[-1].offset
        rows = await self._connection.fetch(
            _CLAIMS.format(schema=self._schema), *place, first, last
        )
        by_offset = {record.offset: record for record in records}
        erased = {}
        for row in rows:
            if (record := by_offset.get(row["log_offset"])) is None:
                continue  # found by its sum
            if row["why"] == ERASED:
                erased[record.offset] = record.key
            elif row["why"] == STRAY and not is_stray(stream_of(place[0]), record):
                detail = "counted as no event of ours, but it is one"
                self.findings.say(place, record.offset, Wrong.STRAY, detail)
        gone = await self._erased(place, erased)
        for offset in sorted(offset for offset, key in erased.items() if key not in gone):
            self.findings.say(
                place, offset, Wrong.ERASED, "left out as erased, but nobody erased it"
            )

    async def _erased(self, place: Place, keys: Mapping[int, bytes]) -> set[bytes]:
        if not keys or stream_of(place[0]) is not STORIES:
            return set()
        workers = [key for key in set(keys.values()) if key and len(key) == 16]
        rows = await self._connection.fetch(_ERASED.format(schema=self._schema), workers)
        return {bytes(row["worker_id"]) for row in rows}
