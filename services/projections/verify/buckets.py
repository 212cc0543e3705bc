"""Counts and sums of hashes by partition and stretch of offsets: what is compared at first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import polars as pl

from services.projections.counting import MODULUS, Place, Tally

LEAST_SIZE: Final = 1024
# A stretch is a few dozen bytes on either side.
MOST_BUCKETS: Final = 65_536


def size_for(positions: Mapping[Place, int]) -> int:
    """How many offsets a stretch has: a power of two, so many that memory stays small."""
    size = LEAST_SIZE
    while sum(-(-position // size) for position in positions.values()) > MOST_BUCKETS:
        size *= 2
    return size


class Buckets:
    """Tallies of records by partition and stretch of `size` offsets."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._found: dict[tuple[Place, int], Tally] = {}

    def add(self, place: Place, offsets: Sequence[int], hashes: Sequence[int]) -> None:
        """Records of one partition. Hashes are 0 to 2^64 - 1."""
        frame = pl.DataFrame(
            {"bucket": offsets, "hash": hashes}, schema={"bucket": pl.Int64, "hash": pl.UInt64}
        ).with_columns(pl.col("bucket") // self.size)
        # Sums of unsigned numbers wrap, which is what modulo 2^64 means.
        summed = frame.group_by("bucket").agg(pl.len(), pl.col("hash").sum())
        for bucket, count, hash_sum in summed.iter_rows():
            key = place, bucket
            self._found[key] = self._found.get(key, Tally()) + Tally(count, hash_sum % MODULUS)

    def differing(self, other: Buckets) -> Iterator[tuple[Place, int]]:
        """Partition and number of each stretch that is not the same on both sides, in order."""
        for key in sorted(self._found.keys() | other._found.keys()):
            if self._found.get(key, Tally()) != other._found.get(key, Tally()):
                yield key
