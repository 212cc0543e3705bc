"""Other systems' Kafka topics, read and written on as events."""
