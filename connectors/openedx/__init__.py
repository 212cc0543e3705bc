"""Events of Open edX's Kafka event bus, taken in."""
