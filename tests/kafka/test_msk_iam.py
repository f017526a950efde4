from __future__ import annotations

import base64
import sys
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from processor.errors import ConfigurationError, KafkaUnavailable
from processor.kafka.client import client_options
from processor.kafka.msk_iam import MskToken
from processor.settings import load_settings

if TYPE_CHECKING:
    from pathlib import Path

NEEDED = {"PROCESSOR_KAFKA_SERVERS": "k:9098", "PROCESSOR_KAFKA_TOPIC": "t", "PROCESSOR_KAFKA_GROUP": "g"}


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-key-4e11")


@pytest.mark.usefixtures("credentials")
async def test_a_token_is_signed_for_the_cluster_action_and_used_again() -> None:
    provider = MskToken("eu-west-1")
    token = await provider.token()
    url = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    asked = parse_qs(urlsplit(url).query)
    assert urlsplit(url).hostname == "kafka.eu-west-1.amazonaws.com"
    assert asked["Action"] == ["kafka-cluster:Connect"]
    assert "secret-key-4e11" not in url
    assert await provider.token() == token


async def test_missing_credentials_are_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(KafkaUnavailable, match="credential chain"):
        await MskToken("eu-west-1").token()


def test_the_settings_ask_for_the_region_and_tls() -> None:
    asked = {"PROCESSOR_KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "PROCESSOR_KAFKA_SASL_MECHANISM": "OAUTHBEARER"}
    with pytest.raises(ConfigurationError, match="PROCESSOR_KAFKA_SASL_MSK_REGION"):
        load_settings(NEEDED | asked)


async def test_clients_are_given_the_provider() -> None:
    asked = {
        "PROCESSOR_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "PROCESSOR_KAFKA_SASL_MECHANISM": "OAUTHBEARER",
        "PROCESSOR_KAFKA_SASL_MSK_REGION": "eu-west-1",
    }
    options = client_options(load_settings(NEEDED | asked).kafka)
    assert isinstance(options["sasl_oauth_token_provider"], MskToken)


async def test_without_the_extra_the_remedy_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aws_msk_iam_sasl_signer", None)
    with pytest.raises(ConfigurationError, match=r"profile-export-processor\[msk-iam\]"):
        MskToken("eu-west-1")
