"""The shared library: events, consent, errors, Kafka, PostgreSQL."""
