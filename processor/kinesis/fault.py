"""An answer that is an error, in whichever form it came."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from processor.kinesis import kinesis_cbor
from processor.kinesis.kinesis_json import DECODE_ERRORS, Unreadable, unpacked
from processor.kinesis.log_text import page_title, redacted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from processor.kinesis.answer_protocol import Posted


class Fault(NamedTuple):
    """An answer that is an error: AWS' own code and message, empty where it is not AWS' at all."""

    status: int
    content_type: str
    code: str
    message: str

    @property
    def http(self) -> str:
        """The answer as a proxy's or a server's, in words."""
        kind = self.content_type or "no content type"
        return f"HTTP {self.status} ({kind}{f', {self.message!r}' if self.message and not self.code else ''})"


class _Error(msgspec.Struct, rename={"type": "__type", "capital_message": "Message"}):
    type: str | None = None
    code: str | None = None
    message: str | None = None
    capital_message: str | None = None


_decode_error: Final = msgspec.json.Decoder(_Error).decode


def read_fault(answer: Posted, hidden: Sequence[str] = ()) -> Fault:
    """What an answer that is an error says; a page's title stands for a message where it is not AWS'.

    The code stands in the header `x-amzn-errortype`, with more behind a colon, or in the body, with a namespace
    before #.
    """
    try:
        body = unpacked(answer.body, answer.headers.get("content-encoding", ""))
    except Unreadable:
        body = b""
    said = _said(answer.media_type, body)
    code = answer.headers.get("x-amzn-errortype") or said.type or said.code or ""
    code = redacted(code.partition(":")[0].rpartition("#")[2], hidden, 80)
    message = redacted(said.message or said.capital_message or "", hidden) or page_title(body, hidden)
    return Fault(answer.status, redacted(answer.media_type, (), 60), code, message)


def _said(media_type: str, body: bytes) -> _Error:
    try:
        if media_type == kinesis_cbor.CONTENT_TYPE:
            return kinesis_cbor.decoded(body, _Error)
        return _decode_error(body)
    except (Unreadable, *DECODE_ERRORS):
        return _Error()
