"""A frame as PostgreSQL's binary COPY format."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
from pgpq import ArrowToPostgresBinaryEncoder

# What stands before and after the rows. Source: PostgreSQL, "COPY", binary format.
_HEADER_BYTES, _TRAILER_BYTES = 19, 2


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


def together(parts: Sequence[bytes]) -> bytes:
    """Encoded rows of one table as one."""
    if len(parts) == 1:
        return parts[0]
    first, *others = parts
    rows = (part[_HEADER_BYTES:-_TRAILER_BYTES] for part in others)
    return b"".join([first[:-_TRAILER_BYTES], *rows, first[-_TRAILER_BYTES:]])
