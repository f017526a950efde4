"""What one request of the API may have, what all may have at once, and what a request is refused for before it is read."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple

from aiohttp import ClientPayloadError, hdrs
from aiohttp.web import RequestPayloadError

from processor.api.errors import ApiError, Wrong, invalid
from processor.flow_service.documents import read_json
from processor.flow_service.findings import Findings

if TYPE_CHECKING:
    from aiohttp import web

    from processor.flow_service.documents import Json

_SHOWN: Final = 20
"""How many places of a body are told at which it is no JSON."""
_CURLS: Final = "application/x-www-form-urlencoded"
"""The type that `curl --data` gives every body where it is told no other, as in some of the published calls: what is in it is JSON.

A page of another site could send it without asking, but not the token that every call needs.
"""


class Limits(NamedTuple):
    """Times are in seconds."""

    header_bytes: int = 16 << 10
    target_bytes: int = 4 << 10
    """Of path and query."""
    body_bytes: int = 8 << 20
    members: int = 400_000
    """Of a body: commas, colons and brackets, each of which may become an object in memory."""
    requests: int = 64
    """At once."""
    changes: int = 16
    """At once, from the first byte of a body on until they are kept."""
    body_s: float = 20.0
    """Within which a body must have come, whole."""
    answer_s: float = 60.0
    """Within which a change must have been kept."""
    leave_s: float = 5.0
    """For changes that are being made in the end."""
    tokens_s: float = 5.0
    """How often the files of tokens are looked at."""


LIMITS: Final = Limits()


def check_head(request: web.Request, limits: Limits) -> None:
    """Refuse a request whose head is too large.

    Raises:
        ApiError: 414 or 431.

    """
    if sum(len(name) + len(value) for name, value in request.raw_headers) > limits.header_bytes:
        raise ApiError(
            431,
            "Request Header Fields Too Large",
            f"the headers have more than {limits.header_bytes} bytes",
            headers={hdrs.CONNECTION: "close"},
        )
    if len(request.raw_path) > limits.target_bytes:
        raise ApiError(414, "URI Too Long", f"path and query have more than {limits.target_bytes} bytes")


def check_content(request: web.Request, limits: Limits) -> None:
    """Refuse a body that is not JSON by its headers, or too large by them. JSON without a type is taken, too, and as curl sends it.

    Raises:
        ApiError: 413 or 415.

    """
    if (request.content_length or 0) > limits.body_bytes:
        raise _too_large(limits)
    if not request.can_read_body:
        return
    type_ = request.headers.get(hdrs.CONTENT_TYPE, "application/json").partition(";")[0].strip().lower()
    is_json = type_ == "application/json" or (type_.startswith("application/") and type_.endswith("+json"))
    if not is_json and type_ != _CURLS:
        raise _unsupported(
            f"a body's Content-Type is application/json, or that of a JSON Patch, not {type_[:80]}"
        )
    if (request.charset or "utf-8").lower() not in {"utf-8", "utf8", "us-ascii"}:
        raise _unsupported(f"JSON is UTF-8, not {(request.charset or '')[:40]}")
    encoding = request.headers.get(hdrs.CONTENT_ENCODING, "identity")
    if encoding.strip().lower() != "identity":
        raise _unsupported(
            f"a body comes as it is, not as {encoding[:40]}", **{hdrs.ACCEPT_ENCODING: "identity"}
        )


async def body_of(request: web.Request, limits: Limits) -> bytes:
    """The whole body.

    Raises:
        ApiError: 408 where it comes too slowly, 413 where it is too large, 400 where it is cut or not framed as HTTP says.

    """
    content = bytearray()
    try:
        async with asyncio.timeout(limits.body_s):
            async for chunk in request.content.iter_any():
                content += chunk
                if len(content) > limits.body_bytes:
                    raise _too_large(limits)
    except TimeoutError:
        raise ApiError(
            408,
            "Request Timeout",
            f"the body has not come within {limits.body_s:g} s",
            headers={hdrs.CONNECTION: "close"},
        ) from None
    except (RequestPayloadError, ClientPayloadError):
        raise invalid("the body is not framed as HTTP says") from None
    return bytes(content)


def parsed(content: bytes, limits: Limits) -> Json:
    """The JSON value of a body, None of an empty one.

    Raises:
        ApiError: 400 where it is no JSON that everybody reads alike, 413 where it has too many members.

    """
    if not content:
        return None
    if sum(content.count(each) for each in b",:[{") > limits.members:
        raise ApiError(413, "Content Too Large", f"the body has more than {limits.members} members")
    found = Findings()
    body = read_json(content, "the body", found)
    if found.problems:
        places = [
            Wrong(
                each.member if each.member.startswith("/") else "",
                each.message if each.line is None else f"line {each.line}: {each.message}",
            )
            for each in found.problems[:_SHOWN]
        ]
        raise invalid("the body is no JSON that can be used", places)
    return body


def too_many(what: str, count: int) -> ApiError:
    """More at once than there may be: 429."""
    return ApiError(
        429,
        "Too Many Requests",
        f"{count} {what} are being answered already: try again in a moment",
        headers={hdrs.RETRY_AFTER: "1"},
    )


def _too_large(limits: Limits) -> ApiError:
    return ApiError(
        413,
        "Content Too Large",
        f"the body has more than {limits.body_bytes} bytes",
        headers={hdrs.CONNECTION: "close"},
    )


def _unsupported(detail: str, **headers: str) -> ApiError:
    return ApiError(415, "Unsupported Media Type", detail, headers=headers)
