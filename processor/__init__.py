"""Profile-change events from Kafka to Amazon Kinesis: diffed, governed, in order, losing nothing."""

__version__ = "0.1.0"
