"""Backfills: whether they begin by themselves, and how much of a worker they take."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_settings import SettingsConfigDict

from processor.settings.group import INT32_MAX, PREFIX, Group
from processor.settings.topic_names import topic_name


class BackfillSettings(Group):
    """Backfills: every profile's latest event looked at again, after a change of what the destination may see."""

    model_config = SettingsConfigDict(env_prefix=PREFIX)

    backfill: Literal["auto", "off"] = Field(
        "auto",
        description="`auto` begins a backfill wherever a change of the files makes one due; `off` only says that it is due, and "
        "`processor backfill` begins it.",
    )
    backfill_max_events_per_s: int = Field(
        0,
        ge=0,
        le=INT32_MAX,
        description="Events that a worker's backfills look at again, a second, at most; 0: as many as live events leave room for.",
    )
    backfill_topic: Annotated[str, AfterValidator(topic_name)] = Field(
        "",
        description="The small compacted topic by which `processor backfill` reaches the workers, of this group and topic alone; "
        "`<group>-<topic>-backfill` where unset, or, where Kafka takes no such name, `<changelog>-backfill`.",
    )
