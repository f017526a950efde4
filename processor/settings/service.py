"""The process and its surroundings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from processor.settings.group import INT32_MAX, MEMORY_MAX, MIB, PREFIX, Group
from processor.settings.servers import listening_host

_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]*=*")


class ServiceSettings(Group):
    """The process: memory, shutdown, health, logs."""

    model_config = SettingsConfigDict(env_prefix=PREFIX)

    workers: int = Field(
        0, ge=0, le=1024, description="Worker processes, each a member of the group; 0: the CPUs allowed."
    )
    in_flight_bytes: int = Field(
        32 * MIB,
        ge=MIB,
        le=MEMORY_MAX,
        description="What a worker's events may hold, of all its partitions, unpacked and not yet acknowledged; "
        "one batch of Kafka's may come on top.",
    )
    shutdown_timeout_ms: int = Field(
        25_000,
        ge=100,
        le=INT32_MAX,
        description="How long SIGTERM waits for what is in flight; below the grace period.",
    )
    dead_letter_limit_count: int = Field(
        1_000,
        ge=0,
        le=INT32_MAX,
        description="More dead letters of a worker than this, if they are the share too, and no more are written; 0: no limit.",
    )
    dead_letter_limit_share: float = Field(
        0.5,
        allow_inf_nan=False,
        ge=0,
        le=1,
        description="Their share of the events that were processed last: of as many as the count is this share of.",
    )
    dead_letter_limit_window_ms: int = Field(
        300_000, ge=1_000, le=INT32_MAX, description="Events that were processed longer ago do not count."
    )
    dead_letter_limit_run: int = Field(
        1_000,
        ge=0,
        le=INT32_MAX,
        description="So many dead letters in a row, of one partition, and no more are written either; 0: any number.",
    )
    stall_timeout_ms: int = Field(
        120_000,
        ge=2_000,
        le=INT32_MAX,
        description="A worker that has work and makes no progress for so long, while both ends answer, is ended.",
    )
    http_host: Annotated[str, AfterValidator(listening_host)] = Field(
        "127.0.0.1", min_length=1, description="Where health, metrics and the status page are served."
    )
    http_port: int = Field(
        8080,
        ge=0,
        le=65_535,
        description="Their port; one answers for all workers. 0 takes any free one.",
    )
    http_user: str | None = Field(
        None,
        min_length=1,
        description="Who may look at the page and the metrics, with PROCESSOR_HTTP_PASSWORD (HTTP Basic); everybody where unset, "
        "and where there is no token. `/livez` and `/readyz` are open.",
    )
    http_password: SecretStr | None = Field(None, description="That user's password.")
    http_token: SecretStr | None = Field(
        None,
        description="A token that lets its bearer look, beside the password or in its place (`Authorization: Bearer`).",
    )
    http_tls_cert_file: Path | None = Field(
        None,
        description="PEM file of the port's certificate, with those between it and its authority: then it serves HTTPS alone. "
        "The two files are read anew when they change.",
    )
    http_tls_key_file: Path | None = Field(None, description="PEM file of that certificate's key.")
    http_tls_key_password: SecretStr | None = Field(None, description="The password of that key.")
    traces: Literal["off", "otlp"] = Field(
        "off", description="`otlp` sends a span a batch to where OTEL_* say; needs the extra `otel`."
    )
    core: Literal["compiled", "plain"] = Field(
        "compiled",
        description="`plain` leaves the compiled core unused, where the build has one, to rule it out when something seems wrong "
        "with it: all works as well, slower.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least that is logged."
    )
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="`auto` is readable in a terminal and JSON elsewhere."
    )
    log_interval_ms: int = Field(
        10_000, ge=100, le=INT32_MAX, description="How often the line of figures is logged."
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if (self.http_user is None) != (self.http_password is None):
            raise ValueError("http_user and http_password go together")
        if (self.http_tls_cert_file is None) != (self.http_tls_key_file is None):
            raise ValueError("http_tls_cert_file and http_tls_key_file go together")
        if ":" in (self.http_user or ""):
            raise ValueError("http_user has a colon, which HTTP Basic puts behind the user's name")
        token = "" if self.http_token is None else self.http_token.get_secret_value()
        if not _TOKEN.fullmatch(token):
            raise ValueError(
                "http_token has a character that no header's token has (RFC 6750: letters, digits, -._~+/=)"
            )
        return self
