"""Encoded rows that are put together are those of one frame."""

from __future__ import annotations

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from services.projections.copying import encode, together

ROW = st.tuples(
    st.binary(min_size=16, max_size=16),
    st.none() | st.text(max_size=5),
    st.none() | st.integers(-(2**63), 2**63 - 1),
)


@given(st.lists(st.lists(ROW, max_size=4), min_size=1, max_size=4))
def test_parts_are_one_whole(parts: list[list[tuple[bytes, str | None, int | None]]]) -> None:
    frames = [
        pl.DataFrame(rows, {"id": pl.Binary, "name": pl.String, "count": pl.Int64}, orient="row")
        for rows in parts
    ]

    assert together([encode(frame) for frame in frames]) == encode(pl.concat(frames))
