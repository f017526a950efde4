"""The page and the metrics behind a password, a token and TLS, as `processor run` serves them."""

from __future__ import annotations

import asyncio
import re
import ssl
from typing import TYPE_CHECKING

import aiohttp
import pytest
import trustme

from processor.embedded.server import free_ports
from processor.web.probe import trouble
from tests.support.http_login import basic
from tests.support.process import destination_file, environ, processor
from tests.support.world import vector

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.integration]


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_strangers_see_the_probes_alone_and_nothing_secret_is_logged(
    tmp_path: Path, workers: str
) -> None:
    kafka, kinesis, port = free_ports(3)
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    issued.private_key_pem.write_to_path(tmp_path / "tls.key")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "tls.crt")
    (tmp_path / "token").write_text("token-41\n")
    ours = {
        **environ(f"127.0.0.1:{kafka}", "events", tmp_path),
        "PROCESSOR_WORKERS": workers,
        "PROCESSOR_HTTP_PORT": str(port),
        "PROCESSOR_HTTP_USER": "ops",
        "PROCESSOR_HTTP_PASSWORD": "pass-41",
        "PROCESSOR_HTTP_TOKEN_FILE": str(tmp_path / "token"),
        "PROCESSOR_HTTP_TLS_CERT_FILE": str(tmp_path / "tls.crt"),
        "PROCESSOR_HTTP_TLS_KEY_FILE": str(tmp_path / "tls.key"),
    }
    path = destination_file(tmp_path, vector("seed-example"), "exports", f"http://127.0.0.1:{kinesis}")
    context = ssl.create_default_context()
    authority.configure_trust(context)
    connector = aiohttp.TCPConnector(ssl=context)
    running = processor("run", "--destination", str(path), environ=ours)
    async with running as (child, lines), aiohttp.ClientSession(connector=connector) as http:
        while not any("serving" in line for line in lines):
            assert child.returncode is None, "".join(lines)
            await asyncio.sleep(0.02)
        url = f"https://localhost:{port}"
        assert any(f"https://127.0.0.1:{port}" in line for line in lines)

        async def status(path: str, **headers: str) -> int:
            async with http.get(f"{url}{path}", headers=headers) as answer:
                return answer.status

        assert [await status("/livez"), await status("/readyz")] == [200, 503]
        assert await asyncio.to_thread(trouble, ours) is None
        for path_ in ("/", "/metrics", "/api/status"):
            assert await status(path_) == 401
            assert await status(path_, Authorization="Bearer wrong-41") == 401
            assert await status(path_, Authorization="Bearer token-41") == 200
            assert await status(path_, Authorization=basic("ops", "pass-41")) == 200
        async with http.get(f"{url}/api/events", headers={"Authorization": "Bearer token-41"}) as answer:
            assert (await answer.content.readline()).startswith(b"data: {")

        reader, writer = await asyncio.open_connection("127.0.0.1", port)  # without TLS
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"processor_" not in await reader.read()
        writer.close()
        child.terminate()
        await child.wait()
    said = "".join(lines)
    assert "wrong credentials" in said
    assert not re.search("pass-41|token-41|wrong-41|Traceback", said), said
