"""The read model made again from the log, beside the tables in use, while everything runs.

`read_next` is being made, or `read_old` is kept after the switch; never both.
"""
