"""The edge of the API: who is let in, with what, how often; and what they are told otherwise."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import pytest
from structlog.testing import capture_logs
from yarl import URL

from processor.api.errors import ApiError, Wrong
from processor.api.http import PREFIX, UNDER_WAY, application
from processor.api.limits import Limits
from processor.api.request import Answer
from processor.api.routes import Call, Change, Read
from processor.api.tokens import Tokens
from processor.definition.model import Definition, Resource
from processor.errors import DefinitionConflict, DefinitionUnavailable, KafkaRefused, KafkaUnavailable
from processor.settings import ApiSettings, ServiceSettings
from processor.telemetry.report import Fleet
from processor.web.server import serve
from tests.support.kept_in_memory import KeptInMemory

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from processor.api.request import Occasion, Request
    from processor.api.routes import Route
    from processor.flow_service.documents import Json

TOKEN: Final = "may-change-anything-1"
READ_TOKEN: Final = "may-read-anything-001"
SECRET: Final = "a-secret-that-nobody-sees"
THINGS: Final = f"{PREFIX}/service/things"


def things(definition: Definition, _: Request) -> Answer:
    return Answer(body={"items": [each.id for each in definition.of("flows")]})


def thing(definition: Definition, request: Request) -> Answer:
    found = definition.find("flows", request.parts["id"])
    if found is None:
        raise ApiError(404, "Not Found", "there is none", [Wrong("/id", "it is unknown")])
    return Answer(body=dict(found.body), etag=found.etag)


def add(definition: Definition, request: Request, occasion: Occasion) -> tuple[Definition, Answer]:
    if not isinstance(request.body, dict):
        raise ApiError(400, "Bad Request", "the body is no object")
    if "fault" in request.body:
        raise RuntimeError(f"it says {SECRET}")
    if request.body.get("same"):
        return definition, Answer()
    id_ = str(request.body.get("id") or occasion.new_id())
    made = Resource(
        "flows",
        id_,
        request.body,
        occasion.new_etag(),
        occasion.now_ms,
        occasion.now_ms,
        occasion.by,
        occasion.by,
    )
    answered: Json = {"id": id_, "after": [each.id for each in definition.of("flows")]}
    return definition.with_(made), Answer(201, answered, made.etag, f"{THINGS}/{id_}")


ROUTES: Final[list[Route]] = [
    Read(Call("GET", THINGS, "List things"), things),
    Read(Call("GET", THINGS + "/{id}", "Look a thing up"), thing),
    Read(Call("GET", THINGS + "/first", "The first thing"), lambda _d, _r: Answer(body="the first")),
    Change(Call("POST", THINGS, "Make a thing"), add),
]


@dataclass
class Asked:
    status: int
    headers: Any
    body: Any


@dataclass
class Api:
    kept: KeptInMemory
    http: aiohttp.ClientSession
    url: str

    async def ask(self, method: str, path: str = THINGS, *, token: str | None = TOKEN, **more: Any) -> Asked:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        headers |= more.pop("headers", {})
        async with self.http.request(method, self.url + path, headers=headers, **more) as answer:
            text = await answer.text()
            return Asked(answer.status, answer.headers, json.loads(text) if text else None)

    async def raw(self, head: str, body: bytes = b"") -> bytes:
        """What is answered to bytes as they are, up to the end of the connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", int(self.url.rpartition(":")[2]))
        writer.write(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)
        try:
            return await reader.read()
        finally:
            writer.close()


@asynccontextmanager
async def api(
    limits: Limits = Limits(),  # noqa: B008  it is immutable
    routes: Sequence[Route] = ROUTES,
    **service: Any,
) -> AsyncIterator[Api]:
    async def ask() -> Fleet:
        return Fleet([])

    kept = KeptInMemory()
    tokens = Tokens(ApiSettings.model_validate({"api_token": TOKEN, "api_read_token": READ_TOKEN}))
    app = application(routes, kept.current, kept.change, tokens, limits)
    settings = ServiceSettings.model_validate({"http_port": 0, **service})
    async with (
        serve(settings, ask, mounted={PREFIX: app}) as url,
        aiohttp.ClientSession() as http,
    ):
        yield Api(kept, http, url)


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        f"Basic {TOKEN}",
        TOKEN,
        "Bearer \xff",
    ],
)
@pytest.mark.parametrize(
    ("method", "path"), [("GET", THINGS), ("POST", THINGS), ("OPTIONS", THINGS), ("GET", f"{PREFIX}/nothing")]
)
async def test_without_a_known_token_nothing_is_told_and_nothing_changes(
    authorization: str | None, method: str, path: str
) -> None:
    async with api() as served:
        headers = {} if authorization is None else {"Authorization": authorization}
        answer = await served.ask(method, path, token=None, headers=headers)
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="processor"'
        assert served.kept.definition.version == 0


@pytest.mark.parametrize("part", ["%0A", "a%0Db", "%E2%80%A8", "%00"])
async def test_a_path_with_any_character_is_answered_by_the_api(part: str) -> None:
    async with api() as served:
        head = f"GET {THINGS}/{part} HTTP/1.1\nHost: localhost\nConnection: close"
        assert b" 401 " in (await served.raw(head)).partition(b"\r\n")[0]
        answered = await served.raw(f"{head}\nAuthorization: Bearer {TOKEN}")
        assert b" 404 " in answered.partition(b"\r\n")[0]
        assert b"application/problem+json" in answered


async def test_two_tokens_in_one_request_are_none() -> None:
    async with api() as served:
        answered = await served.raw(
            f"GET {THINGS} HTTP/1.1\nHost: localhost\nConnection: close\n"
            f"Authorization: Bearer {TOKEN}\nAuthorization: Bearer {TOKEN}"
        )
        assert b" 401 " in answered.partition(b"\r\n")[0]


async def test_a_read_token_reads_and_changes_nothing() -> None:
    async with api() as served:
        assert (await served.ask("GET", token=READ_TOKEN)).status == 200
        refused = await served.ask("POST", token=READ_TOKEN, json={})
        assert (refused.status, refused.body["title"]) == (403, "Forbidden")
        assert served.kept.definition.version == 0


async def test_the_page_s_password_is_not_the_api_s_and_the_api_s_token_not_the_page_s() -> None:
    async with api(http_token="of-the-page") as served:
        assert (await served.ask("GET")).status == 200
        assert (await served.ask("GET", token="of-the-page")).status == 401
        for path in ("/api/status", f"{PREFIX}/../../api/status", "/metrics"):
            async with served.http.get(
                served.url + path, headers={"Authorization": f"Bearer {TOKEN}"}
            ) as answer:
                assert answer.status in {401, 404}


async def test_a_change_is_kept_and_answered_with_its_etag_and_place() -> None:
    async with api() as served:
        with capture_logs() as lines:
            made = await served.ask("POST", json={"id": "a", "accessKey": SECRET})
        assert made.status == 201
        assert made.headers["Location"] == f"{THINGS}/a"
        found = await served.ask("GET", f"{THINGS}/a")
        assert found.headers["ETag"] == made.headers["ETag"]
        assert found.body == {"id": "a", "accessKey": SECRET}
        (line,) = [each for each in lines if each["event"] == "the definition was changed by the API"]
        assert line["token"].startswith("token ")
        assert (line["method"], line["path"], line["version"]) == ("POST", THINGS, 1)
        assert line["request"] == made.headers["x-request-id"]
        assert not any(secret in str(lines) for secret in (SECRET, TOKEN))


async def test_what_changes_nothing_is_not_logged_as_a_change() -> None:
    async with api() as served:
        with capture_logs() as lines:
            assert (await served.ask("POST", json={"same": True})).status == 200
        assert not lines
        assert served.kept.definition.version == 0


async def test_a_change_is_made_again_from_what_came_before_it() -> None:
    async with api() as served:
        other = Resource("flows", "first", {}, '"e"', 0, 0, "x", "x")
        served.kept.comes_first = [lambda definition: definition.with_(other)]
        made = await served.ask("POST", json={"id": "second"})
        assert made.body["after"] == ["first"]
        assert (await served.ask("GET")).body == {"items": ["first", "second"]}


async def test_changes_that_are_made_at_once_are_all_kept() -> None:
    async with api() as served:
        answers = await asyncio.gather(*(served.ask("POST", json={"id": str(each)}) for each in range(12)))
        assert [answer.status for answer in answers] == [201] * 12
        assert served.kept.definition.version == 12
        assert sorted(len(answer.body["after"]) for answer in answers) == list(range(12))


async def test_a_change_before_which_others_come_again_and_again_is_given_up() -> None:
    async with api() as served:
        served.kept.comes_first = [lambda definition: definition] * 100
        answer = await served.ask("POST", json={"id": "a"})
        assert (answer.status, answer.headers["Retry-After"]) == (409, "1")
        assert served.kept.definition.find("flows", "a") is None


async def test_what_is_refused_is_answered_in_one_form_with_what_and_where() -> None:
    async with api() as served:
        refused = await served.ask("GET", f"{THINGS}/unknown")
        assert refused.headers["Content-Type"].startswith("application/problem+json")
        assert refused.body == {
            "type": "about:blank",
            "title": "Not Found",
            "status": 404,
            "detail": "there is none",
            "report": {"errors": [{"pointer": "/id", "message": "it is unknown"}]},
        }


async def test_a_fault_is_answered_and_logged_without_what_it_says() -> None:
    async with api() as served:
        with capture_logs() as lines:
            answer = await served.ask("POST", json={"fault": SECRET})
        assert answer.status == 500
        assert SECRET not in str(answer.body)
        assert any("please report it" in line["event"] and "test_http.py" in line["trace"] for line in lines)
        assert SECRET not in str(lines)
        assert (await served.ask("GET")).status == 200


@pytest.mark.parametrize(
    ("error", "status", "again"),
    [
        (DefinitionConflict("others came first"), 409, True),
        (KafkaUnavailable("it does not answer; it is not known whether it was kept"), 503, True),
        (KafkaRefused("the topic may not be written"), 503, False),
    ],
)
async def test_a_change_that_cannot_be_kept_is_an_error_that_says_why(
    error: Exception, status: int, again: bool
) -> None:
    async with api() as served:
        served.kept.fail = error
        answer = await served.ask("POST", json={})
        assert (answer.status, answer.body["detail"]) == (status, str(error))
        assert ("Retry-After" in answer.headers) == again
        assert served.kept.definition.version == 0


async def test_while_the_definition_is_not_known_nothing_is_answered_of_it() -> None:
    async with api() as served:
        served.kept.unavailable = DefinitionUnavailable("it was not read yet")
        for answer in (await served.ask("GET"), await served.ask("POST", json={})):
            assert (answer.status, answer.body["detail"]) == (503, "it was not read yet")


async def test_a_change_that_nobody_waits_for_any_longer_is_kept_to_its_end() -> None:
    async with api() as served:
        served.kept.gate.clear()
        asking = asyncio.create_task(served.ask("POST", json={"id": "a"}))
        while not served.kept.waiting:
            await asyncio.sleep(0.01)
        asking.cancel()
        await asyncio.wait([asking])
        assert (await served.ask("GET")).headers[UNDER_WAY] == "1"
        served.kept.gate.set()
        while (await served.ask("GET")).headers[UNDER_WAY] != "0":
            await asyncio.sleep(0.01)
        assert served.kept.definition.find("flows", "a") is not None


async def test_answers_say_how_many_changes_are_under_way_the_refusals_too() -> None:
    async with api() as served:
        assert (await served.ask("GET")).headers[UNDER_WAY] == "0"
        served.kept.gate.clear()
        asking = [asyncio.create_task(served.ask("POST", json={"id": id_})) for id_ in ("a", "b")]
        while (await served.ask("GET")).headers[UNDER_WAY] != "2":
            await asyncio.sleep(0.01)
        assert (await served.ask("GET", token="unknown")).headers[UNDER_WAY] == "2"
        served.kept.gate.set()
        for each in asking:
            await each
        assert (await served.ask("GET")).headers[UNDER_WAY] == "0"


async def test_who_waits_too_long_is_told_that_it_is_not_known() -> None:
    async with api(Limits(answer_s=0.05)) as served:
        served.kept.gate.clear()
        answer = await served.ask("POST", json={"id": "a"})
        assert answer.status == 503
        assert "may take it yet" in answer.body["detail"]
        served.kept.gate.set()


async def test_more_changes_at_once_than_there_may_be_are_told_to_wait() -> None:
    async with api(Limits(changes=1)) as served:
        served.kept.gate.clear()
        first = asyncio.create_task(served.ask("POST", json={"id": "a"}))
        while not served.kept.waiting:
            await asyncio.sleep(0.01)
        second = await served.ask("POST", json={"id": "b"})
        assert (second.status, second.headers["Retry-After"]) == (429, "1")
        assert (await served.ask("GET")).status == 200
        served.kept.gate.set()
        assert (await first).status == 201
        assert (await served.ask("POST", json={"id": "b"})).status == 201


async def test_more_requests_at_once_than_there_may_be_are_told_to_wait() -> None:
    async with api(Limits(requests=1)) as served:
        served.kept.gate.clear()
        first = asyncio.create_task(served.ask("POST", json={"id": "a"}))
        while not served.kept.waiting:
            await asyncio.sleep(0.01)
        assert (await served.ask("GET")).status == 429
        served.kept.gate.set()
        assert (await first).status == 201
        assert (await served.ask("GET")).status == 200


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "it is not JSON"),
        (b'{"a": 1, "a": 2}', "it is given twice"),
        (b'{"a": NaN}', "NaN is no number"),
        (b'{"a": 1e999}', "beyond a double"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[" * 62 + b"]" * 62, "nested too deeply"),
        (b" ", "it is empty"),
        (b'{"a": ' + b"1" * 5_000 + b"}", "it is not JSON"),
    ],
)
async def test_what_is_no_json_that_all_read_alike_is_refused(body: bytes, said: str) -> None:
    async with api() as served:
        answer = await served.ask("POST", data=body, headers={"Content-Type": "application/json"})
        assert answer.status == 400
        assert said in json.dumps(answer.body)
        assert served.kept.definition.version == 0


async def test_a_body_of_more_members_than_memory_is_to_hold_is_refused() -> None:
    async with api(Limits(members=100)) as served:
        answer = await served.ask("POST", json={"a": [1] * 101})
        assert answer.status == 413


@pytest.mark.parametrize("is_chunked", [False, True])
async def test_a_body_that_is_too_large_is_refused(is_chunked: bool) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(11):
            yield b" " * 100

    async with api(Limits(body_bytes=1_000)) as served:
        data = chunks() if is_chunked else b" " * 1_001
        answer = await served.ask("POST", data=data, headers={"Content-Type": "application/json"})
        assert answer.status == 413


async def test_a_body_that_comes_too_slowly_is_refused() -> None:
    async with api(Limits(body_s=0.05)) as served:
        answered = await served.raw(
            f"POST {THINGS} HTTP/1.1\nHost: localhost\nAuthorization: Bearer {TOKEN}\n"
            "Content-Type: application/json\nContent-Length: 10",
            b"{",
        )
        assert b" 408 " in answered.partition(b"\r\n")[0]
        assert served.kept.definition.version == 0


async def test_a_body_is_asked_for_only_where_it_would_be_taken() -> None:
    head = "HTTP/1.1\nHost: localhost\nConnection: close\nExpect: 100-continue\nContent-Type: application/json\nContent-Length: 2"
    async with api() as served:
        for token in (READ_TOKEN, "unknown"):
            answered = await served.raw(f"POST {THINGS} {head}\nAuthorization: Bearer {token}", b"{}")
            assert b"100 Continue" not in answered
        answered = await served.raw(f"POST {THINGS} {head}\nAuthorization: Bearer {TOKEN}", b"{}")
        assert answered.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "application/json"}, 201),
        ({"Content-Type": "application/json; charset=UTF-8"}, 201),
        ({"Content-Type": "application/vnd.adobe+json"}, 201),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 201),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "multipart/form-data; boundary=x"}, 415),
        ({"Content-Type": "application/json; charset=latin-1"}, 415),
        ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, 415),
    ],
)
async def test_bodies_are_json_as_it_is(headers: dict[str, str], status: int) -> None:
    async with api() as served:
        answer = await served.ask("POST", data=b"{}", headers=headers)
        assert answer.status == status


async def test_json_without_a_type_is_taken() -> None:
    async with api() as served:
        answered = await served.raw(
            f"POST {THINGS} HTTP/1.1\nHost: localhost\nConnection: close\n"
            f"Authorization: Bearer {TOKEN}\nContent-Length: 2",
            b"{}",
        )
        assert b" 201 " in answered.partition(b"\r\n")[0]


async def test_headers_and_targets_that_are_too_long_are_refused() -> None:
    async with api() as served:
        assert (await served.ask("GET", headers={"x-long": "x" * 20_000})).status == 431
        assert (await served.ask("GET", THINGS + "?" + "x" * 5_000)).status == 414


async def test_methods_are_those_of_the_path() -> None:
    async with api() as served:
        refused = await served.ask("DELETE")
        assert (refused.status, refused.headers["Allow"]) == (405, "GET, HEAD, OPTIONS, POST")
        options = await served.ask("OPTIONS")
        assert (options.status, options.headers["Allow"]) == (204, "GET, HEAD, OPTIONS, POST")
        assert not [name for name in options.headers if name.lower().startswith("access-control")]
        head, got = await served.ask("HEAD"), await served.ask("GET")
        assert (head.status, head.body) == (200, None)
        assert head.headers["Content-Length"] == got.headers["Content-Length"]


async def test_paths_are_parted_by_slashes_before_they_are_decoded() -> None:
    async with api() as served:
        await served.ask("POST", json={"id": "a/b ü"})
        async with served.http.get(
            URL(f"{served.url}{THINGS}/a%2Fb%20%C3%BC", encoded=True),
            headers={"Authorization": f"Bearer {TOKEN}"},
        ) as answer:
            assert answer.status == 200
        assert (await served.ask("GET", f"{THINGS}/first")).body == "the first"
        assert (await served.ask("GET", f"{THINGS}/")).status == 200
        assert (await served.ask("GET", f"{THINGS}//")).status == 404
        assert (await served.ask("GET", f"{THINGS}/a/b")).status == 404


async def test_answers_are_kept_by_nobody_on_the_way() -> None:
    async with api() as served:
        for answer in (await served.ask("GET"), await served.ask("GET", token=None)):
            assert answer.headers["Cache-Control"] == "no-store"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Server"] == "processor"


def test_a_call_stands_in_the_table_once() -> None:
    kept = KeptInMemory()
    tokens = Tokens(ApiSettings.model_validate({"api_token": TOKEN}))
    with pytest.raises(ValueError, match="in the table already"):
        application([*ROUTES, replace(ROUTES[0])], kept.current, kept.change, tokens)


async def test_what_is_no_http_is_refused_and_nothing_of_it_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with api() as served:
        answered = await served.raw(
            f"GET {THINGS} HTTP/1.1\nHost: localhost\nAuthorization: Bearer {SECRET}\0"
        )
        assert b" 400 " in answered.partition(b"\r\n")[0]
        assert (await served.ask("GET")).status == 200
    assert SECRET not in caplog.text
