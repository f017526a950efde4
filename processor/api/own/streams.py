"""The streams that credentials show, looked at before a connection is made; no answer has a secret."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Final

from processor.api.acceptance import refused
from processor.api.errors import Wrong
from processor.api.own.account import account_of
from processor.api.own.bodies import StreamsBody
from processor.api.own.forms import fitted
from processor.api.request import Answer
from processor.definition.model import Definition
from processor.definition.sealing import HIDDEN
from processor.errors import ConfigurationError, KinesisError, KinesisRefused, KinesisUnavailable
from processor.kinesis.access_keys import given_keys
from processor.kinesis.error_mapping import ACCESS_DENIED, UNKNOWN_REGION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from processor.api.own.account import Account
    from processor.api.own.looked_at import LookedAt
    from processor.api.request import Request
    from processor.api.tokens import Bearer
    from processor.flow_service.documents import Json
    from processor.kinesis.stream_look import StreamSeen
    from processor.operations.streams_seen import StreamsSeen

_LIST: Final = "kinesis:ListStreams"
_MESSAGE_MAX: Final = 500
_ACCESS_KEY: Final = re.compile(r"(?:AKIA|ASIA)[A-Z0-9]{12,}")
_AWS_SHORTEST: Final = 16
"""Characters of AWS's keys, at the least."""
_UNKNOWN_KEY: Final = (
    "accessKeyId",
    "AWS does not know this access key",
    "Check it, and that it is active in IAM",
)
_WRONG_SECRET: Final = (
    "secretKey",
    "the secret key is not that of the access key",
    "Copy it anew, or make a new pair in IAM",
)
_BY_CODE: Final = {
    "UnrecognizedClientException": _UNKNOWN_KEY,
    "InvalidClientTokenId": _UNKNOWN_KEY,
    "InvalidSignatureException": _WRONG_SECRET,
    "SignatureDoesNotMatch": _WRONG_SECRET,
    "IncompleteSignature": _WRONG_SECRET,
    UNKNOWN_REGION: (
        "region",
        "no such region with Kinesis is known",
        "Write it as eu-west-1; for one that is newer than this version give its endpoint as well",
    ),
    "OptInRequired": (
        "region",
        "the account is not subscribed to Kinesis in this region",
        "Choose another region",
    ),
}


class Streams:
    """Answers what credentials show; the caller's own are kept no longer than that takes."""

    def __init__(self, looked_at: LookedAt) -> None:
        self._looked_at = looked_at

    async def look(self, request: Request, _: Bearer) -> Answer:
        """Answer the list of streams, the one that is asked for, and what is wrong with the account."""
        asked = fitted(StreamsBody, request.body)
        # What is not kept is looked at also while Kafka is away.
        definition = Definition() if asked.auth is not None else self._looked_at.definition()
        account = await asyncio.to_thread(self._account, definition, asked)
        seen: StreamsSeen | None = None
        if account.connection is not None:
            # A name that no stream can have is not asked for.
            stream = None if account.problems else asked.stream
            seen = await self._looked_at.see_streams(account.connection, stream)
        return Answer(body=_shown(asked, account, seen))

    def _account(self, definition: Definition, asked: StreamsBody) -> Account:
        try:
            sealing = self._looked_at.sealing()
        except ConfigurationError as error:
            raise refused(error.problems) from None
        return account_of(definition, asked, sealing, self._looked_at.environ)


def _shown(asked: StreamsBody, account: Account, seen: StreamsSeen | None) -> dict[str, Json]:
    telling = _Telling(asked, account)
    missing: list[str] = []
    listed: dict[str, Json] = {
        "problem": "the account cannot be used as it is: see problems",
        "permission": None,
    }
    stream: dict[str, Json] | None = None
    if asked.stream is not None:
        stream = {"name": asked.stream, "exists": None}
    if seen is not None:
        listed = telling.listed(seen)
        if _is_denied(seen.names):
            missing.append(_LIST)
        if stream is not None and seen.stream is not None:
            stream |= telling.stream(seen.stream)
            missing.extend(seen.stream.missing)
    return {
        "region": account.region,
        "list": listed,
        "stream": stream,
        "missingPermissions": [*missing],
        "problems": [
            {"member": each.pointer, "message": each.message, "remedy": each.remedy}
            for each in telling.problems(seen)
        ],
    }


class _Telling:
    """Words of what was seen, without the keys that it was seen with."""

    def __init__(self, asked: StreamsBody, account: Account) -> None:
        self._asked = asked
        self._account = account
        self._keys = [] if account.connection is None else given_keys(account.connection)

    def listed(self, seen: StreamsSeen) -> dict[str, Json]:
        if isinstance(seen.names, KinesisError):
            return self._trouble(seen.names, _LIST)
        return {"names": [*seen.names], "isWhole": seen.is_whole}

    def stream(self, seen: StreamSeen) -> dict[str, Json]:
        members: dict[str, Json] = {
            "exists": seen.exists,
            "status": seen.status,
            "mode": seen.mode,
            "shards": seen.shards,
        }
        if seen.trouble is not None:
            members["problem"] = self._text(seen.trouble)
        elif seen.missing:
            members["problem"] = (
                f"these credentials lack the IAM actions {', '.join(seen.missing)} for this stream"
            )
            members["permission"] = seen.missing[0]
        return {name: value for name, value in members.items() if value is not None or name == "exists"}

    def problems(self, seen: StreamsSeen | None) -> Iterator[Wrong]:
        """What is wrong with the account, each thing once."""
        yield from self._account.problems
        if seen is None:
            return
        errors = [seen.names, None if seen.stream is None else seen.stream.trouble]
        found = [
            self._problem(each) for each in errors if isinstance(each, KinesisError) and not _is_denied(each)
        ]
        yield from {(each.pointer, each.message): each for each in found}.values()

    def _problem(self, error: KinesisError) -> Wrong:
        code = error.code if isinstance(error, KinesisRefused) else ""
        if code in _BY_CODE:
            member, message, remedy = _BY_CODE[code]
            return Wrong(self._place(member), message, remedy)
        connection = self._account.connection
        has_endpoint = connection is not None and connection.connection_url is not None
        is_of_way = isinstance(error, KinesisUnavailable)
        place = self._place("connectionUrl") if is_of_way and has_endpoint else self._place(None)
        return Wrong(place, self._text(error), "")

    def _place(self, member: str | None) -> str:
        if self._asked.auth is None:
            return "/connectionId"
        return "/auth" if member is None else f"/auth/params/{member}"

    def _trouble(self, error: KinesisError, action: str) -> dict[str, Json]:
        return {"problem": self._text(error), "permission": action if _is_denied(error) else None}

    def _text(self, error: KinesisError) -> str:
        return _hidden(str(error), self._keys)


def _hidden(text: str, keys: list[str]) -> str:
    """A message without any of these keys, and without access keys of AWS's chain, which an endpoint may echo."""
    for key in keys:
        # Short ones, as emulators take, are parts of words, too.
        pattern = re.escape(key) if len(key) >= _AWS_SHORTEST else rf"\b{re.escape(key)}\b"
        text = re.sub(pattern, HIDDEN, text) if key else text
    return _ACCESS_KEY.sub(HIDDEN, text)[:_MESSAGE_MAX]


def _is_denied(error: object) -> bool:
    return isinstance(error, KinesisRefused) and error.code == ACCESS_DENIED
