"""The topic of backfills. Nothing that is exported depends on it: where this user may not create, read or write it, the service goes on without."""

from __future__ import annotations

from typing import Final

from processor.kafka.small_topic import SmallTopic

MESSAGE_BYTES_MAX: Final = 64 * 1024
"""What the topic takes of a batch: nobody fills the workers' memory by it."""
BACKFILL_TOPIC: Final = SmallTopic("backfills", MESSAGE_BYTES_MAX, segment_bytes=4 * 1024 * 1024)
