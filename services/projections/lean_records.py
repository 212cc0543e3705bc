"""Records of a consumer that hold nothing but what is read of them.

aiokafka makes an object of eleven fields of each record, through four calls in Python, which took
as long as decoding it. It has no setting for that, so the class that does it is replaced, for the
consumers that ask for it with `value_deserializer=as_it_is`; such a one's deserializer of keys is
not asked. A test compares the records with those of an ordinary consumer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from aiokafka import TopicPartition
from aiokafka.consumer import fetcher

from services.projections.columns import LeanRecord


def as_it_is(value: bytes | None) -> bytes | None:
    """Name it as `value_deserializer` to be given `LeanRecord`s."""
    return value


class _LeanRecords(fetcher.PartitionRecords):  # type: ignore[misc]
    def __iter__(self) -> Iterator[LeanRecord]:
        return self._records_iterator  # type: ignore[no-any-return]

    def _consumer_record(self, tp: TopicPartition, record: Any) -> LeanRecord:
        # As the class does it, but for a call of Python's.
        return _tuple(LeanRecord, (record.key, record.value, record.offset, record.headers))


_tuple = tuple.__new__
_ORDINARY = fetcher.PartitionRecords


def _records_of(*given: Any, **named: Any) -> Any:
    """What aiokafka calls as `PartitionRecords`, for each fetch of a partition."""
    is_lean = as_it_is in (*given, *named.values())
    return (_LeanRecords if is_lean else _ORDINARY)(*given, **named)


fetcher.PartitionRecords = _records_of
