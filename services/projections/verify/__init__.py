"""Compares what the read model holds with what the log says, whatever the size of either."""
