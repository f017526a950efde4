"""Who may look: HTTP's Basic and Bearer authentication (RFC 7617, RFC 6750), where the settings ask for either.

The probes are open: a kubelet and a load balancer have no password, and what they are answered is a condition's name and
reason.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import TYPE_CHECKING, Final

import structlog
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from aiohttp.typedefs import Handler, Middleware

    from processor.settings import ServiceSettings

log = structlog.get_logger(__name__)

OPEN: Final = frozenset({"/livez", "/readyz"})
"""Paths that everybody may ask for."""


def guard(settings: ServiceSettings, others: Collection[web.Application] = ()) -> Middleware | None:
    """Return what lets those through who have the password or the token; None where the settings name neither.

    `others` are applications within the guarded one that have tokens of their own.
    """
    known: dict[str, Callable[[str], bool]] = {}
    challenges = []
    if settings.http_user is not None and settings.http_password is not None:
        pair = f"{settings.http_user}:{settings.http_password.get_secret_value()}".encode()
        known["basic"] = lambda given: _is_same(_decoded(given), pair)
        challenges.append('Basic realm="processor", charset="UTF-8"')
    if settings.http_token is not None:
        token = settings.http_token.get_secret_value().encode()
        known["bearer"] = lambda given: _is_same(given.encode("utf-8", "surrogateescape"), token)
        challenges.append('Bearer realm="processor"')
    if not known:
        return None

    @web.middleware
    async def let_through(request: web.Request, handler: Handler) -> web.StreamResponse:
        # By where the request was led: a path may be spelled in more than one way.
        if request.path in OPEN or any(each in others for each in request.match_info.apps):
            return await handler(request)
        given = request.headers.get("Authorization", "")
        scheme, _, credentials = given.strip().partition(" ")
        is_known = known.get(scheme.lower())
        if is_known is not None and is_known(credentials.strip()):
            return await handler(request)
        if given:
            # A browser asks without any at first.
            log.warning(
                "a request with wrong credentials was refused", path=request.path, remote=request.remote
            )
        answer = web.Response(
            status=web.HTTPUnauthorized.status_code,
            text="this asks for a password or a token: see PROCESSOR_HTTP_USER and PROCESSOR_HTTP_TOKEN\n",
        )
        for challenge in challenges:
            answer.headers.add("WWW-Authenticate", challenge)
        return answer

    return let_through


def _decoded(credentials: str) -> bytes:
    try:
        return base64.b64decode(credentials, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _is_same(given: bytes, expected: bytes) -> bool:
    """Compare in a time that depends on neither, nor on their lengths."""
    return hmac.compare_digest(hashlib.sha256(given).digest(), hashlib.sha256(expected).digest())
