"""The source, the group, and how Kafka is reached and spoken to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from processor.settings.group import AWS_REGION, INT32_MAX, MIB, PREFIX, TEXT_MAX, Group
from processor.settings.servers import servers_of
from processor.settings.topic_names import dead_letter_topic_of, topic_name, trouble_with_topic


class KafkaSettings(Group):
    """The source topic, the consumer group, and how to reach Kafka."""

    model_config = SettingsConfigDict(env_prefix=PREFIX + "KAFKA_")

    servers: Annotated[tuple[str, ...], NoDecode, BeforeValidator(servers_of)] = Field(
        min_length=1, description="Bootstrap servers, `host:port`, separated by commas."
    )
    topic: Annotated[str, AfterValidator(topic_name)] = Field(
        min_length=1, description="The topic of profile-change events."
    )
    group: str = Field(
        min_length=1,
        max_length=TEXT_MAX,
        description="The consumer group that all workers of one destination share.",
    )
    client_id: str = Field(
        "processor",
        min_length=1,
        max_length=TEXT_MAX,
        description="How the name begins that Kafka's own logs, metrics and quotas see; the machine's name and the worker's "
        "number follow.",
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="Whether connections are encrypted and users authenticated."
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] = Field(
        "PLAIN",
        description="How users are authenticated where the protocol is a SASL one; OAUTHBEARER is Amazon MSK's IAM.",
    )
    sasl_msk_region: str | None = Field(
        None,
        pattern=AWS_REGION,
        description="The AWS region of the MSK cluster, for OAUTHBEARER with AWS's credential chain.",
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
        None,
        max_length=TEXT_MAX,
        description="Static membership: a name that outlives a restart, one a process; each worker puts its number behind it. "
        "Where unset, the service names itself, and gives the name back when it ends in order.",
    )
    session_timeout_ms: int = Field(
        45_000, ge=1_000, le=1_800_000, description="A member that is silent for longer has left the group."
    )
    heartbeat_interval_ms: int = Field(
        3_000,
        ge=100,
        le=INT32_MAX,
        description="How often a member sends a heartbeat; at most a third of the session.",
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
        le=INT32_MAX,
        description="How long revoked partitions may drain; below half of the rebalance time-out.",
    )
    request_timeout_ms: int = Field(
        20_000, ge=1_000, le=INT32_MAX, description="How long one request to Kafka may take."
    )
    metadata_max_age_ms: int = Field(
        60_000,
        ge=100,
        le=INT32_MAX,
        description="How often the cluster is asked for new leaders and partitions.",
    )
    isolation_level: Literal["read_committed", "read_uncommitted"] = Field(
        "read_committed",
        description="Whether events of transactions are taken once these are committed, or at once, those of aborted ones "
        "included.",
    )
    transaction_timeout_ms: int = Field(
        120_000,
        ge=1_000,
        le=INT32_MAX,
        description="A transaction that keeps a partition's events back for longer makes the worker unready; "
        "longer than the producers' transaction.timeout.ms.",
    )
    fetch_max_wait_ms: int = Field(
        100, ge=0, le=60_000, description="How long a broker may hold a fetch that finds nothing."
    )
    fetch_max_bytes: int = Field(
        16 * MIB, ge=1024, le=INT32_MAX, description="What one fetch may return from one broker."
    )
    partition_fetch_max_bytes: int = Field(
        MIB // 2,
        ge=1024,
        le=INT32_MAX,
        description="What one fetch may return from one partition; a larger record still comes.",
    )
    max_poll_records: int = Field(
        2_000, ge=1, le=100_000, description="How many records are taken at once, and the rest of a batch."
    )
    commit_interval_ms: int = Field(
        1_000, ge=10, le=INT32_MAX, description="How often acknowledged offsets are committed."
    )
    lag_interval_ms: int = Field(
        5_000,
        ge=100,
        le=INT32_MAX,
        description="How often each broker is asked where partitions end: lag is counted from there, fetched or not.",
    )
    dead_letter_topic: Annotated[str, AfterValidator(topic_name)] = Field(
        "", description="The topic of events that cannot be exported; `<topic>-dead-letters` where unset."
    )

    @model_validator(mode="before")
    @classmethod
    def _name_dead_letters(cls, data: dict[str, object]) -> dict[str, object]:
        topic = data.get("topic")
        if data.get("dead_letter_topic") or not isinstance(topic, str):
            return data
        name = dead_letter_topic_of(topic)
        # One that Kafka would not take is reported by `topic_problems`, as a name that nobody wrote.
        return data if trouble_with_topic(name) else {**data, "dead_letter_topic": name}

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
