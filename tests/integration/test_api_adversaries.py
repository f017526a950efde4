"""Whoever calls the API without a right to, or with what is no request: nothing changes, nothing leaks, exports go on."""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import resource
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.support.defined import KEY, SERVICE, TOKEN, Api, DefinedMember, defined_environ, mapped
from tests.support.members import Producer
from tests.support.observation import ready, url_of
from tests.support.scripted_kinesis import ScriptedKinesis
from tests.support.served_kinesis import served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

pytestmark = [pytest.mark.integration]

READ_TOKEN: Final = "a-read-token-of-the-tests-01234"
POLICIES: Final = "/data/foundation/dulepolicy"
SLOW: Final = 120
"""Connections that send nothing more: far more than there may be requests at once."""


@asynccontextmanager
async def exporting(
    kafka: str, topic: str, directory: Path, key: str = "test", **changes: str
) -> AsyncIterator[tuple[DefinedMember, dict[str, str], str, str, ScriptedKinesis]]:
    """A member that exports the segment `one`: itself, its environment, its URL, its flow's id, and its stream."""
    scripted = ScriptedKinesis(random.Random(5))
    environ = defined_environ(kafka, topic, directory, api_read_token=READ_TOKEN, **changes)
    member = DefinedMember(directory, environ | {"PYTHONFAULTHANDLER": "1", "EXPORT_KEY": "key-by-name-4d2a"})
    async with served(scripted) as kinesis_url, aiohttp.ClientSession() as http:
        await member.start()
        resource.prlimit(member.process.pid, resource.RLIMIT_CORE, (0, 0))
        try:
            url = await url_of(member)
            await ready(http, url)
            api = Api(http, url)
            source, connection = await api.connect(kinesis_url, key)
            _, flow = await api.activate(source, connection, "one")
            yield member, environ, url, flow, scripted
        finally:
            await member.kill()


def event(number: int, segment: str = "one") -> tuple[bytes, bytes]:
    entry = {"status": "realized", "lastQualificationTime": f"2020-01-01T00:{number:02d}:00Z"}
    value = {"number": number, "segmentMembership": {"ups": {segment: entry}}}
    return b"p1", json.dumps(value).encode()


async def exports_reach(kinesis: ScriptedKinesis, count: int) -> None:
    while len(kinesis.stored) < count:
        await asyncio.sleep(0.02)


async def kept(kafka: str, topic: str) -> list[bytes]:
    """All that the topic of the definition has, keys and values, to its end of now."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka, auto_offset_reset="earliest", max_partition_fetch_bytes=1 << 24
    )
    await consumer.start()
    try:
        partition = TopicPartition(f"group-{topic}-{topic}-configuration", 0)
        consumer.assign([partition])
        end = (await consumer.end_offsets([partition]))[partition]
        found: list[bytes] = []
        while await consumer.position(partition) < end:
            for records in (await consumer.getmany(timeout_ms=500)).values():
                found += [
                    part for record in records for part in (record.key, record.value) if part is not None
                ]
        assert found
        return found
    finally:
        await consumer.stop()


async def raw(url: str, head: str, body: bytes = b"") -> bytes:
    """What is answered to bytes as they are, up to the end of the connection; nothing where it is only closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    writer.write(head.replace("\n", "\r\n").encode("latin-1") + b"\r\n\r\n" + body)
    try:
        return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


def head(method: str, path: str, *headers: str) -> str:
    return "\n".join([f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", *headers])


def hostile(flow: str) -> dict[str, tuple[str, bytes]]:
    """Requests that may not change a thing, each with what it tries."""
    bearer, read, json_type = (
        f"Authorization: Bearer {TOKEN}",
        f"Authorization: Bearer {READ_TOKEN}",
        "Content-Type: application/json",
    )
    flows, one = f"{SERVICE}/flows", f"{SERVICE}/flows/{flow}"
    patch = json.dumps([mapped("theirs")]).encode()
    sized = f"Content-Length: {len(patch)}"
    return {
        "no token": (head("DELETE", one), b""),
        "a token in the query": (head("DELETE", f"{one}?access_token={TOKEN}"), b""),
        "a token in a cookie": (head("DELETE", one, f"Cookie: Authorization=Bearer {TOKEN}"), b""),
        "a token as a password": (head("DELETE", one, "Authorization: Basic OmEtdG9rZW4="), b""),
        "a token of other case": (head("DELETE", one, f"Authorization: Bearer {TOKEN.upper()}"), b""),
        "a token and more": (head("DELETE", one, f"{bearer}, Bearer x"), b""),
        "two tokens": (head("DELETE", one, "Authorization: Bearer x", bearer), b""),
        "a token of no algorithm": (
            head("DELETE", one, "Authorization: Bearer eyJhbGciOiJub25lIn0.e30."),
            b"",
        ),
        "a token in a proxy's header": (
            head("DELETE", one, f"X-Forwarded-Authorization: Bearer {TOKEN}"),
            b"",
        ),
        "a user of a proxy's": (head("DELETE", one, "X-Forwarded-User: admin", "X-Real-IP: 127.0.0.1"), b""),
        "a read token deletes": (head("DELETE", one, read), b""),
        "a read token patches": (head("PATCH", one, read, "If-Match: *", json_type, sized), patch),
        "a read token overrides the method": (head("GET", one, read, "X-HTTP-Method-Override: DELETE"), b""),
        "a name that leads here": (
            head("DELETE", one, bearer).replace("Host: localhost", "Host: rebound.example"),
            b"",
        ),
        "another path by dots": (head("GET", f"{SERVICE}/../../../api/status", bearer), b""),
        "another path by encoded dots": (head("GET", f"{SERVICE}/%2e%2e/%2e%2e/api/status", bearer), b""),
        "another path by a backslash": (head("GET", f"{SERVICE}\\..\\flows", bearer), b""),
        "an encoded slash": (head("DELETE", f"{SERVICE}%2fflows%2f{flow}", bearer), b""),
        "a zero byte in a path": (head("DELETE", f"{flows}/%00", bearer), b""),
        "no If-Match": (head("PATCH", one, bearer, json_type, sized), patch),
        "another's etag": (head("PATCH", one, bearer, 'If-Match: "other"', json_type, sized), patch),
        "a form of a page": (head("POST", flows, bearer, "Content-Type: text/plain", sized), patch),
        "a body by its length too large": (
            head("POST", flows, bearer, json_type, "Content-Length: 99999999999"),
            b"{}",
        ),
        "a length below zero": (head("POST", flows, bearer, json_type, "Content-Length: -1"), b"{}"),
        "two lengths": (head("PATCH", one, bearer, json_type, "Content-Length: 1", sized), patch),
        "a length and chunks": (
            head("PATCH", one, bearer, json_type, "If-Match: *", sized, "Transfer-Encoding: chunked"),
            b"0\r\n\r\n" + patch,
        ),
        "a chunk of no size": (
            head("POST", flows, bearer, json_type, "Transfer-Encoding: chunked"),
            b"zz\r\n{}\r\n0\r\n\r\n",
        ),
        "headers without end": (
            head("DELETE", one, bearer, *(f"X-{n}: {'x' * 900}" for n in range(40))),
            b"",
        ),
        "a path without end": (head("GET", f"{flows}/{'x' * 6_000}", bearer), b""),
        "a method of its own": (head("PROPFIND", flows, bearer), b""),
        "a nested body": (head("POST", flows, bearer, json_type, "Content-Length: 50000"), b"[" * 50_000),
        "no JSON": (head("POST", flows, bearer, json_type, "Content-Length: 9"), b"<a>b</a>\xff"),
        "a member of Python's": (
            head("POST", flows, bearer, json_type, "Content-Length: 47"),
            b'{"__class__":{"__init__":{"__globals__":"x"}}}\n',
        ),
        "a patch of all": (
            head("PATCH", one, bearer, json_type, "If-Match: *", "Content-Length: 38"),
            b'[{"op":"replace","path":"","value":0}]',
        ),
        "lines in a header": (head("DELETE", one, "Authorization: Bearer x\rAuthorization: Bearer y"), b""),
        "no HTTP": ("\x16\x03\x01\x02\x00\x01\x00", b""),
    }


async def test_no_request_without_a_right_or_a_meaning_changes_anything_and_exports_go_on(
    kafka: str, topic: str, tmp_path: Path
) -> None:
    async with (
        exporting(kafka, topic, tmp_path) as (member, _, url, flow, scripted),
        Producer(kafka, topic) as producer,
        aiohttp.ClientSession() as http,
    ):
        await producer.produce([event(1)])
        await exports_reach(scripted, 1)
        before = await kept(kafka, topic)
        answers = {what: await raw(url, *request) for what, request in hostile(flow).items()}
        for what, answer in answers.items():
            status = answer.partition(b"\r\n")[0]
            wanted = b"200" if what == "a read token overrides the method" else b"4.."
            assert not answer or re.match(rb"HTTP/1\.[01] " + wanted, status), f"{what}: {status!r}"
            assert TOKEN.encode() not in answer, what
        assert await kept(kafka, topic) == before
        await Api(http, url).call("GET", f"/flows/{flow}", status=200)
        await producer.produce([event(2)])
        await exports_reach(scripted, 2)
        log = member.log.read_text()
        assert await member.stop() == 0
    assert "please report" not in log
    assert "Traceback" not in log


async def test_who_sends_slowly_keeps_nobody_else_from_the_api_the_probes_or_their_exports(
    kafka: str, topic: str, tmp_path: Path
) -> None:
    async with (
        exporting(kafka, topic, tmp_path) as (member, _, url, flow, scripted),
        Producer(kafka, topic) as producer,
        aiohttp.ClientSession() as http,
    ):
        port = int(url.rpartition(":")[2])
        bodies = head("POST", f"{SERVICE}/flows", "Authorization: Bearer unknown", "Content-Length: 1000000")
        slow = [await asyncio.open_connection("127.0.0.1", port) for _ in range(SLOW)]
        try:
            for number, (_, writer) in enumerate(slow):
                # Half of them do not end their head, half have no right to the body that they do not send.
                text = bodies.replace("Connection: close\n", "") + ("\n\n{" if number % 2 else "\nX-Slow: ")
                writer.write(text.replace("\n", "\r\n").encode())
                await writer.drain()
            await producer.produce([event(1)])
            await exports_reach(scripted, 1)
            await ready(http, url)
            await Api(http, url).patch(f"/flows/{flow}", mapped("two"))
            await producer.produce([event(2, "two")])
            await exports_reach(scripted, 2)
        finally:
            for _, writer in slow:
                writer.close()
        assert await member.stop() == 0


async def test_no_secret_is_in_anything_that_the_service_tells_keeps_or_leaves_behind(
    kafka: str, topic: str, tmp_path: Path
) -> None:
    secrets = {
        "the access key": "access-key-c0b7",
        "the changed secret key": "secret-key-91ea",
        "a key by its name": "key-by-name-4d2a",
        "the token": TOKEN,
        "the read token": READ_TOKEN,
        "the key that seals": KEY,
        "a misplaced key": "misplaced-key-58d3",
        "a mistyped key": "mistyped-key-0e6f",
        "a secret in no JSON": "no-json-secret-b24c",
        "a forged token": "forged-token-7a7a7a7a7a",
        "a broken header": "broken-header-3d9e",
    }
    told: dict[str, str] = {}
    async with (
        exporting(kafka, topic, tmp_path, secrets["the access key"], log_level="debug") as (
            member,
            environ,
            url,
            flow,
            scripted,
        ),
        Producer(kafka, topic) as producer,
        aiohttp.ClientSession() as http,
    ):
        await producer.produce([event(1)])
        await exports_reach(scripted, 1)
        told |= await answers_to_wrong_secrets(http, url, flow, secrets)
        # Whoever sends no HTTP may be shown what they sent; the log is not to have it.
        await raw(
            url, head("GET", f"{SERVICE}/flows", f"Authorization: Bearer {secrets['a broken header']}\0")
        )
        told |= await all_that_is_served(http, url)
        told["the topic"] = b"\n".join(await kept(kafka, topic)).decode(errors="replace")
        for arguments in (
            ("configuration", "show"),
            ("configuration", "show", "--json"),
            ("configuration", "to-files", "--dry-run"),
            ("validate",),
        ):
            told[f"processor {' '.join(arguments)}"] = await command(tmp_path, environ, *arguments)
        pids = [member.process.pid, *member.worker_pids()]
        told["arguments"] = "".join(Path(f"/proc/{pid}/cmdline").read_text() for pid in pids)
        for pid in reversed(pids):  # each with the stacks of its threads, as of a process that hangs
            resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))
            os.kill(pid, signal.SIGABRT)
        await member.process.wait()
    told["the log, and stacks"] = member.log.read_text()
    assert "Fatal Python error: Aborted" in told["the log, and stacks"]
    assert "${EXPORT_KEY}" in told["processor configuration to-files --dry-run"]
    assert '"$sealed"' in told["the topic"]
    assert told["processor configuration show --json"].count("**********") >= 1
    for place, text in told.items():
        for name, secret in secrets.items():
            assert secret not in text, f"{name} is in {place}"


async def answers_to_wrong_secrets(
    http: aiohttp.ClientSession, url: str, flow: str, secrets: Mapping[str, str]
) -> dict[str, str]:
    """What is answered to secrets in right places and wrong ones."""
    told: dict[str, str] = {}

    async def ask(what: str, method: str, path: str, token: str = TOKEN, **sent: Any) -> Any:
        headers = {"Authorization": f"Bearer {token}", "If-Match": "*"} | sent.pop("headers", {})
        async with http.request(method, f"{url}{path}", headers=headers, **sent) as answer:
            told[what] = f"{answer.status} {dict(answer.headers)} {await answer.text()}"
            return await answer.json() if answer.status in {200, 201, 202} else None

    listed = await ask("connections", "GET", f"{SERVICE}/connections")
    (kinesis,) = [each for each in listed["items"] if "auth" in each]
    place = f"{SERVICE}/connections/{kinesis['id']}"
    params = "/auth/params"

    def replaced(member: str, value: Any) -> list[dict[str, Any]]:
        return [{"op": "replace", "path": f"{params}/{member}", "value": value}]

    await ask("a reference", "PATCH", place, json=replaced("accessKeyId", "${EXPORT_KEY}"))
    await ask("a new secret", "PATCH", place, json=replaced("secretKey", secrets["the changed secret key"]))
    assert told["a new secret"].startswith("202"), told["a new secret"]
    mistyped = secrets["a mistyped key"]
    for value in ([mistyped], {"a": mistyped}, {"$sealed": mistyped}, f"{mistyped}\ud800"):
        await ask(f"mistyped as {type(value).__name__}", "PATCH", place, json=replaced("secretKey", value))
    await ask(
        "a test", "PATCH", place, json=[{"op": "test", "path": f"{params}/secretKey", "value": mistyped}]
    )
    await ask("a copy", "PATCH", place, json=[{"op": "copy", "from": f"{params}/secretKey", "path": "/name"}])
    misplaced = secrets["a misplaced key"]
    for path in (f"{SERVICE}/flows/{flow}", place):
        add = [{"op": "add", "path": "/secretKey", "value": misplaced}]
        await ask(f"misplaced in {path}", "PATCH", path, json=add)
    await ask(
        "misplaced in a new one", "POST", f"{SERVICE}/connections", json={**kinesis, "secretKey": misplaced}
    )
    broken = f'{{"secretKey": "{secrets["a secret in no JSON"]}", '.encode()
    json_type = {"Content-Type": "application/json"}
    await ask("no JSON", "POST", f"{SERVICE}/connections", data=broken, headers=json_type)
    await ask("a forged token", "GET", f"{SERVICE}/flows", token=secrets["a forged token"])
    await ask("a read token's change", "DELETE", place, token=READ_TOKEN)
    wrong = [what for what, text in told.items() if text.startswith("5")]
    assert not wrong, {what: told[what] for what in wrong}
    return told


async def all_that_is_served(http: aiohttp.ClientSession, url: str) -> dict[str, str]:
    told: dict[str, str] = {}
    flow_service = [
        f"{SERVICE}/{name}" for name in ("flows", "connections", "sourceConnections", "targetConnections")
    ]
    policies = [
        f"{POLICIES}/{name}" for name in ("policies/custom", "labels", "enforcement", "consentPolicies")
    ]
    specs = [f"{SERVICE}/connectionSpecs", f"{SERVICE}/flowSpecs"]
    for path in ("/", "/livez", "/readyz", "/metrics", "/api/status", *flow_service, *policies, *specs):
        for token in (TOKEN, READ_TOKEN):
            async with http.get(url + path, headers={"Authorization": f"Bearer {token}"}) as answer:
                told[
                    f"{path} by {'a read token' if token == READ_TOKEN else 'a token'}"
                ] = await answer.text()
    return told


async def command(directory: Path, environ: Mapping[str, str], *arguments: str) -> str:
    """All that a command writes."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "processor",
        *arguments,
        env={**environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        cwd=directory,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    told, _ = await child.communicate()
    return told.decode()
