"""PostgreSQL's advisory locks that the hub takes, each with a number of its own.

They all share one number space of the database, whatever they are about: two parts with one number
would keep each other waiting.
"""

from __future__ import annotations

from enum import IntEnum, unique


@unique
class Lock(IntEnum):
    """What is done by one process at a time."""

    APPLY_SQL = 7_402_266
    MAKE_VAULT = 7_402_267
    ANNOUNCE = 7_402_268
    RUN_MOVES = 7_402_269
    RESTORE_REVOCATIONS = 7_402_270
    RESTORE_AGREEMENTS = 7_402_271
    BEGIN_MOVE = 7_402_272
    ROTATE_MASTER_KEY = 7_402_273
    ASK_CONTACT = 7_402_274
    # With the hash of a schema's name as its second key: batches share it, a replay holds it alone.
    WRITE_READ_MODEL = 7_402_275
    REBUILD = 7_402_276
    NUMBER_RELEASE = 7_402_277
