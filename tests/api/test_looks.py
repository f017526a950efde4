"""Calls that look: bounded in number and in time, ended with their askers, and open to the tokens that they are open to."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import pytest
from structlog.testing import capture_logs

from processor.api.errors import ApiError
from processor.api.http import PREFIX
from processor.api.limits import Limits
from processor.api.own.bodies import Form
from processor.api.request import Answer
from processor.api.routes import Bounds, Call, Look
from processor.errors import KafkaRefused, KafkaUnavailable
from tests.api.test_http import READ_TOKEN, ROUTES, SECRET, api

if TYPE_CHECKING:
    from processor.api.request import Request
    from processor.api.tokens import Bearer

LOOK: Final = f"{PREFIX}/service/look"


class Body(Form):
    a: int


class Looking:
    """A call that waits until it is let go."""

    def __init__(self) -> None:
        self.begun = 0
        self.ended = 0
        self.go = asyncio.Event()
        self.raises: Exception | None = None

    async def __call__(self, request: Request, bearer: Bearer) -> Answer:
        self.begun += 1
        try:
            await self.go.wait()
        finally:
            self.ended += 1
        if self.raises is not None:
            raise self.raises
        return Answer(body={"body": request.body, "by": bearer.name, "mayChange": bearer.may_change})

    def route(self, *, may_any: bool = True, at_once: int = 2, within_s: float = 30.0) -> Look:
        call = Call("POST", LOOK, "Look", dict[str, int], Body)
        return Look(call, self, may_any, Bounds(at_once, within_s))

    async def until(self, begun: int) -> None:
        while self.begun < begun:
            await asyncio.sleep(0.01)


async def test_it_is_answered_to_any_token_with_whose_it_is() -> None:
    looking = Looking()
    looking.go.set()
    async with api(routes=[*ROUTES, looking.route()]) as served:
        answer = await served.ask("POST", LOOK, token=READ_TOKEN, json={"a": 1})
        assert answer.status == 200
        assert answer.body["body"] == {"a": 1}
        assert not answer.body["mayChange"]
        assert (await served.ask("POST", LOOK, token=None, json={})).status == 401


async def test_one_that_is_not_open_to_any_token_is_refused_before_its_body_is_read() -> None:
    looking = Looking()
    async with api(routes=[looking.route(may_any=False)]) as served:
        refused = await served.ask("POST", LOOK, token=READ_TOKEN, data=b"x" * 100_000)
        assert (refused.status, looking.begun) == (403, 0)


async def test_one_that_may_use_credentials_is_logged_without_its_body_and_others_are_not() -> None:
    looking = Looking()
    looking.go.set()
    for may_any in (False, True):
        async with api(routes=[looking.route(may_any=may_any)]) as served:
            with capture_logs() as lines:
                answer = await served.ask("POST", LOOK, json={"a": SECRET})
        found = [each for each in lines if each["event"] == "a look by the API"]
        assert len(found) == (0 if may_any else 1)
        for line in found:
            assert (line["method"], line["path"]) == ("POST", LOOK)
            assert line["request"] == answer.headers["x-request-id"]
            assert line["token"].startswith("token ")
        assert SECRET not in str(lines)


async def test_more_than_so_many_at_once_are_refused_and_other_calls_are_not() -> None:
    looking = Looking()
    async with api(routes=[*ROUTES, looking.route(at_once=2)]) as served:
        asking = [asyncio.create_task(served.ask("POST", LOOK, json={})) for _ in range(2)]
        await looking.until(2)
        refused = await served.ask("POST", LOOK, json={})
        assert (refused.status, refused.headers["Retry-After"]) == (429, "1")
        assert (await served.ask("GET")).status == 200
        assert (await served.ask("POST", json={"id": "a"})).status == 201
        looking.go.set()
        assert {(await each).status for each in asking} == {200}
        assert (await served.ask("POST", LOOK, json={})).status == 200


async def test_bodies_that_do_not_come_hold_places_no_longer_than_they_may() -> None:
    looking = Looking()
    looking.go.set()
    async with api(Limits(body_s=0.3), routes=[looking.route(at_once=1)]) as served:
        head = f"POST {LOOK} HTTP/1.1\nHost: localhost\nAuthorization: Bearer {READ_TOKEN}\nContent-Length: 9"
        assert b" 408 " in (await served.raw(head, b"{")).partition(b"\r\n")[0]
        assert (await served.ask("POST", LOOK, json={})).status == 200


async def test_one_that_takes_too_long_is_ended_and_told() -> None:
    looking = Looking()
    async with api(routes=[looking.route(within_s=0.1)]) as served:
        late = await served.ask("POST", LOOK, json={})
        assert (late.status, late.headers["Retry-After"]) == (503, "5")
        assert "0.1 s" in late.body["detail"]
        assert looking.ended == 1


async def test_one_whose_asker_leaves_is_ended_and_its_place_is_free() -> None:
    looking = Looking()
    async with api(routes=[looking.route(at_once=1)]) as served:
        asking = asyncio.create_task(served.ask("POST", LOOK, json={}))
        await looking.until(1)
        asking.cancel()
        await asyncio.wait([asking])
        while not looking.ended:
            await asyncio.sleep(0.01)
        looking.go.set()
        assert (await served.ask("POST", LOOK, json={})).status == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [({"data": b"x"}, 400), ({"data": b"x", "headers": {"Content-Type": "text/plain"}}, 415)],
)
async def test_a_body_that_is_none_is_refused(body: dict[str, Any], status: int) -> None:
    looking = Looking()
    async with api(routes=[looking.route()]) as served:
        headers = {"Content-Type": "application/json"} | body.pop("headers", {})
        assert (await served.ask("POST", LOOK, headers=headers, **body)).status == status
        assert looking.begun == 0


@pytest.mark.parametrize(
    ("error", "status", "again"),
    [
        (ApiError(404, "Not Found", "there is none"), 404, False),
        (KafkaUnavailable("Kafka does not answer"), 503, True),
        (KafkaRefused("topic may not be read"), 503, False),
    ],
)
async def test_what_it_fails_with_is_told(error: Exception, status: int, again: bool) -> None:
    looking = Looking()
    looking.go.set()
    looking.raises = error
    async with api(routes=[looking.route()]) as served:
        answer = await served.ask("POST", LOOK, json={})
        assert answer.status == status
        assert answer.body["detail"] in str(error)
        assert ("Retry-After" in answer.headers) == again


async def test_a_fault_is_answered_and_logged_without_what_it_says() -> None:
    looking = Looking()
    looking.go.set()
    looking.raises = RuntimeError(f"it says {SECRET}")
    async with api(routes=[looking.route()]) as served:
        with capture_logs() as lines:
            answer = await served.ask("POST", LOOK, json={})
        assert answer.status == 500
        assert SECRET not in str(answer.body) + str(lines)
        assert any("please report it" in line["event"] for line in lines)
