"""Where the API may be served: its tokens never go to other machines in the clear."""

from __future__ import annotations

import pytest

from processor.errors import EXIT_BAD_CONFIGURATION, ConfigurationError, exit_code
from processor.settings import load_settings

NEEDED = {"PROCESSOR_KAFKA_SERVERS": "k:9092", "PROCESSOR_KAFKA_TOPIC": "t", "PROCESSOR_KAFKA_GROUP": "g"}
TOKEN = {"PROCESSOR_API_TOKEN": "may-change-anything-1"}
TLS = {"PROCESSOR_HTTP_TLS_CERT_FILE": "/tls.crt", "PROCESSOR_HTTP_TLS_KEY_FILE": "/tls.key"}
EVERYWHERE = {"PROCESSOR_HTTP_HOST": "0.0.0.0"}


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "processor.internal"])
@pytest.mark.parametrize("token", ["PROCESSOR_API_TOKEN", "PROCESSOR_API_READ_TOKEN"])
def test_an_api_that_others_reach_without_tls_ends_the_start(host: str, token: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load_settings({**NEEDED, token: "may-do-something-1", "PROCESSOR_HTTP_HOST": host})
    (problem,) = refused.value.problems
    assert problem.member == "PROCESSOR_HTTP_HOST"
    assert "PROCESSOR_API_BEHIND_TLS_PROXY" in problem.remedy
    assert exit_code([refused.value]) == EXIT_BAD_CONFIGURATION


@pytest.mark.parametrize(
    "environ",
    [
        EVERYWHERE,
        {**TOKEN, "PROCESSOR_HTTP_HOST": "127.0.0.1"},
        {**TOKEN, "PROCESSOR_HTTP_HOST": "localhost"},
        {**TOKEN, "PROCESSOR_HTTP_HOST": "::1"},
        {**TOKEN, **EVERYWHERE, **TLS},
        {**TOKEN, **EVERYWHERE, "PROCESSOR_API_BEHIND_TLS_PROXY": "true"},
    ],
    ids=["no API", "127.0.0.1", "localhost", "::1", "TLS", "a proxy's TLS"],
)
def test_this_machine_or_tls_or_a_proxy_that_does_it_is_enough(environ: dict[str, str]) -> None:
    load_settings({**NEEDED, **environ})
