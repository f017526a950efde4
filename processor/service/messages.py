"""The messages between a parent and its workers, and how each is framed on the pair of sockets between them.

A frame is the message's length in four bytes, the most significant first, and that many bytes of JSON, whose member
`type` says which message it is.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from processor.configuration import Files  # noqa: TC001  msgspec reads the annotations
from processor.telemetry.report import Observation  # noqa: TC001  as above

if TYPE_CHECKING:
    import socket

_LENGTH_BYTES: Final = 4
_CLOSED: Final = "the other end has closed"


class Handover(msgspec.Struct, frozen=True, tag=True):
    """What a worker is started with: the files to follow, and what is wrong with those that came after them."""

    files: Files
    problems: list[str]


class ChangedFiles(msgspec.Struct, frozen=True, tag=True):
    """The configuration files have changed: the worker takes these, or refuses them."""

    files: Files


class Question(msgspec.Struct, frozen=True, tag=True):
    """The parent asks for an observation of the worker; the answer bears the same number."""

    number: int


class Answer(msgspec.Struct, frozen=True, tag=True):
    """A worker's observation of itself, for the question of that number."""

    number: int
    observation: Observation


class Ending(msgspec.Struct, frozen=True, tag=True):
    """The worker ends, for these reasons, as its log has them; nothing comes behind it."""

    reasons: list[str]


ToWorker: TypeAlias = Handover | ChangedFiles | Question
FromWorker: TypeAlias = Answer | Ending
Message: TypeAlias = ToWorker | FromWorker

_encode = msgspec.json.Encoder().encode
_to_worker: Final[msgspec.json.Decoder[ToWorker]] = msgspec.json.Decoder(ToWorker)
_from_worker: Final[msgspec.json.Decoder[FromWorker]] = msgspec.json.Decoder(FromWorker)
decode_to_worker: Final = _to_worker.decode
decode_from_worker: Final = _from_worker.decode


def frame(message: Message) -> bytes:
    """Encode a message as one frame."""
    body = _encode(message)
    return len(body).to_bytes(_LENGTH_BYTES, "big") + body


def receive_frame(line: socket.socket) -> bytes:
    """Return the body of the next frame of a blocking socket, and wait for it; no byte behind it is taken.

    Raises:
        ConnectionError: the other end has closed, between two frames or within one.

    """
    return _received(line, int.from_bytes(_received(line, _LENGTH_BYTES), "big"))


class FrameReader:
    """Reads frames from a stream. A read that is cancelled loses nothing: the next one goes on where it was."""

    def __init__(self, stream: asyncio.StreamReader) -> None:
        self._stream = stream
        self._length: int | None = None
        """The length of the frame that was begun; None between two frames."""

    async def read(self) -> bytes:
        """Return the body of the next frame, once all of it is there.

        Raises:
            ConnectionError: the other end has closed, between two frames or within one.

        """
        try:
            if self._length is None:
                self._length = int.from_bytes(await self._stream.readexactly(_LENGTH_BYTES), "big")
            body = await self._stream.readexactly(self._length)
        except asyncio.IncompleteReadError as error:
            raise ConnectionResetError(_CLOSED) from error
        self._length = None
        return body


def _received(line: socket.socket, length: int) -> bytes:
    received = bytearray()
    while len(received) < length:
        part = line.recv(length - len(received))
        if not part:
            raise ConnectionResetError(_CLOSED)
        received += part
    return bytes(received)
