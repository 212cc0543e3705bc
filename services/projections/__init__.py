"""Builds every read-model table from the log, in columns, exactly once."""

import os

# Before polars is imported, which reads it then; for all that works with these tables. A batch is
# shared out among threads for little: with one, a worker takes an eighth less of the processor, and
# more workers share the partitions.
os.environ.setdefault("POLARS_MAX_THREADS", "1")
