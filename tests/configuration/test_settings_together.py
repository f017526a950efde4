"""Settings that go together: each rule, where it just holds and where it just does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.errors import ConfigurationError
from processor.settings import load_settings

NEEDED = {
    "PROCESSOR_KAFKA_SERVERS": "a:9092",
    "PROCESSOR_KAFKA_TOPIC": "profiles",
    "PROCESSOR_KAFKA_GROUP": "exports",
}
KAFKA = "PROCESSOR_KAFKA_"
SASL = {"SECURITY_PROTOCOL": "SASL_SSL", "SASL_USER": "u", "SASL_PASSWORD": "p"}
MSK = {"SECURITY_PROTOCOL": "SASL_SSL", "SASL_MECHANISM": "OAUTHBEARER", "SASL_MSK_REGION": "eu-west-1"}


def kafka(**changes: str) -> dict[str, str]:
    return {KAFKA + name: value for name, value in changes.items()}


def test_variables_are_named_in_full_where_one_s_name_begins_with_another_s() -> None:
    told = refused({"PROCESSOR_API_TOKEN": "t" * 16, "PROCESSOR_API_TOKEN_FILE": "tokens"})
    assert told.endswith("PROCESSOR_API_TOKEN and PROCESSOR_API_TOKEN_FILE exclude each other")


def less(settings: dict[str, str], name: str) -> dict[str, str]:
    return {each: value for each, value in settings.items() if each != name}


def refused(environ: dict[str, str]) -> str:
    with pytest.raises(ConfigurationError) as told:
        load_settings({**NEEDED, **environ})
    (problem,) = told.value.problems
    assert problem.remedy
    return f"{problem.member}: {problem.message}"


@pytest.mark.parametrize(
    ("holds", "breaks", "named"),
    [
        (
            kafka(SESSION_TIMEOUT_MS="30000", HEARTBEAT_INTERVAL_MS="10000", REQUEST_TIMEOUT_MS="10000"),
            kafka(SESSION_TIMEOUT_MS="30000", HEARTBEAT_INTERVAL_MS="10001", REQUEST_TIMEOUT_MS="1000"),
            ["HEARTBEAT_INTERVAL_MS", "SESSION_TIMEOUT_MS"],
        ),
        (
            # What is begun within session less request time-out of a heartbeat must be over before the session is.
            kafka(SESSION_TIMEOUT_MS="30000", HEARTBEAT_INTERVAL_MS="3000", REQUEST_TIMEOUT_MS="24000"),
            kafka(SESSION_TIMEOUT_MS="30000", HEARTBEAT_INTERVAL_MS="3000", REQUEST_TIMEOUT_MS="24001"),
            ["REQUEST_TIMEOUT_MS", "SESSION_TIMEOUT_MS", "HEARTBEAT_INTERVAL_MS"],
        ),
        (
            kafka(SESSION_TIMEOUT_MS="20000", REQUEST_TIMEOUT_MS="14000"),
            kafka(SESSION_TIMEOUT_MS="20000", REQUEST_TIMEOUT_MS="30000"),
            ["REQUEST_TIMEOUT_MS", "SESSION_TIMEOUT_MS"],
        ),
        (
            kafka(DRAIN_TIMEOUT_MS="9999", REBALANCE_TIMEOUT_MS="20000"),
            kafka(DRAIN_TIMEOUT_MS="10000", REBALANCE_TIMEOUT_MS="20000"),
            ["DRAIN_TIMEOUT_MS", "REBALANCE_TIMEOUT_MS"],
        ),
        (
            kafka(TLS_CERT_FILE="c", TLS_KEY_FILE="k"),
            kafka(TLS_KEY_FILE="k"),
            ["TLS_CERT_FILE", "TLS_KEY_FILE"],
        ),
        (kafka(), kafka(TLS_CERT_FILE="c"), ["TLS_CERT_FILE", "TLS_KEY_FILE"]),
        (kafka(**SASL), kafka(**less(SASL, "SASL_USER")), ["SASL_USER"]),
        (kafka(**SASL), kafka(**less(SASL, "SASL_PASSWORD")), ["SASL_PASSWORD"]),
        (
            kafka(**{**SASL, "SECURITY_PROTOCOL": "SASL_PLAINTEXT"}),
            kafka(SECURITY_PROTOCOL="SASL_PLAINTEXT", SASL_MECHANISM="SCRAM-SHA-512"),
            ["SASL_USER", "SASL_PASSWORD"],
        ),
        (kafka(**MSK), kafka(**less(MSK, "SASL_MSK_REGION")), ["SASL_MSK_REGION"]),
        (
            kafka(**MSK),
            kafka(**{**MSK, "SECURITY_PROTOCOL": "SASL_PLAINTEXT"}),
            ["SECURITY_PROTOCOL", "SASL_MSK_REGION"],
        ),
        (
            {"PROCESSOR_KINESIS_RETRY_BASE_MS": "500", "PROCESSOR_KINESIS_RETRY_MAX_MS": "500"},
            {"PROCESSOR_KINESIS_RETRY_BASE_MS": "501", "PROCESSOR_KINESIS_RETRY_MAX_MS": "500"},
            ["RETRY_BASE_MS", "RETRY_MAX_MS"],
        ),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) else "",
)
def test_a_rule_holds_up_to_its_bound(
    holds: dict[str, str], breaks: dict[str, str], named: list[str]
) -> None:
    load_settings({**NEEDED, **holds})
    told = refused(breaks)
    for name in named:
        assert name in told


@given(st.integers(1_000, 60_000), st.integers(100, 20_000), st.integers(1_000, 60_000))
def test_whatever_is_taken_leaves_the_fence_open_for_two_heartbeats(
    session_ms: int, heartbeat_ms: int, request_ms: int
) -> None:
    times = kafka(
        SESSION_TIMEOUT_MS=str(session_ms),
        HEARTBEAT_INTERVAL_MS=str(heartbeat_ms),
        REQUEST_TIMEOUT_MS=str(request_ms),
    )
    try:
        settings = load_settings({**NEEDED, **times})
    except ConfigurationError:
        assert heartbeat_ms * 3 > session_ms or session_ms - request_ms < 2 * heartbeat_ms
    else:
        assert settings.fence_s * 1000 >= 2 * heartbeat_ms
        assert settings.kafka.heartbeat_interval_ms * 3 <= settings.kafka.session_timeout_ms
