"""What every Kafka client of this process shares: addresses, security, and the mapping of errors."""

from __future__ import annotations

import re
import ssl
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from aiokafka import errors as kafka

from processor.errors import ConfigurationError, KafkaRefused, KafkaUnavailable, Problem, ProcessorError
from processor.kafka.expired_batches import heed_expiry
from processor.kafka.metadata import never_create_by_looking
from processor.kafka.msk_iam import MskToken
from processor.kafka.offset_fetch_errors import heed_errors
from processor.kafka.whole_responses import read_whole_responses

if TYPE_CHECKING:
    from collections.abc import Iterator

    from processor.settings import KafkaSettings

_REFUSALS: dict[type[Exception], str] = {
    kafka.AuthenticationFailedError: "Kafka refused the credentials: check PROCESSOR_KAFKA_SASL_USER and _PASSWORD",
    kafka.SaslAuthenticationFailed: "Kafka refused the credentials: check PROCESSOR_KAFKA_SASL_USER and _PASSWORD",
    kafka.TopicAuthorizationFailedError: "an ACL is missing on the topic: grant the operation to this user",
    kafka.GroupAuthorizationFailedError: "an ACL is missing on the consumer group: grant Read on it to this user",
    kafka.InconsistentGroupProtocolError: "the group has members that are none of this service, and assign partitions in "
    "another way: end them, or see PROCESSOR_KAFKA_GROUP",
    kafka.InvalidSessionTimeoutError: "the brokers take no such session time-out: see PROCESSOR_KAFKA_SESSION_TIMEOUT_MS, and "
    "their group.min.session.timeout.ms and group.max.session.timeout.ms",
    kafka.ClusterAuthorizationFailedError: "an ACL is missing on the cluster: grant IdempotentWrite to this user",
    kafka.UnsupportedSaslMechanismError: "the broker does not offer this mechanism: see PROCESSOR_KAFKA_SASL_MECHANISM",
    kafka.UnknownTopicOrPartitionError: "the topic does not exist: create it, or see PROCESSOR_KAFKA_TOPIC",
    kafka.UnsupportedVersionError: "the broker is too old for this release",
    kafka.InvalidReplicationFactorError: "the cluster has fewer brokers than the replication factor asked for",
    kafka.PolicyViolationError: "a policy of the cluster forbids it",
    kafka.MessageSizeTooLargeError: "a record is larger than the topic takes: raise the topic's max.message.bytes",
    kafka.RecordTooLargeError: "a record is larger than the topic takes: raise the topic's max.message.bytes",
    kafka.InvalidTopicError: "the topic's name is not allowed: see PROCESSOR_STATE_CHANGELOG_TOPIC, PROCESSOR_KAFKA_DEAD_LETTER_TOPIC, "
    "PROCESSOR_BACKFILL_TOPIC and PROCESSOR_CONFIGURATION_TOPIC",
}

_NO_BOOTSTRAP = "Unable to bootstrap from"
_TRIED = re.compile(r"\('([^']+)', (\d+),")
"""Host and port, in what aiokafka says of the servers that it tried."""

_PASSING = (kafka.KafkaConnectionError, kafka.KafkaTimeoutError, kafka.NodeNotReadyError, kafka.UnknownError)
"""Cured by waiting, though aiokafka does not mark them so."""


def client_options(settings: KafkaSettings) -> dict[str, Any]:
    """Keyword arguments that consumers, producers and admin clients have in common.

    No client that is made with them creates a topic by asking for it.

    Raises:
        ConfigurationError: a TLS file cannot be used.

    """
    never_create_by_looking()
    heed_errors()
    heed_expiry()
    read_whole_responses()
    options: dict[str, Any] = {
        "bootstrap_servers": ",".join(settings.servers),
        "client_id": settings.client_id,
        "request_timeout_ms": settings.request_timeout_ms,
        "metadata_max_age_ms": settings.metadata_max_age_ms,
        "security_protocol": settings.security_protocol,
    }
    if settings.security_protocol.endswith("SSL"):
        options["ssl_context"] = _tls_context(settings)
    if settings.security_protocol.startswith("SASL"):
        password = settings.sasl_password
        options["sasl_mechanism"] = settings.sasl_mechanism
        if settings.sasl_mechanism == "OAUTHBEARER":
            options["sasl_oauth_token_provider"] = MskToken(settings.sasl_msk_region or "")
        options["sasl_plain_username"] = settings.sasl_user
        options["sasl_plain_password"] = None if password is None else password.get_secret_value()
    return options


@contextmanager
def errors_mapped(doing: str) -> Iterator[None]:
    """Turn Kafka's errors into this package's; `doing` says what was being done, and on what."""
    try:
        yield
    except (kafka.KafkaError, OSError) as error:
        raise mapped(error, doing) from error


def mapped(error: BaseException, doing: str) -> ProcessorError:
    """This package's error for one of Kafka's."""
    for refusal, remedy in _REFUSALS.items():
        if isinstance(error, refusal):
            return KafkaRefused(f"{doing}: {remedy} ({type(error).__name__})")
    if isinstance(error, OSError) or getattr(error, "retriable", False) or isinstance(error, _PASSING):
        return KafkaUnavailable(f"{doing}: {_described(error)}")
    return KafkaRefused(f"{doing}: {_described(error)}")


def _described(error: BaseException) -> str:
    text, name = str(error), type(error).__name__
    if text.startswith(_NO_BOOTSTRAP) or f": {_NO_BOOTSTRAP}" in text:
        tried = ", ".join(f"{host}:{port}" for host, port in _TRIED.findall(text))
        return f"none of the servers answers{f' ({tried})' if tried else ''}"
    if name in text:
        return text
    return f"{name}: {text}" if text else name


def _tls_context(settings: KafkaSettings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.tls_ca_file and str(settings.tls_ca_file))
        context.check_hostname = settings.tls_check_hostname
        if settings.tls_cert_file is not None:
            context.load_cert_chain(
                settings.tls_cert_file, settings.tls_key_file, partial(_key_password, settings)
            )
    # A password that is too long is a ValueError of ssl's.
    except (OSError, ssl.SSLError, ValueError) as error:
        problem = Problem(
            source="environment",
            line=None,
            member="PROCESSOR_KAFKA_TLS_CA_FILE, _CERT_FILE, _KEY_FILE",
            message=f"the TLS files cannot be used: {error}",
            remedy="Give PEM files: the authority's chain, and a certificate with its key",
        )
        raise ConfigurationError([problem]) from error
    return context


def _key_password(settings: KafkaSettings) -> str:
    """Asked for where the key is encrypted; OpenSSL would ask a person at the terminal."""
    if settings.tls_key_password is None:
        raise ValueError("the key is encrypted, and PROCESSOR_KAFKA_TLS_KEY_PASSWORD is not set")
    return settings.tls_key_password.get_secret_value()
