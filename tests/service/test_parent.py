"""The worker's end: what it is started with, its answers, and changed files, until the parent has ended."""

from __future__ import annotations

import asyncio
import socket
from contextlib import closing
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
    decode_from_worker,
    frame,
    receive_frame,
)
from processor.service.parent import Parent
from processor.telemetry.report import Observation
from tests.support.reports import report

if TYPE_CHECKING:
    from collections.abc import Iterator

FILES = Files(("", "destination.yaml"), None, [])
OBSERVATION = Observation(report(), {})


@pytest.fixture
def parents_end() -> Iterator[tuple[socket.socket, Parent]]:
    ours, theirs = socket.socketpair()
    with ours, theirs, closing(Parent(3, theirs)) as parent:
        yield ours, parent


def test_the_parent_is_told_why_a_worker_ends_though_the_line_is_closed_by_then(
    parents_end: tuple[socket.socket, Parent],
) -> None:
    line, parent = parents_end
    parent._line.close()
    parent.tell_why(["state and stream do not agree"])
    assert decode_from_worker(receive_frame(line)) == Ending(["state and stream do not agree"])


def test_a_worker_that_outlives_its_parent_tells_nobody_and_ends_all_the_same(
    parents_end: tuple[socket.socket, Parent],
) -> None:
    line, parent = parents_end
    line.close()
    parent.tell_why(["the disk is full"])


def test_a_worker_begins_with_what_is_handed_over(parents_end: tuple[socket.socket, Parent]) -> None:
    line, parent = parents_end
    line.sendall(frame(Handover(FILES, ["it is wrong"])) + frame(Question(1)))
    assert parent.handover() == Handover(FILES, ["it is wrong"])
    assert parent.worker == 3


@pytest.mark.parametrize("sent", [b"", frame(Handover(FILES, []))[:20], frame(Question(1))])
def test_a_worker_does_not_begin_without_a_handover(
    parents_end: tuple[socket.socket, Parent], sent: bytes
) -> None:
    line, parent = parents_end
    line.sendall(sent)
    line.close()
    with pytest.raises(ConnectionError):
        parent.handover()


async def test_questions_are_answered_and_files_taken_in_the_order_in_which_they_come(
    parents_end: tuple[socket.socket, Parent],
) -> None:
    line, parent = parents_end
    taken: list[Files] = []
    line.sendall(frame(Handover(FILES, [])))
    await asyncio.to_thread(parent.handover)
    answering = asyncio.create_task(parent.answer(lambda: OBSERVATION, taken.append))
    changed = Files(("x" * 100_000, "destination.yaml"), None, [])
    reader, writer = await asyncio.open_connection(sock=line)
    frames = FrameReader(reader)
    writer.write(frame(Question(1)) + frame(ChangedFiles(changed)) + frame(Question(2)))
    assert decode_from_worker(await frames.read()) == Answer(1, OBSERVATION)
    assert decode_from_worker(await frames.read()) == Answer(2, OBSERVATION)
    assert taken == [changed]
    writer.close()
    await answering


@pytest.mark.parametrize("cut", [0, 3, 4, 9])
async def test_a_parent_that_ends_in_the_middle_of_a_message_ends_the_answering(
    parents_end: tuple[socket.socket, Parent], cut: int
) -> None:
    line, parent = parents_end
    line.sendall(frame(ChangedFiles(FILES))[:cut])
    line.close()
    taken: list[Files] = []
    await parent.answer(lambda: OBSERVATION, taken.append)
    assert taken == []
