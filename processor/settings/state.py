"""Where state is kept, on disk and in Kafka."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_settings import SettingsConfigDict

from processor.settings.group import INT32_MAX, MEMORY_MAX, MIB, PREFIX, REPLICAS_MAX, Group
from processor.settings.topic_names import topic_name


class StateSettings(Group):
    """What was last exported for each profile: the local stores, and the changelog that they restore from."""

    model_config = SettingsConfigDict(env_prefix=PREFIX + "STATE_")

    directory: Path = Field(
        Path("state"),
        description="Where the local stores are. A cache of the changelog: deleting it costs time, never data.",
    )
    memory_bytes: int = Field(
        256 * MIB,
        ge=16 * MIB,
        le=MEMORY_MAX,
        description="What all stores of a process may hold in memory: hot records, unwritten changes, RocksDB's own.",
    )
    lock_wait_ms: int = Field(
        10_000,
        ge=0,
        le=INT32_MAX,
        description="How long to wait for a store that another process still holds, before a fresh one is made.",
    )
    changelog_topic: Annotated[str, AfterValidator(topic_name)] = Field(
        "",
        description="The compacted topic of the state, of this group and topic alone; `<group>-<topic>-state` where unset. "
        "A group whose name Kafka takes in no topic's name needs one.",
    )
    changelog_replication_factor: int = Field(
        0,
        ge=0,
        le=REPLICAS_MAX,
        description="Replicas of the changelog where it is created; 0: as many as the source has.",
    )
    changelog_min_insync_replicas: int = Field(
        0,
        ge=0,
        le=REPLICAS_MAX,
        description="In-sync replicas that an append needs, where the changelog is created; 0: 2 of 3 or more, else 1.",
    )
    changelog_min_compaction_lag_ms: int = Field(
        86_400_000,
        ge=0,
        le=INT32_MAX,
        description="How long the changelog keeps every record, where it is created; longer than any zombie lives.",
    )
    changelog_delete_retention_ms: int = Field(
        604_800_000,
        ge=0,
        le=INT32_MAX,
        description="How long the changelog keeps deletions, where it is created; a store idle for longer is rebuilt.",
    )
