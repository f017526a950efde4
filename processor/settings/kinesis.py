"""How calls of Kinesis are made, and made again."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from processor.settings.group import INT32_MAX, MEMORY_MAX, MIB, PREFIX, Group


class KinesisSettings(Group):
    """How records are packed, sent and sent again."""

    model_config = SettingsConfigDict(env_prefix=PREFIX + "KINESIS_")

    form: Literal["auto", "cbor", "json"] = Field(
        "auto",
        description="How calls are written: `cbor`, as by AWS' client for Java, has a quarter fewer bytes than `json`; `auto` is "
        "CBOR where an endpoint of AWS' own answers in it, else JSON.",
    )
    linger_ms: float = Field(
        5.0,
        allow_inf_nan=False,
        ge=0,
        le=60_000,
        description="How long a record may wait for its call to fill; 0 sends at once.",
    )
    busy_linger_ms: float = Field(
        100.0,
        allow_inf_nan=False,
        ge=0,
        le=60_000,
        description="The same while a partition lags by some hundred events; the longer of both counts then.",
    )
    max_records_per_request: int = Field(500, ge=1, le=500, description="Records in one PutRecords call.")
    max_request_bytes: int = Field(
        9 * MIB,
        ge=1024,
        le=10 * MIB - 64 * 1024,
        description="Data and partition keys in one PutRecords call.",
    )
    max_requests_in_flight: int = Field(
        32,
        ge=1,
        le=256,
        description="PutRecords calls at the same time, at most; latency decides how many there are.",
    )
    max_in_flight_bytes: int = Field(
        32 * MIB,
        ge=MIB,
        le=MEMORY_MAX,
        description="No call begins while calls with as much are on their way.",
    )
    buffer_bytes: int = Field(
        64 * MIB,
        ge=MIB,
        le=MEMORY_MAX,
        description="All exports that wait or are on their way, retries included.",
    )
    shard_buffer_bytes: int = Field(
        8 * MIB,
        ge=64 * 1024,
        le=MEMORY_MAX,
        description="What one shard may hold of that; where it takes nothing, the others go on until then.",
    )
    connect_timeout_ms: int = Field(5_000, ge=100, le=INT32_MAX, description="How long connecting may take.")
    request_timeout_ms: int = Field(
        15_000,
        ge=100,
        le=INT32_MAX,
        description="How long a call may take; what it stored by then is unknown.",
    )
    retry_base_ms: int = Field(
        50, ge=1, le=INT32_MAX, description="The first back-off of a failed record; it doubles from there."
    )
    retry_max_ms: int = Field(
        3_000, ge=1, le=INT32_MAX, description="The longest back-off while waiting helps."
    )
    slow_retry_ms: int = Field(
        4_000,
        ge=100,
        le=INT32_MAX,
        description="The back-off while something must be mended first: permission, stream, key.",
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.retry_base_ms > self.retry_max_ms:
            raise ValueError("retry_base_ms must be at most retry_max_ms")
        return self
