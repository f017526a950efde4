"""Environment variables: all that is wrong is told at once, and secrets are never shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from processor.errors import ConfigurationError
from processor.settings import GROUPS, load_settings, variables
from tests.support.settings_environ import NEEDED

if TYPE_CHECKING:
    from pathlib import Path


def members(environ: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigurationError) as refused:
        load_settings(environ)
    return [problem.member for problem in refused.value.problems]


def test_three_variables_are_enough() -> None:
    settings = load_settings({**NEEDED, "HOME": "/", "UNRELATED": "x"})
    assert settings.kafka.servers == ("a:9092", "b:9092")
    assert settings.kafka.dead_letter_topic == "profiles-dead-letters"


def test_what_is_missing_is_reported_at_once() -> None:
    assert members({}) == list(NEEDED)


def test_an_empty_variable_counts_as_unset() -> None:
    assert members({**NEEDED, "PROCESSOR_KAFKA_GROUP": ""}) == ["PROCESSOR_KAFKA_GROUP"]
    assert load_settings({**NEEDED, "PROCESSOR_HTTP_PORT": ""}).service.http_port == 8080


def test_a_misspelt_variable_is_reported_with_the_one_that_was_meant() -> None:
    with pytest.raises(ConfigurationError) as refused:
        load_settings({**NEEDED, "PROCESSOR_KINESIS_LINGERMS": "1"})
    assert "PROCESSOR_KINESIS_LINGER_MS" in refused.value.problems[0].remedy


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PROCESSOR_HTTP_PORT", "65536"),
        ("PROCESSOR_HTTP_PORT", "http"),
        ("PROCESSOR_LOG_LEVEL", "loud"),
        ("PROCESSOR_KINESIS_LINGER_MS", "-1"),
        ("PROCESSOR_KINESIS_MAX_RECORDS_PER_REQUEST", "501"),
        ("PROCESSOR_KINESIS_MAX_REQUEST_BYTES", "10485760"),
        ("PROCESSOR_KAFKA_SECURITY_PROTOCOL", "ssl"),
        ("PROCESSOR_KAFKA_OFFSET_RESET", "none"),
        ("PROCESSOR_SHUTDOWN_TIMEOUT_MS", "0"),
    ],
)
def test_a_value_out_of_bounds_is_reported(name: str, value: str) -> None:
    assert members({**NEEDED, name: value}) == [name]


@pytest.mark.parametrize(
    "environ",
    [
        {"PROCESSOR_KAFKA_HEARTBEAT_INTERVAL_MS": "20000"},
        {"PROCESSOR_KAFKA_DRAIN_TIMEOUT_MS": "30000"},
        {"PROCESSOR_KAFKA_SECURITY_PROTOCOL": "SASL_SSL"},
        {"PROCESSOR_KAFKA_TLS_CERT_FILE": "cert.pem"},
    ],
)
def test_values_that_do_not_go_together_are_reported(environ: dict[str, str]) -> None:
    assert members({**NEEDED, **environ}) == ["PROCESSOR_KAFKA_*"]


def test_problems_of_all_groups_are_reported_together() -> None:
    environ = {"PROCESSOR_HTTP_PORT": "x", "PROCESSOR_KINESIS_LINGER_MS": "x", "PROCESSOR_NOTHING": "x"}
    assert set(members(environ)) == {*environ, *NEEDED}


def test_secrets_are_never_shown(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("hunter2\n")
    environ = {
        **NEEDED,
        "PROCESSOR_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "PROCESSOR_KAFKA_SASL_USER": "user",
        "PROCESSOR_KAFKA_SASL_PASSWORD_FILE": str(secret),
        "PROCESSOR_KAFKA_TLS_KEY_PASSWORD": "hunter2",
    }
    kafka = load_settings(environ).kafka
    assert kafka.sasl_password is not None
    assert kafka.sasl_password.get_secret_value() == "hunter2"
    assert "hunter2" not in f"{kafka!r} {kafka}"
    with pytest.raises(ConfigurationError) as refused:
        load_settings({**environ, "PROCESSOR_KAFKA_TLS_CERT_FILE": "x", "PROCESSOR_HTTP_PORT": "x"})
    assert "hunter2" not in str(refused.value)


def test_a_secrets_file_that_cannot_be_read_is_reported(tmp_path: Path) -> None:
    name = "PROCESSOR_KAFKA_SASL_PASSWORD_FILE"
    assert members({**NEEDED, name: str(tmp_path / "absent")}) == [name]


def test_every_setting_says_what_it_is_and_its_unit() -> None:
    for group in GROUPS:
        for name, field in group.model_fields.items():
            assert field.description, name
        assert len(set(variables(group))) == len(group.model_fields)
