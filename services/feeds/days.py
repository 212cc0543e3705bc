"""Days of service, taken from the events themselves.

The read model keeps of an enrolment its beginning, its end and the last session, which is enough to
show it and not to find 90 days of silence: weeks of sessions lie between.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import polars as pl
from asyncpg import Record

from schemas import events as e
from services.common.codec import decode_columns

_OF: Final = (
    e.TrainingEnrolled.enrolment_id,
    e.TrainingProgressed.enrolment_id,
    e.AssessmentTaken.enrolment_id,
    e.TrainingCompleted.enrolment_id,
    e.TrainingExited.enrolment_id,
)
# Offers and acknowledgements are no service, and support does not delay an exit
# (RSA-TAC-17-01, footnote 13).
SERVICES: Final = frozenset(field.event for field in _OF)

# A mark carried over from an earlier run is no test of that day; a day nobody knows is none.
_NO_DAY: Final = {"carried_over": True, "day_known": False}
_NONE: Final = pl.DataFrame(
    schema={"worker_id": pl.String, "enrolment_id": pl.String, "served_on": pl.Date}
)


def days_of(rows: Sequence[Record]) -> pl.DataFrame:
    """worker_id (32 hexadecimal digits), enrolment_id and served_on (UTC), each day once.

    rows: schema_id and payload of events of SERVICES. Raises DoesNotDecode, UnknownSchema.
    """
    datums: dict[int, list[bytes]] = defaultdict(list)
    for row in rows:
        datums[row["schema_id"]].append(row["payload"])
    found = [_days(decode_columns(schema_id, mine)) for schema_id, mine in datums.items()]
    return pl.concat([_NONE, *found]).unique()


def _days(events: pl.DataFrame) -> pl.DataFrame:
    no_day = [pl.col(name) == value for name, value in _NO_DAY.items() if name in events.columns]
    return events.filter(~pl.any_horizontal(no_day) if no_day else pl.lit(True)).select(
        pl.col("worker_id").bin.encode("hex"),
        "enrolment_id",
        pl.col("occurred_at").dt.date().alias("served_on"),
    )
