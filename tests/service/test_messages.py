"""Frames between a parent and its workers: whole however they arrive, and broken off without a loss."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from processor.configuration import Files
from processor.errors import Problem
from processor.service.messages import (
    Answer,
    ChangedFiles,
    FrameReader,
    Handover,
    Question,
    decode_from_worker,
    decode_to_worker,
    frame,
    receive_frame,
)
from processor.telemetry.report import Observation
from processor.telemetry.samples import Sample
from tests.support.reports import report
from tests.support.virtual_time import run_in_virtual_time

if TYPE_CHECKING:
    from collections.abc import Iterator

    from processor.service.messages import ToWorker

FILES = Files(
    ("name: Grüße\n", "destination.yaml"), (None, "governance.yaml"), [Problem("g", None, "x", "m", "r")]
)
TO_WORKER: list[ToWorker] = [
    Handover(FILES, ["line 3: it is wrong"]),
    ChangedFiles(FILES),
    Question(0),
    Question(2**40),
    ChangedFiles(Files(("x" * 200_000, "d"), None, [])),
]
ANSWER = Answer(7, Observation(report(), {"a": [Sample(("x",), 1.0), Sample((), 2.0, [1, 2])]}))


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.mark.parametrize("message", TO_WORKER, ids=lambda message: type(message).__name__)
def test_what_goes_to_a_worker_arrives_as_it_was_and_says_which_message_it_is(message: ToWorker) -> None:
    assert decode_to_worker(frame(message)[4:]) == message


def test_an_answer_arrives_as_it_was() -> None:
    assert decode_from_worker(frame(ANSWER)[4:]) == ANSWER


@pytest.mark.parametrize("size", [1, 3, 4, 5, 7, 1000, 1_000_000])
def test_frames_are_whole_in_whatever_pieces_they_arrive(size: int) -> None:
    messages = TO_WORKER if size >= 1000 else TO_WORKER[:-1]
    sent = b"".join(map(frame, messages))

    async def world() -> list[ToWorker]:
        stream = asyncio.StreamReader()
        frames, read = FrameReader(stream), list[bytes]()

        async def reading() -> None:
            while True:
                read.append(await frames.read())

        task = asyncio.create_task(reading())
        for start in range(0, len(sent), size):
            stream.feed_data(sent[start : start + size])
            await asyncio.sleep(0)
        stream.feed_eof()
        with pytest.raises(ConnectionError):
            await task
        return [decode_to_worker(body) for body in read]

    assert run_in_virtual_time(world()) == messages


@pytest.mark.parametrize("cut", range(1, len(frame(Question(1)))))
def test_an_end_that_closes_in_the_middle_of_a_message_has_ended(cut: int) -> None:
    async def world() -> None:
        stream = asyncio.StreamReader()
        frames = FrameReader(stream)
        stream.feed_data(frame(Question(0)) + frame(Question(1))[:cut])
        stream.feed_eof()
        assert decode_to_worker(await frames.read()) == Question(0)
        with pytest.raises(ConnectionError):
            await frames.read()

    run_in_virtual_time(world())


@pytest.mark.parametrize("cut", range(len(frame(Question(1)))))
def test_a_read_that_is_cancelled_wherever_it_stands_loses_nothing(cut: int) -> None:
    async def world() -> None:
        stream = asyncio.StreamReader()
        frames, sent = FrameReader(stream), frame(Question(1))
        reading = asyncio.create_task(frames.read())
        stream.feed_data(sent[:cut])
        await asyncio.sleep(1)
        reading.cancel()
        await asyncio.wait([reading])
        stream.feed_data(sent[cut:] + frame(Question(2)))
        assert decode_to_worker(await frames.read()) == Question(1)
        assert decode_to_worker(await frames.read()) == Question(2)

    run_in_virtual_time(world())


def test_a_blocking_end_receives_one_frame_and_takes_nothing_of_the_next(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    sent = frame(TO_WORKER[-1]) + frame(Question(3))
    sending = threading.Thread(target=ours.sendall, args=[sent])
    sending.start()
    assert decode_to_worker(receive_frame(theirs)) == TO_WORKER[-1]
    sending.join()
    assert theirs.recv(1000) == frame(Question(3))


@pytest.mark.parametrize("cut", [0, 2, 4, 9])
def test_a_blocking_end_does_not_wait_for_an_end_that_has_closed(
    pair: tuple[socket.socket, socket.socket], cut: int
) -> None:
    ours, theirs = pair
    ours.sendall(frame(Question(1))[:cut])
    ours.close()
    with pytest.raises(ConnectionError):
        receive_frame(theirs)
