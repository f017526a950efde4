"""The parent's end: it hands over, asks, and gets the answer to the question that it asked, or knows that there is none."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from processor.configuration import Files
from processor.service.messages import (
    Answer,
    ChangedFiles,
    Ending,
    FrameReader,
    Handover,
    Question,
    decode_to_worker,
    frame,
)
from processor.supervisor.worker_connection import WorkerConnection
from processor.telemetry.report import Observation
from tests.support.reports import report

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from processor.service.messages import ToWorker

FILES = Files(("", "destination.yaml"), None, [])


def observation(worker: int) -> Observation:
    return Observation(report(worker=worker), {})


class Worker:
    """The other end: what it is sent, and what a test has it answer."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._frames = FrameReader(reader)
        self._writer = writer

    async def received(self) -> ToWorker:
        return decode_to_worker(await self._frames.read())

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    def answer(self, number: int, by: int = 0) -> None:
        self.send(frame(Answer(number, observation(by))))

    def end(self) -> None:
        self._writer.close()


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[WorkerConnection, Worker]]:
    ours, theirs = socket.socketpair()
    line = await WorkerConnection.over(ours)
    worker = Worker(*await asyncio.open_connection(sock=theirs))
    try:
        yield line, worker
    finally:
        line.close()
        worker.end()


async def test_the_handover_comes_first_and_changed_files_as_they_are_sent() -> None:
    async with connected() as (line, worker):
        line.hand_over(Handover(FILES, ["it is wrong"]))
        line.send(FILES)
        assert await worker.received() == Handover(FILES, ["it is wrong"])
        assert await worker.received() == ChangedFiles(FILES)


async def test_a_question_is_answered_and_the_worker_has_answered_from_then_on() -> None:
    async with connected() as (line, worker):
        asking = asyncio.create_task(line.ask())
        assert await worker.received() == Question(1)
        assert not line.has_answered
        worker.answer(1, by=5)
        assert await asking == observation(5)
        assert line.has_answered


async def test_questions_are_asked_one_at_a_time() -> None:
    async with connected() as (line, worker):
        asking = [asyncio.create_task(line.ask()) for _ in range(3)]
        for number in (1, 2, 3):
            assert await worker.received() == Question(number)
            worker.answer(number, by=number)
        assert await asyncio.gather(*asking) == [observation(number) for number in (1, 2, 3)]


@pytest.mark.parametrize("cut", [0, 2, 4, 20])
async def test_an_answer_that_comes_after_its_question_was_cancelled_is_no_answer_to_the_next(
    cut: int,
) -> None:
    late = frame(Answer(1, observation(1)))
    async with connected() as (line, worker):
        asking = asyncio.create_task(line.ask())
        assert await worker.received() == Question(1)
        worker.send(late[:cut])
        await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait([asking])
        again = asyncio.create_task(line.ask())
        assert await worker.received() == Question(2)
        worker.send(late[cut:])
        worker.answer(2, by=2)
        assert await again == observation(2)


@pytest.mark.parametrize("cut", [0, 2, 4, 20])
async def test_a_worker_that_ends_in_the_middle_of_its_answer_has_ended(cut: int) -> None:
    async with connected() as (line, worker):
        asking = asyncio.create_task(line.ask())
        await worker.received()
        worker.send(frame(Answer(1, observation(1)))[:cut])
        worker.end()
        with pytest.raises(ConnectionError):
            await asking
        assert not line.has_answered


async def test_a_worker_s_last_words_are_heard_after_its_end_behind_answers_that_nobody_took() -> None:
    async with connected() as (line, worker):
        worker.answer(7)
        worker.send(frame(Ending(["state and stream do not agree"])))
        worker.end()
        assert await line.last_words() == ["state and stream do not agree"]


async def test_last_words_that_come_in_place_of_an_answer_are_kept() -> None:
    async with connected() as (line, worker):
        asking = asyncio.create_task(line.ask())
        assert await worker.received() == Question(1)
        worker.send(frame(Ending(["the disk is full"])))
        worker.end()
        with pytest.raises(ConnectionError):
            await asking
        assert await line.last_words() == ["the disk is full"]


@pytest.mark.parametrize("sent", [b"", frame(Ending(["cut off"]))[:9], b"\x00\x00\x00\x02{]"])
async def test_a_worker_that_was_killed_has_said_nothing(sent: bytes) -> None:
    async with connected() as (line, worker):
        worker.send(sent)
        worker.end()
        assert await line.last_words() == []


@pytest.mark.parametrize("turns", range(5))
@pytest.mark.parametrize("is_asked_then", [False, True])
@pytest.mark.parametrize("is_unread", [False, True])
async def test_last_words_are_heard_whatever_was_sent_or_asked_as_the_worker_ended(
    turns: int, is_asked_then: bool, is_unread: bool
) -> None:
    ours, theirs = socket.socketpair()
    line = await WorkerConnection.over(ours)
    try:
        if is_unread:  # so that the line ends with an error in place of an end
            line.send(FILES)
        theirs.sendall(frame(Ending(["the state is of another stream"])))
        theirs.close()
        for _ in range(turns):
            await asyncio.sleep(0)
        if is_asked_then:
            with pytest.raises(ConnectionError):
                await line.ask()
        assert await line.last_words() == ["the state is of another stream"]
    finally:
        line.close()
