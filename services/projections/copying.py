"""A frame as PostgreSQL's binary COPY format."""

from __future__ import annotations

import polars as pl
from pgpq import ArrowToPostgresBinaryEncoder


def encode(frame: pl.DataFrame) -> bytes:
    """The rows of a frame for `COPY … FROM STDIN (FORMAT binary)`, columns in frame order.

    Binary columns of 16 bytes go into `uuid` columns as they are: both are sent as raw bytes.
    """
    table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
    encoder = ArrowToPostgresBinaryEncoder(table.schema)
    parts = [encoder.write_header()]
    parts += [encoder.write_batch(batch) for batch in table.to_batches()]
    parts.append(encoder.finish())
    return b"".join(parts)
