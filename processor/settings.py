"""Everything about the deployment, from environment variables with the prefix `PROCESSOR_`."""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal, Self, TypeVar

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, NoDecode, SettingsConfigDict

from processor.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX: Final = "PROCESSOR_"
_FILE_SUFFIX: Final = "_FILE"
_MIB: Final = 1024 * 1024


def _split(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


class _Group(BaseSettings):
    """A frozen group of variables. An empty one counts as unset, as compose and Kubernetes write it."""

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True)


_AnyGroup = TypeVar("_AnyGroup", bound=_Group)


class FileSettings(_Group):
    """The two configuration files."""

    model_config = SettingsConfigDict(env_prefix=PREFIX)

    destination_file: Path = Field(Path("destination.yaml"), description="The destination file.")
    governance_file: Path | None = Field(
        None, description="The governance file; without it there are no labels and no policies."
    )


class KafkaSettings(_Group):
    """The source topic, the consumer group, and how to reach Kafka."""

    model_config = SettingsConfigDict(env_prefix=PREFIX + "KAFKA_")

    servers: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)] = Field(
        min_length=1, description="Bootstrap servers, `host:port`, separated by commas."
    )
    topic: str = Field(min_length=1, description="The topic of profile-change events.")
    group: str = Field(
        min_length=1, description="The consumer group that all workers of one destination share."
    )
    client_id: str = Field(
        "processor", min_length=1, description="The name that Kafka's own logs and quotas see."
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="Whether connections are encrypted and users authenticated."
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] = Field(
        "PLAIN",
        description="How users are authenticated where the protocol is a SASL one; OAUTHBEARER is Amazon MSK's IAM.",
    )
    sasl_msk_region: str | None = Field(
        None, description="The AWS region of the MSK cluster, for OAUTHBEARER with AWS's credential chain."
    )
    sasl_user: str | None = Field(None, description="The SASL user.")
    sasl_password: SecretStr | None = Field(None, description="The SASL password.")
    tls_ca_file: Path | None = Field(
        None, description="PEM file of the authorities to trust; the system's where unset."
    )
    tls_cert_file: Path | None = Field(
        None, description="PEM file of the client certificate, for mutual TLS."
    )
    tls_key_file: Path | None = Field(None, description="PEM file of the client certificate's key.")
    tls_key_password: SecretStr | None = Field(None, description="The password of that key.")
    tls_check_hostname: bool = Field(
        True, description="Whether a broker's certificate must bear its host name."
    )
    offset_reset: Literal["earliest", "latest"] = Field(
        "earliest", description="Where a group without committed offsets begins."
    )
    instance_id: str | None = Field(
        None, description="Static membership: a name that outlives a restart, one a process."
    )
    session_timeout_ms: int = Field(
        45_000, ge=1_000, le=1_800_000, description="A member that is silent for longer has left the group."
    )
    heartbeat_interval_ms: int = Field(
        3_000,
        ge=100,
        description="How often a member tells that it is alive; at most a third of the session.",
    )
    rebalance_timeout_ms: int = Field(
        60_000,
        ge=1_000,
        le=1_800_000,
        description="How long a rebalance waits for members to give partitions up.",
    )
    drain_timeout_ms: int = Field(
        25_000,
        ge=100,
        description="How long revoked partitions may drain; below half of the rebalance time-out.",
    )
    request_timeout_ms: int = Field(20_000, ge=1_000, description="How long one request to Kafka may take.")
    metadata_max_age_ms: int = Field(
        60_000, ge=100, description="How often the cluster is asked for new leaders and partitions."
    )
    fetch_max_wait_ms: int = Field(
        100, ge=0, le=60_000, description="How long a broker may hold a fetch that finds nothing."
    )
    fetch_max_bytes: int = Field(50 * _MIB, ge=1024, description="What one fetch may return from one broker.")
    partition_fetch_max_bytes: int = Field(
        _MIB // 4,
        ge=1024,
        description="What one fetch may return from one partition; a larger record still comes.",
    )
    max_poll_records: int = Field(2_000, ge=1, le=100_000, description="How many records are taken at once.")
    commit_interval_ms: int = Field(1_000, ge=10, description="How often acknowledged offsets are committed.")
    dead_letter_topic: str = Field(
        "", description="The topic of events that cannot be exported; `<topic>-dead-letters` where unset."
    )

    @model_validator(mode="before")
    @classmethod
    def _name_dead_letters(cls, data: dict[str, object]) -> dict[str, object]:
        if not data.get("dead_letter_topic") and data.get("topic"):
            return {**data, "dead_letter_topic": f"{data['topic']}-dead-letters"}
        return data

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.heartbeat_interval_ms * 3 > self.session_timeout_ms:
            raise ValueError("heartbeat_interval_ms must be at most a third of session_timeout_ms")
        if self.session_timeout_ms - self.request_timeout_ms < 2 * self.heartbeat_interval_ms:
            raise ValueError(
                "request_timeout_ms must leave two heartbeat_interval_ms of session_timeout_ms: nothing is begun "
                "that could outlive the membership"
            )
        if self.drain_timeout_ms * 2 >= self.rebalance_timeout_ms:
            raise ValueError("drain_timeout_ms must be below half of rebalance_timeout_ms")
        self._check_sasl()
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ValueError("tls_cert_file and tls_key_file go together")
        return self

    def _check_sasl(self) -> None:
        if not self.security_protocol.startswith("SASL"):
            return
        if self.sasl_mechanism == "OAUTHBEARER":
            if self.security_protocol != "SASL_SSL" or not self.sasl_msk_region:
                raise ValueError("OAUTHBEARER needs security_protocol SASL_SSL and sasl_msk_region")
        elif not (self.sasl_user and self.sasl_password):
            raise ValueError(f"{self.security_protocol} needs sasl_user and sasl_password")


class StateSettings(_Group):
    """What was last exported for each profile: the local stores, and the changelog that they restore from."""

    model_config = SettingsConfigDict(env_prefix=PREFIX + "STATE_")

    directory: Path = Field(
        Path("state"),
        description="Where the local stores are. A cache of the changelog: deleting it costs time, never data.",
    )
    memory_bytes: int = Field(
        256 * _MIB,
        ge=16 * _MIB,
        description="What all stores of a process may hold in memory: hot records, unwritten changes, RocksDB's own.",
    )
    lock_wait_ms: int = Field(
        10_000,
        ge=0,
        description="How long to wait for a store that another process still holds, before a fresh one is made.",
    )
    changelog_topic: str = Field(
        "", description="The compacted topic of the state; `<group>-<topic>-state` where unset."
    )
    changelog_replication_factor: int = Field(
        0, ge=0, description="Replicas of the changelog where it is created; 0: as many as the source has."
    )
    changelog_min_insync_replicas: int = Field(
        0,
        ge=0,
        description="In-sync replicas that an append needs, where the changelog is created; 0: 2 of 3 or more, else 1.",
    )
    changelog_min_compaction_lag_ms: int = Field(
        86_400_000,
        ge=0,
        description="How long the changelog keeps every record, where it is created; longer than any zombie lives.",
    )
    changelog_delete_retention_ms: int = Field(
        604_800_000,
        ge=0,
        description="How long the changelog keeps deletions, where it is created; a store idle for longer is rebuilt.",
    )


class KinesisSettings(_Group):
    """How records are packed, sent and sent again."""

    model_config = SettingsConfigDict(env_prefix=PREFIX + "KINESIS_")

    linger_ms: float = Field(
        5.0, ge=0, le=60_000, description="How long a record may wait for company; 0 sends at once."
    )
    busy_linger_ms: float = Field(
        100.0,
        ge=0,
        le=60_000,
        description="The same while a partition lags by some hundred events; the longer of both counts then.",
    )
    max_records_per_request: int = Field(500, ge=1, le=500, description="Records in one PutRecords call.")
    max_request_bytes: int = Field(
        9 * _MIB,
        ge=1024,
        le=10 * _MIB - 64 * 1024,
        description="Data and partition keys in one PutRecords call.",
    )
    max_requests_in_flight: int = Field(
        32,
        ge=1,
        le=256,
        description="PutRecords calls at the same time, at most; latency decides how many there are.",
    )
    max_in_flight_bytes: int = Field(
        32 * _MIB, ge=_MIB, description="No call begins while calls with as much are on their way."
    )
    buffer_bytes: int = Field(
        64 * _MIB, ge=_MIB, description="All exports that wait or are on their way, retries included."
    )
    shard_buffer_bytes: int = Field(
        8 * _MIB,
        ge=64 * 1024,
        description="What one shard may hold of that; where it takes nothing, the others go on until then.",
    )
    connect_timeout_ms: int = Field(5_000, ge=100, description="How long connecting may take.")
    request_timeout_ms: int = Field(
        15_000, ge=100, description="How long a call may take; what it stored by then is unknown."
    )
    retry_base_ms: int = Field(
        50, ge=1, description="The first back-off of a failed record; it doubles from there."
    )
    retry_max_ms: int = Field(3_000, ge=1, description="The longest back-off while waiting helps.")
    slow_retry_ms: int = Field(
        4_000,
        ge=100,
        description="The back-off while something must be mended first: permission, stream, key.",
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.retry_base_ms > self.retry_max_ms:
            raise ValueError("retry_base_ms must be at most retry_max_ms")
        return self


class ServiceSettings(_Group):
    """The process: memory, shutdown, health, logs."""

    model_config = SettingsConfigDict(env_prefix=PREFIX)

    workers: int = Field(
        0, ge=0, le=1024, description="Worker processes, each a member of the group; 0: the CPUs allowed."
    )
    in_flight_bytes: int = Field(
        32 * _MIB, ge=_MIB, description="Events taken from Kafka and not yet acknowledged, per worker."
    )
    shutdown_timeout_ms: int = Field(
        25_000, ge=100, description="How long SIGTERM waits for what is in flight; below the grace period."
    )
    dead_letter_limit_count: int = Field(
        1_000,
        ge=0,
        description="More dead letters of a worker in the window, if they are the share too, and no more are written; 0: no limit.",
    )
    dead_letter_limit_share: float = Field(
        0.5, ge=0, le=1, description="Their share of all events that were processed in the window."
    )
    dead_letter_limit_window_ms: int = Field(300_000, ge=1_000, description="The window.")
    stall_timeout_ms: int = Field(
        120_000,
        ge=2_000,
        description="A worker that has work and makes no progress for so long, while both ends answer, is ended.",
    )
    http_host: str = Field(
        "127.0.0.1", min_length=1, description="Where health, metrics and the status page are served."
    )
    http_port: int = Field(
        8080,
        ge=0,
        le=65_535,
        description="Their port; one answers for all workers. 0 takes any free one.",
    )
    traces: Literal["off", "otlp"] = Field(
        "off", description="`otlp` sends a span a batch to where OTEL_* say; needs the extra `otel`."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least that is logged."
    )
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="`auto` is readable in a terminal and JSON elsewhere."
    )
    log_interval_ms: int = Field(10_000, ge=100, description="How often the line of figures is logged.")


@dataclass(frozen=True, slots=True)
class Settings:
    """All groups."""

    files: FileSettings
    kafka: KafkaSettings
    state: StateSettings
    kinesis: KinesisSettings
    service: ServiceSettings

    @property
    def changelog_topic(self) -> str:
        """The compacted topic of the state."""
        return self.state.changelog_topic or f"{self.kafka.group}-{self.kafka.topic}-state"

    @property
    def fence_s(self) -> float:
        """For how long after the last answered heartbeat something may still be begun."""
        return (self.kafka.session_timeout_ms - self.kafka.request_timeout_ms) / 1000


GROUPS: Final[tuple[type[_Group], ...]] = (
    FileSettings,
    KafkaSettings,
    StateSettings,
    KinesisSettings,
    ServiceSettings,
)
SECRETS: Final = ("PROCESSOR_KAFKA_SASL_PASSWORD", "PROCESSOR_KAFKA_TLS_KEY_PASSWORD")
"""Each may also be given by a file: the variable's name with `_FILE` behind it."""


def variables(group: type[_Group]) -> list[str]:
    """The names of a group's variables."""
    prefix = group.model_config["env_prefix"]
    return [prefix + name.upper() for name in group.model_fields]


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings.

    Raises:
        ConfigurationError: with everything that is wrong with any variable.

    """
    environ = os.environ if environ is None else environ
    problems = _unknown(environ)
    values = _with_secrets_from_files(environ, problems)
    files = _load(FileSettings, values, problems)
    kafka = _load(KafkaSettings, values, problems)
    state = _load(StateSettings, values, problems)
    kinesis = _load(KinesisSettings, values, problems)
    service = _load(ServiceSettings, values, problems)
    if problems or not (files and kafka and state and kinesis and service):
        raise ConfigurationError(problems)
    return Settings(files, kafka, state, kinesis, service)


def load_file_settings(environ: Mapping[str, str] | None = None) -> FileSettings:
    """Only where the two files are, for commands that connect to nothing.

    Raises:
        ConfigurationError: one of the two variables is wrong.

    """
    problems: list[Problem] = []
    loaded = _load(FileSettings, os.environ if environ is None else environ, problems)
    if loaded is None:
        raise ConfigurationError(problems)
    return loaded


def _load(group: type[_AnyGroup], environ: Mapping[str, str], problems: list[Problem]) -> _AnyGroup | None:
    prefix = str(group.model_config["env_prefix"])
    try:
        return group.model_validate(_Environment(group, environ)())
    except ValidationError as error:
        problems.extend(
            _problem(group, prefix, str(detail["loc"][0]) if detail["loc"] else "", detail["msg"])
            for detail in error.errors(include_input=False, include_url=False)
        )
        return None


class _Environment(EnvSettingsSource):
    """The environment that was handed in, in place of the process's own."""

    def __init__(self, group: type[_Group], environ: Mapping[str, str]) -> None:
        self._environ = environ
        super().__init__(group)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {name.lower(): value for name, value in self._environ.items() if value}


def _problem(group: type[_Group], prefix: str, name: str, message: str) -> Problem:
    message = message.removeprefix("Value error, ")
    if not name:
        for field in group.model_fields:
            message = message.replace(field, prefix + field.upper())
        return Problem("environment", None, prefix + "*", message, "Change one of them")
    description = group.model_fields[name].description or ""
    if message == "Field required":
        return Problem("environment", None, prefix + name.upper(), "it is not set", f"Set it: {description}")
    return Problem("environment", None, prefix + name.upper(), message, f"What it is: {description}")


def _unknown(environ: Mapping[str, str]) -> list[Problem]:
    known = [name for group in GROUPS for name in variables(group)]
    known += [secret + _FILE_SUFFIX for secret in SECRETS]
    problems = []
    for name in sorted(environ):
        # PROCESSOR_TEST_* belongs to the tests.
        if name.startswith(PREFIX) and name not in known and not name.startswith(PREFIX + "TEST_"):
            close = difflib.get_close_matches(name, known, n=1)
            remedy = f"Did you mean {close[0]}?" if close else "Remove it, or see docs/configuration.md"
            problems.append(Problem("environment", None, name, "there is no such setting", remedy))
    return problems


def _with_secrets_from_files(environ: Mapping[str, str], problems: list[Problem]) -> Mapping[str, str]:
    values = dict(environ)
    for secret in SECRETS:
        path = environ.get(secret + _FILE_SUFFIX)
        if not path:
            continue
        try:
            values[secret] = Path(path).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            problems.append(
                Problem(
                    "environment", None, secret + _FILE_SUFFIX, f"{path}: {reason}", "Name a readable file"
                )
            )
    return values
