"""Aggregates for agencies: fixed tables, immutable releases, small numbers held back."""
