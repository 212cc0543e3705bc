"""The schema registry: the committed catalogue behind Confluent's read API, and AsyncAPI."""
