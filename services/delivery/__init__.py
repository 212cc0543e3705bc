"""Consent match, outbox, and the dispatcher that sends it through connectors."""
