"""Who may look at the page and the metrics, where the settings ask for a password or a token."""

from __future__ import annotations

import base64
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import pytest

from processor.errors import ConfigurationError
from processor.settings import ServiceSettings, load_settings
from processor.telemetry.report import Fleet
from processor.web.server import serve
from tests.support.http_login import basic

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

CLOSED: Final = (
    "/",
    "/metrics",
    "/api/status",
    "/api/events",
    "/api/flow",
    "/page/main.js",
    "/page/status/view.js",
    "/page/page.css",
    "/icon.svg",
    "/nothing",
)
NEEDED: Final = {
    "PROCESSOR_KAFKA_SERVERS": "k:9092",
    "PROCESSOR_KAFKA_TOPIC": "t",
    "PROCESSOR_KAFKA_GROUP": "g",
}


@asynccontextmanager
async def served(**settings: Any) -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    async def ask() -> Fleet:
        return Fleet([])

    loaded = ServiceSettings.model_validate({"http_port": 0, **settings})
    async with serve(loaded, ask) as url, aiohttp.ClientSession() as http:
        yield http, url


async def asked(http: aiohttp.ClientSession, url: str, authorization: str | None) -> tuple[int, list[str]]:
    """The status, and the ways in that the answer names."""
    headers = {} if authorization is None else {"Authorization": authorization}
    async with http.get(url, headers=headers) as answer:
        return answer.status, answer.headers.getall("WWW-Authenticate", [])


async def test_without_a_password_or_a_token_everybody_may_look() -> None:
    async with served() as (http, url):
        assert await asked(http, f"{url}/metrics", None) == (200, [])
        assert await asked(http, f"{url}/metrics", "Basic nonsense") == (200, [])


@pytest.mark.parametrize("path", CLOSED)
async def test_with_them_nothing_but_the_probes_is_open(path: str) -> None:
    async with served(http_user="ops", http_password="pass-41", http_token="token-41") as (http, url):
        assert await asked(http, f"{url}{path}", None) == (
            401,
            ['Basic realm="processor", charset="UTF-8"', 'Bearer realm="processor"'],
        )
        for probe in ("/livez", "/readyz"):
            assert (await asked(http, f"{url}{probe}", None))[0] == 200
            assert (await asked(http, f"{url}{probe}", "Bearer wrong"))[0] == 200


@pytest.mark.parametrize("password", ["pass-41", "pass:with:colons", "größer ☃", " spaces "])
async def test_the_user_with_the_password_may_look(password: str) -> None:
    async with served(http_user="ops", http_password=password) as (http, url):
        assert await asked(http, f"{url}/metrics", basic("ops", password)) == (200, [])
        assert await asked(http, f"{url}/metrics", basic("ops", password).replace("Basic", "basic")) == (
            200,
            [],
        )
        assert await asked(http, url, f"Bearer {password.strip().encode().hex()}") == (
            401,
            ['Basic realm="processor", charset="UTF-8"'],
        )


async def test_the_bearer_of_the_token_may_look() -> None:
    async with served(http_token="token-41==") as (http, url):
        assert await asked(http, f"{url}/metrics", "Bearer token-41==") == (200, [])
        assert await asked(http, f"{url}/api/status", "bearer  token-41==") == (200, [])


@pytest.mark.parametrize(
    "authorization",
    [
        basic("ops", "wrong"),
        basic("other", "pass-41"),
        basic("ops", ""),
        basic("", ""),
        basic("ops:pass-41", ""),
        "Basic b3Bz",
        "Basic ====",
        "Basic \xff\xfe",
        "Basic",
        "Bearer",
        "Bearer wrong",
        "Bearer token-4",
        "Bearer token-411",
        "Bearer " + base64.b64encode(b"ops:pass-41").decode(),
        "Digest username=ops",
        "token-41",
        "",
    ],
)
async def test_others_are_refused_and_what_they_gave_is_in_no_log(
    authorization: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with served(http_user="ops", http_password="pass-41", http_token="token-41") as (http, url):
        assert (await asked(http, f"{url}/metrics", authorization))[0] == 401
    said = capsys.readouterr()
    assert "pass-41" not in said.out + said.err
    assert "token-4" not in said.out + said.err


@pytest.mark.parametrize(
    ("given", "reported"),
    [
        ({"HTTP_USER": "ops"}, "PROCESSOR_HTTP_USER and PROCESSOR_HTTP_PASSWORD go together"),
        ({"HTTP_PASSWORD": "p"}, "PROCESSOR_HTTP_USER and PROCESSOR_HTTP_PASSWORD go together"),
        ({"HTTP_USER": "o:ps", "HTTP_PASSWORD": "p"}, "PROCESSOR_HTTP_USER has a colon"),
        ({"HTTP_TOKEN": "two words"}, "PROCESSOR_HTTP_TOKEN has a character"),
        ({"HTTP_TLS_CERT_FILE": "/a"}, "PROCESSOR_HTTP_TLS_CERT_FILE and PROCESSOR_HTTP_TLS_KEY_FILE go together"),
        ({"HTTP_TOKEN_FILE": "{home}/empty"}, "PROCESSOR_HTTP_TOKEN_FILE: {home}/empty: it is empty"),
        ({"HTTP_TOKEN_FILE": "{home}/absent"}, "PROCESSOR_HTTP_TOKEN_FILE: {home}/absent: No such file"),
    ],
)  # fmt: skip
def test_half_a_lock_is_refused_at_the_start(given: dict[str, str], reported: str, tmp_path: Path) -> None:
    """What was meant to be closed must not be open for a slip."""
    (tmp_path / "empty").write_text("\n")
    environ = {f"PROCESSOR_{name}": text.format(home=tmp_path) for name, text in given.items()}
    with pytest.raises(ConfigurationError) as raised:
        load_settings({**NEEDED, **environ})
    assert reported.format(home=tmp_path) in str(raised.value)
    assert "two words" not in str(raised.value)


def test_the_token_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("token-41\n")
    service = load_settings({**NEEDED, "PROCESSOR_HTTP_TOKEN_FILE": str(tmp_path / "token")}).service
    assert service.http_token is not None
    assert service.http_token.get_secret_value() == "token-41"
    assert "token-41" not in repr(service)
