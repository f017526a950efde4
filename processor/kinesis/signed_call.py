"""One call to Kinesis and its answer's bytes: framed by aiobotocore's client, signed here, sent by its connections.

What botocore does beside, for every call alike, costs as much as all of this; and its parsers take null for a value.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from aiobotocore.awsrequest import AioAWSResponse
from botocore import xform_name

from processor.errors import (
    KinesisError,
    KinesisRefused,
    KinesisTooLarge,
    KinesisUnavailable,
    KinesisUnreadable,
)
from processor.kinesis.error_mapping import FOREIGN, OF_CREDENTIALS, from_fault, from_foreign
from processor.kinesis.fault import read_fault
from processor.kinesis.kinesis_json import CONTENT_TYPE, Unreadable, unpacked
from processor.kinesis.log_text import redacted
from processor.kinesis.signature import Frame

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from processor.governance.destination import Connection
    from processor.kinesis.answer_protocol import Posted
    from processor.kinesis.credentials import Credentials

_OK: Final = 200
_SERVER_FAILED: Final = 500
_PASSING: Final = frozenset({408, 421, 425, 429})
"""What a server in between answers to any call for a while, as it does with `_SERVER_FAILED` and more."""
_AWS_HOST: Final = re.compile(
    r"([\w-]+\.)?((control|data)-)?kinesis(-fips)?\.[a-z0-9-]+(\.vpce)?"
    r"\.(amazonaws\.com|amazonaws\.com\.cn|amazonaws\.eu|api\.aws|api\.amazonwebservices\.com\.cn)"
)
"""Kinesis' endpoints, those of accounts and VPCs as well: https://docs.aws.amazon.com/general/latest/gr/ak.html.

Load balancers and machines, on which anything may answer, have names under AWS' domains as well.
"""
_SLOW_S: Final = 5.0
_SIGNED_ANEW: Final = {"authorization", "x-amz-date", "x-amz-security-token", "content-length", "host"}


class AnsweredOtherwise(Exception):
    """Kinesis, or what stands before it, did not take a call, and says so in another form than the call's."""

    def __init__(self, error: KinesisError) -> None:
        super().__init__(str(error))
        self.error = error


class Exchange:
    """Makes calls to one stream; a call ends within `call_s`, however slowly its bytes go."""

    def __init__(self, client: Any, credentials: Credentials, stream: str, call_s: float) -> None:  # noqa: ANN401  aiobotocore's clients have no type
        self._client = client
        self._credentials = credentials
        self._stream = stream
        self._call_s = call_s
        self._frames: dict[tuple[str, str], Frame] = {}
        """By action and content type."""

    async def answer(
        self,
        action: str,
        body: bytes,
        address: Mapping[str, str],
        hidden: Callable[[], Sequence[str]] = tuple,
        content_type: str = CONTENT_TYPE,
    ) -> bytes:
        """Make a call, and return the body of its answer, decompressed. The values `hidden` are in no error's message.

        Raises:
            KinesisUnavailable, KinesisRejected, KinesisRefused: there was no answer, or not one of 200.
            AnsweredOtherwise: there was one of those that do not pass by themselves, in another form than the call's, which is not JSON.

        """
        answer = await self._posted(action, body, address, content_type)
        if answer.status != _OK:
            error = self._failure(action, answer, hidden)
            if content_type in (CONTENT_TYPE, answer.media_type) or _may_pass(answer):
                raise error
            # Its size is what is refused, and not its form.
            raise error if isinstance(error, KinesisTooLarge) else AnsweredOtherwise(error)
        if not (encoding := answer.headers.get("content-encoding")):
            return answer.body
        try:
            return unpacked(answer.body, encoding)
        except Unreadable as error:
            raise self.unreadable(action, error, hidden) from error

    async def answers_in(
        self, action: str, body: bytes, address: Mapping[str, str], content_type: str
    ) -> bool | None:
        """Make a call in a form, and return whether it is answered in it, whatever the answer.

        None where a server in between may have answered, and for a while.

        Raises:
            KinesisUnavailable, KinesisRefused: there was no answer.

        """
        answer = await self._posted(action, body, address, content_type)
        if answer.media_type == content_type:
            return True
        return None if _may_pass(answer) else False

    @property
    def is_with_aws(self) -> bool:
        """Whether calls go to an endpoint of AWS' own, by its name."""
        return is_of_aws(str(self._client.meta.endpoint_url))

    async def _posted(
        self, action: str, body: bytes, address: Mapping[str, str], content_type: str
    ) -> Posted:
        try:
            frame = self._frames.get((action, content_type)) or await self._framed(
                action, address, content_type
            )
            loop = asyncio.get_running_loop()
            began_s = loop.time()
            request = await self._credentials.signed(frame, body)
            if loop.time() - began_s > _SLOW_S and action == "PutRecords":
                # Whether the call may begin was asked before its credentials were renewed.
                raise KinesisUnavailable(
                    f"{action} on {self._stream}: the credentials have just been renewed"
                )
            async with asyncio.timeout(self._call_s):
                answer: Posted = await self._client._endpoint.http_session.post(request)  # noqa: SLF001  the client has no public way to send a ready request
        except FOREIGN as error:
            raise from_foreign(error, action, self._stream) from error
        return answer

    def use(self, connection: Connection) -> None:
        """Sign with the credentials of another connection to the same stream from the next call on."""
        self._credentials.use(connection)

    def unreadable(
        self, action: str, why: Unreadable, hidden: Callable[[], Sequence[str]] = tuple
    ) -> KinesisUnreadable:
        """The error for an answer of 200 whose body cannot be read, and why."""
        return KinesisUnreadable(
            f"{action} on {self._stream}: the answer, HTTP 200, cannot be read: {redacted(str(why), hidden())}. Does a "
            "proxy or gateway on the way change answers, or is what answers no Kinesis?"
        )

    def _failure(self, action: str, answer: Posted, hidden: Callable[[], Sequence[str]]) -> KinesisError:
        error = from_fault(read_fault(answer, hidden()), action, self._stream)
        if isinstance(error, KinesisRefused) and error.code in OF_CREDENTIALS:
            self._credentials.invalidate()
        return error

    async def _framed(self, action: str, address: Mapping[str, str], content_type: str) -> Frame:
        """A call's frame, as the client makes it; it is kept from being sent."""
        frames: list[Frame] = []

        def keep(request: Any, **_: object) -> AioAWSResponse:  # noqa: ANN401  botocore's requests have no type
            headers = {
                name: value.decode() if isinstance(value, bytes) else str(value)
                for name, value in request.headers.items()
                if name.lower() not in _SIGNED_ANEW and not name.lower().startswith("amz-sdk-")
            }
            frames.append(Frame(request.url, headers))
            return _Nothing(request.url, _OK, {}, None)

        events, place = self._client.meta.events, f"before-send.kinesis.{action}"
        events.register(place, keep)
        try:
            await getattr(self._client, xform_name(action))(**address)
        finally:
            events.unregister(place, keep)
        frame = self._frames[action, content_type] = frames[0].of_type(content_type)
        return frame


def is_of_aws(url: str) -> bool:
    """Whether an endpoint is one of AWS' own, by its name; that of a VPC is one."""
    return _AWS_HOST.fullmatch(urlsplit(url).hostname or "") is not None


def _may_pass(answer: Posted) -> bool:
    return answer.status >= _SERVER_FAILED or answer.status in _PASSING


class _Nothing(AioAWSResponse):  # type: ignore[misc]  # aiobotocore has no types
    """The answer to a call that is not sent."""

    async def _content_prop(self) -> bytes:
        return b"{}"
