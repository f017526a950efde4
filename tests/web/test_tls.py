"""TLS on the port: with which certificate, and what changes when its files do."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

import pytest
import trustme

from processor.errors import ConfigurationError
from processor.settings import ServiceSettings
from processor.telemetry.report import Fleet
from processor.web.probe import trouble
from processor.web.server import Intervals, serve
from processor.web.tls import Certificate, certificate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


async def ask() -> Fleet:
    return Fleet([])


def issue(authority: trustme.CA, home: Path, *names: str) -> ServiceSettings:
    """Settings with a certificate for `names`, whose files are written anew."""
    issued = authority.issue_cert(*names)
    home.joinpath("tls.key").write_bytes(issued.private_key_pem.bytes())
    home.joinpath("tls.crt").write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    return ServiceSettings.model_validate(
        {"http_port": 0, "http_tls_cert_file": home / "tls.crt", "http_tls_key_file": home / "tls.key"}
    )


async def names_of(url: str, authority: trustme.CA, server_name: str | None) -> set[str]:
    """The names that the certificate bears which a new connection is given."""
    context = ssl.create_default_context()
    context.check_hostname = False
    authority.configure_trust(context)
    port = int(url.rpartition(":")[2])
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=server_name)
    peer = writer.get_extra_info("peercert")
    writer.close()
    return {name for _, name in peer["subjectAltName"]}


@pytest.mark.parametrize("server_name", ["anything", ""])
async def test_a_changed_certificate_is_given_to_new_connections(tmp_path: Path, server_name: str) -> None:
    authority = trustme.CA()
    settings = issue(authority, tmp_path, "one")
    async with serve(settings, ask, intervals=Intervals(certificate_s=0.01)) as url:
        assert url.startswith("https://")
        assert await names_of(url, authority, server_name) == {"one"}
        issue(authority, tmp_path, "two")
        while await names_of(url, authority, server_name) != {"two"}:
            await asyncio.sleep(0.02)


def test_files_that_cannot_be_used_change_nothing_until_they_can(tmp_path: Path) -> None:
    authority = trustme.CA()
    of_port = certificate(issue(authority, tmp_path, "one"))
    assert of_port is not None
    before = given(of_port)
    of_port.look()
    assert given(of_port) is before, "nothing has changed"
    of_another = trustme.CA().issue_cert("x").private_key_pem.bytes()
    for name, data in (("tls.key", of_another), ("tls.crt", b"half"), ("tls.crt", None)):
        (tmp_path / name).unlink()
        if data is not None:
            (tmp_path / name).write_bytes(data)
        of_port.look()
        assert given(of_port) is before, name
    issue(authority, tmp_path, "three")
    of_port.look()
    assert given(of_port) is not before


def given(of_port: Certificate) -> ssl.SSLContext:
    """What a connection is given now."""
    connection = _Connection()
    choose: Callable[[object, str | None, ssl.SSLContext], None] = of_port.context.sni_callback  # type: ignore[assignment]
    choose(connection, None, of_port.context)
    return connection.context


class _Connection:
    context: ssl.SSLContext


async def test_what_speaks_no_tls_is_turned_away(tmp_path: Path) -> None:
    async with serve(issue(trustme.CA(), tmp_path, "one"), ask) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"processor" not in await reader.read()
        writer.close()


@pytest.mark.parametrize("what", ["absent", "no PEM", "another's key", "an encrypted key"])
def test_files_that_cannot_be_used_are_reported_at_the_start(tmp_path: Path, what: str) -> None:
    authority = trustme.CA()
    settings = issue(authority, tmp_path, "one")
    if what == "absent":
        (tmp_path / "tls.key").unlink()
    elif what == "no PEM":
        (tmp_path / "tls.crt").write_text("no certificate")
    elif what == "another's key":
        (tmp_path / "tls.key").write_bytes(authority.issue_cert("two").private_key_pem.bytes())
    else:
        encrypted(tmp_path / "tls.key")
    with pytest.raises(ConfigurationError, match="PROCESSOR_HTTP_TLS_CERT_FILE, _KEY_FILE"):
        certificate(settings)


def test_an_encrypted_key_is_taken_with_its_password(tmp_path: Path) -> None:
    settings = issue(trustme.CA(), tmp_path, "one")
    encrypted(tmp_path / "tls.key")
    assert certificate(settings.model_copy(update={"http_tls_key_password": PASSWORD})) is not None


PASSWORD = ServiceSettings.model_validate({"http_tls_key_password": "pass-41"}).http_tls_key_password


def encrypted(path: Path) -> None:
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415  of one test

    key = serialization.load_pem_private_key(path.read_bytes(), None)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"pass-41"),
        )
    )


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_the_image_s_probe_asks_as_the_port_is_served(tmp_path: Path, scheme: str) -> None:
    with_tls = issue(trustme.CA(), tmp_path, "one")
    settings = with_tls if scheme == "https" else ServiceSettings.model_validate({"http_port": 0})
    async with serve(settings, ask) as url:
        environ = {"PROCESSOR_HTTP_PORT": url.rpartition(":")[2]}
        if scheme == "https":
            environ["PROCESSOR_HTTP_TLS_CERT_FILE"] = str(tmp_path / "tls.crt")
        assert await asyncio.to_thread(trouble, environ) is None
    assert "does not answer" in str(await asyncio.to_thread(trouble, environ))
