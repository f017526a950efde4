"""What the environment must have."""

from __future__ import annotations

NEEDED = {
    "PROCESSOR_KAFKA_SERVERS": "a:9092, b:9092",
    "PROCESSOR_KAFKA_TOPIC": "profiles",
    "PROCESSOR_KAFKA_GROUP": "exports",
}
