"""Credentials that cannot be got, from each of AWS' providers as people have them, against endpoints of 127.0.0.1."""

from __future__ import annotations

import hashlib
import json
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from botocore.credentials import SSOProvider
from botocore.tokens import SSOTokenProvider

from processor.embedded.server import free_ports
from processor.errors import KinesisError, KinesisRefused, KinesisUnavailable
from tests.kinesis.servers import opened
from tests.support.kinesis_connection import GOOD, endpoint, http, request
from tests.support.kinesis_writer import export

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

ROLE = "arn:aws:iam::123456789012:role/exporter"
START = "https://example.awsapps.com/start"
KEYS = {
    "AccessKeyId": "AKIA",
    "SecretAccessKey": "secret",
    "Token": "token",
    "Expiration": "2035-01-01T00:00:00Z",
}
CONFIG = f"""
[profile process]
credential_process = sh {{home}}/process.sh
[profile nowhere]
credential_process = /nonexistent/program
[profile role]
role_arn = {ROLE}
source_profile = keys
[profile keys]
aws_access_key_id = AKIA
aws_secret_access_key = secret
[profile source]
role_arn = {ROLE}
source_profile = nobody
[profile sourceless]
role_arn = {ROLE}
[profile circle]
role_arn = {ROLE}
source_profile = circled
[profile circled]
role_arn = {ROLE}
source_profile = circle
[profile half]
aws_access_key_id = AKIA
[profile sso]
sso_start_url = {START}
sso_region = eu-west-1
sso_account_id = 123456789012
sso_role_name = exporter
[profile session]
sso_session = one
sso_account_id = 123456789012
sso_role_name = exporter
[sso-session one]
sso_region = eu-west-1
sso_start_url = {START}
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with AWS' configuration file and nothing else."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "config").write_text(CONFIG.format(home=tmp_path))
    for provider in (SSOProvider, SSOTokenProvider):
        # Made from HOME when botocore was imported.
        monkeypatch.setattr(provider, "_SSO_TOKEN_CACHE_DIR", str(tmp_path / "sso"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return tmp_path


Answer = tuple[int, Any]


@asynccontextmanager
async def providing(answer: Callable[[str], Answer]) -> AsyncIterator[str]:
    """A server of credentials that is a Kinesis as well; `answer` gives status and body by a request's first line."""

    async def both(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head, _ = await request(reader)
            if "x-amz-target: kinesis" in head.lower():
                writer.write(http(200, GOOD))
            else:
                writer.write(http(*answer(head)))

    async with endpoint(both) as url:
        yield url


async def failure(url: str) -> KinesisError:
    async with opened(url, "exports", keys=False, request_timeout_ms=2_000) as stream:
        with pytest.raises(KinesisError) as raised:
            await stream.put([export(1, 0)])
    error = raised.value
    assert not getattr(error, "outcome_unknown", False)
    assert "no credentials could be obtained from" in str(error)
    return error


def sts(code: str, message: str = "as scripted") -> bytes:
    return f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>".encode()


@pytest.mark.parametrize(
    ("status", "body", "expected", "message"),
    [
        (404, b"no association for the pod", KinesisRefused, "404 from container metadata: no association for the pod"),
        (403, {"message": "not yours"}, KinesisRefused, "not yours"),
        (429, b"slow down", KinesisUnavailable, "slow down"),
        (500, b"busy", KinesisUnavailable, "busy"),
        (503, b"<html>a proxy</html>", KinesisUnavailable, "503"),
        (200, b"a page", KinesisUnavailable, "Unable to parse JSON"),
        (200, {"AccessKeyId": "AKIA"}, KinesisRefused, "its answer lacks SecretAccessKey"),
        (200, [], KinesisRefused, "its answer is not what it must be"),
    ],
)  # fmt: skip
async def test_a_containers_endpoint(
    home: Path, monkeypatch: pytest.MonkeyPatch, status: int, body: object, expected: type, message: str
) -> None:
    async with providing(lambda _: (status, body)) as url:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{url}/keys")
        error = await failure(url)
    assert type(error) is expected
    assert "the container's credentials endpoint" in str(error)
    assert message in str(error)


@pytest.mark.parametrize(
    ("variables", "expected", "message"),
    [
        ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:{free}/x"}, KinesisUnavailable, "Could not connect"),
        ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://example.org/x"}, KinesisRefused, "Unsupported host"),
        (
            {
                "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:{free}/x",
                "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/nonexistent/a-token-file-with-quite-a-long-name",
            },
            KinesisRefused,
            "No such file or directory (/nonexistent/a-token-file-with-quite-a-long-name)",
        ),
    ],
)  # fmt: skip
async def test_a_containers_endpoint_that_is_not_there(
    home: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: type, message: str
) -> None:
    (free,) = free_ports(1)
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(free=free))
    error = await failure("http://127.0.0.1:9")
    assert type(error) is expected
    assert message in str(error)


STS_ERRORS = [
    (403, "AccessDenied", KinesisRefused),
    (400, "InvalidIdentityToken", KinesisRefused),
    (400, "ExpiredTokenException", KinesisRefused),
    (403, "RegionDisabledException", KinesisRefused),
    (400, "ValidationError", KinesisRefused),
    (400, "Throttling", KinesisUnavailable),
    (400, "IDPCommunicationError", KinesisUnavailable),
    (500, "InternalFailure", KinesisUnavailable),
    (503, "ServiceUnavailable", KinesisUnavailable),
]


@pytest.mark.parametrize(("status", "code", "expected"), STS_ERRORS)
@pytest.mark.parametrize("how", ["web identity", "the profile's role_arn"])
async def test_sts(
    home: Path, monkeypatch: pytest.MonkeyPatch, how: str, status: int, code: str, expected: type
) -> None:
    async with providing(lambda _: (status, sts(code, "no trust"))) as url:
        set_up_sts(home, monkeypatch, how, url)
        error = await failure(url)
    assert type(error) is expected
    assert f"STS ({how})" in str(error)
    assert f"{code}: no trust" in str(error)
    assert ("trust policy" in str(error)) == (expected is KinesisRefused)


@pytest.mark.parametrize("how", ["web identity", "the profile's role_arn"])
async def test_sts_that_cannot_be_reached_or_is_a_proxys_page_may_be_tried_again(
    home: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    (free,) = free_ports(1)
    set_up_sts(home, monkeypatch, how, f"http://127.0.0.1:{free}")
    assert type(await failure("http://127.0.0.1:9")) is KinesisUnavailable
    async with providing(lambda _: (502, b"<html>bad gateway</html>")) as url:
        set_up_sts(home, monkeypatch, how, url)
        assert type(await failure(url)) is KinesisUnavailable


def set_up_sts(home: Path, monkeypatch: pytest.MonkeyPatch, how: str, url: str) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
    if how == "web identity":
        (home / "token").write_text("token")
        monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
        monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(home / "token"))
    else:
        monkeypatch.setenv("AWS_PROFILE", "role")


async def test_a_web_identity_token_that_is_not_there_is_reported_by_its_file(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/nonexistent/serviceaccount/token")
    error = await failure("http://127.0.0.1:9")
    assert type(error) is KinesisRefused
    assert "(/nonexistent/serviceaccount/token)" in str(error)


@pytest.mark.parametrize(
    ("script", "expected", "message"),
    [
        ("echo 'vault: connection refused' >&2; exit 2", KinesisUnavailable, "vault: connection refused"),
        ("exit 2", KinesisUnavailable, "failed without a word"),
        (
            "echo \"TLS: Unsupported version '1.0'\" >&2; exit 2",
            KinesisUnavailable,
            "TLS: Unsupported version",
        ),
        ("echo nonsense", KinesisRefused, "no JSON"),
        ("echo '[]'", KinesisRefused, "not what it must be"),
        ("echo '{\"Version\":2}'", KinesisRefused, "Unsupported version '2'"),
        ("echo '{\"Version\":1}'", KinesisRefused, "Missing required key"),
        (
            'echo \'{"Version":1,"AccessKeyId":"A","SecretAccessKey":"s","SessionToken":"t","Expiration":"2020-01-01T00:00:00Z"}\'',
            KinesisRefused,
            "still expired",
        ),
    ],
)
async def test_a_credential_process(
    home: Path, monkeypatch: pytest.MonkeyPatch, script: str, expected: type, message: str
) -> None:
    (home / "process.sh").write_text(script)
    monkeypatch.setenv("AWS_PROFILE", "process")
    error = await failure("http://127.0.0.1:9")
    assert type(error) is expected
    assert "the profile's credential_process" in str(error)
    assert message in str(error)


@pytest.mark.parametrize(
    ("profile", "message"),
    [
        ("nowhere", "No such file or directory (/nonexistent/program)"),
        ("source", 'source_profile "nobody"'),
        ("sourceless", "missing: source_profile or credential_source"),
        ("circle", "Infinite loop"),
        ("half", "missing: aws_secret_access_key"),
    ],
)  # fmt: skip
async def test_a_profile_that_cannot_be_used_is_a_refusal(
    home: Path, monkeypatch: pytest.MonkeyPatch, profile: str, message: str
) -> None:
    monkeypatch.setenv("AWS_PROFILE", profile)
    error = await failure("http://127.0.0.1:9")
    assert type(error) is KinesisRefused
    assert message in str(error)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"AWS_PROFILE": "nobody"}, "profile (nobody) could not be found"),
        ({"AWS_CONFIG_FILE": "{home}/broken"}, "Unable to parse config file"),
    ],
)
async def test_a_configuration_file_that_cannot_be_used_is_a_refusal(
    home: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], message: str
) -> None:
    (home / "broken").write_text("[profile x")
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(home=home))
    with pytest.raises(KinesisRefused) as raised:
        async with opened("http://127.0.0.1:9", "exports", keys=False):
            pass
    assert message in str(raised.value)
    assert "AWS_PROFILE" in str(raised.value)


def sign_in(home: Path, profile: str, until: str) -> None:
    cache = home / "sso"
    cache.mkdir(exist_ok=True)
    name = hashlib.sha1({"sso": START, "session": "one"}[profile].encode(), usedforsecurity=False).hexdigest()
    token = {"startUrl": START, "region": "eu-west-1", "accessToken": "token", "expiresAt": until}
    (cache / f"{name}.json").write_text(json.dumps(token))


@pytest.mark.parametrize("profile", ["sso", "session"])
@pytest.mark.parametrize("until", [None, "2020-01-01T00:00:00Z"])
async def test_a_sign_in_that_is_missing_or_over_is_a_refusal_until_a_person_signs_in(
    home: Path, monkeypatch: pytest.MonkeyPatch, profile: str, until: str | None
) -> None:
    keys = {
        "accessKeyId": "AKIA",
        "secretAccessKey": "secret",
        "sessionToken": "t",
        "expiration": 2051222400000,
    }
    async with providing(lambda _: (200, {"roleCredentials": keys})) as url:
        monkeypatch.setenv("AWS_PROFILE", profile)
        monkeypatch.setenv("AWS_ENDPOINT_URL_SSO", url)
        if until is not None:
            sign_in(home, profile, until)
        async with opened(url, "exports", keys=False) as stream:
            with pytest.raises(KinesisRefused, match=r"SSO .*aws sso login"):
                await stream.put([export(1, 0)])
            sign_in(home, profile, "2035-01-01T00:00:00Z")
            assert (await stream.put([export(1, 0)])).failed == 0


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (401, "UnauthorizedException", KinesisRefused),
        (403, "ForbiddenException", KinesisRefused),
        (429, "TooManyRequestsException", KinesisUnavailable),
        (500, "InternalServerException", KinesisUnavailable),
    ],
)
async def test_sso_that_refuses(
    home: Path, monkeypatch: pytest.MonkeyPatch, status: int, code: str, expected: type
) -> None:
    async with providing(lambda _: (status, {"__type": code, "message": "no"})) as url:
        monkeypatch.setenv("AWS_PROFILE", "sso")
        monkeypatch.setenv("AWS_ENDPOINT_URL_SSO", url)
        sign_in(home, "sso", "2035-01-01T00:00:00Z")
        assert type(await failure(url)) is expected


async def test_an_instances_metadata_that_once_does_not_answer_is_asked_again(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0

    def metadata(head: str) -> Answer:
        nonlocal asked
        asked += 1
        if asked <= 2:
            return 503, b"busy"
        if head.startswith("PUT"):
            return 200, b"session"
        role = head.split()[1].rpartition("/")[2]
        return 200, {"Code": "Success"} | KEYS if role else b"exporter"

    monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
    async with providing(metadata) as url:
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"{url}/")
        async with opened(url, "exports", keys=False) as stream:
            assert (await stream.put([export(1, 0)])).failed == 0


async def test_credentials_that_aws_takes_no_more_are_looked_for_anew(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that something else renews is read only once by botocore."""
    seen: list[str] = []

    async def kinesis(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head, _ = await request(reader)
            seen.append(head.partition("Credential=")[2].partition("/")[0])
            good = http(200, GOOD), http(400, {"__type": "ExpiredTokenException", "message": "over"})
            writer.write(good[seen[-1] == "OLD"])

    path = home / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(path))
    path.write_text("[default]\naws_access_key_id = OLD\naws_secret_access_key = s\n")
    async with endpoint(kinesis) as url, opened(url, "exports", keys=False) as stream:
        with pytest.raises(KinesisRefused, match="have expired"):
            await stream.put([export(1, 0)])
        path.write_text("[default]\naws_access_key_id = NEW\naws_secret_access_key = s\n")
        assert (await stream.put([export(1, 0)])).failed == 0
        assert (await stream.put([export(1, 0)])).failed == 0
    assert seen == ["OLD", "NEW", "NEW"]


async def test_botocore_says_nothing_beside_and_no_trace(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with providing(lambda _: (403, sts("AccessDenied"))) as url:
        set_up_sts(home, monkeypatch, "web identity", url)
        with caplog.at_level(logging.WARNING):
            await failure(url)
    assert caplog.records == []
