"""Compressed request bodies, bounded by what they inflate to."""

from __future__ import annotations

import zlib

import zstandard

from services.common.errors import Problem

ENCODINGS = ("gzip", "zstd")
_GZIP = 16 + zlib.MAX_WBITS
# RFC 9659 has every sender keep to this. A window is memory that is taken at once.
_WINDOW_BYTES = 8 * 1024 * 1024


def inflated(body: bytes, encoding: str, most: int) -> bytes:
    """The body as it was before `Content-Encoding`; `most` is in bytes.

    Raises Problem 415 for an encoding other than gzip and zstd, 413 over `most`, 400 for a body
    that is not what its header says.
    """
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return body
    if name not in ENCODINGS:
        detail = f"Send the body as it is, or with Content-Encoding {' or '.join(ENCODINGS)}."
        headers = {"Accept-Encoding": ", ".join(ENCODINGS)}
        raise Problem(415, "unsupported-encoding", detail, headers=headers)
    try:
        return _gunzipped(body, most) if name == "gzip" else _unzstd(body, most)
    except (zlib.error, zstandard.ZstdError) as error:
        detail = f"The body is not whole {name} of at most {most:,} bytes: {str(error)[:100]}."
        raise Problem(400, "not-decodable", detail) from None


def _gunzipped(body: bytes, most: int) -> bytes:
    reader = zlib.decompressobj(_GZIP)
    plain = reader.decompress(body, most + 1)
    if len(plain) > most:
        raise _too_large(most)
    if not reader.eof or reader.unused_data:
        raise zlib.error("it ends too early, or goes on after its end")
    return plain


def _unzstd(body: bytes, most: int) -> bytes:
    # A size that the frame itself tells would be taken at its word.
    if zstandard.frame_content_size(body) > most:
        raise _too_large(most)
    decompressor = zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES)
    return decompressor.decompress(body, max_output_size=most, allow_extra_data=False)


def _too_large(most: int) -> Problem:
    detail = f"The body inflates to over {most:,} bytes. Send it in smaller parts."
    return Problem(413, "too-large", detail)
