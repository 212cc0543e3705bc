"""Builds every read-model table from the log, in columns, exactly once."""
