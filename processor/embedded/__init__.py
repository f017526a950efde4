"""A real Apache Kafka and a Kinesis emulator on this machine, for the demo and the tests; Python is all they need."""

from processor.embedded.kafka import EmbeddedKafka, start_cluster, start_kafka
from processor.embedded.kinesis import EmbeddedKinesis, start_kinesis

__all__ = ["EmbeddedKafka", "EmbeddedKinesis", "start_cluster", "start_kafka", "start_kinesis"]
