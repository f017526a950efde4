"""Frames are cut from the bytes of a connection wherever reads end, and none of a large one is copied after it was read."""

from __future__ import annotations

import ctypes
import struct
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from processor.kafka import frames as cutting
from processor.kafka.frames import Frames

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest

GATHERED = cutting._GATHERED_BYTES
SIZES = st.one_of(
    st.integers(0, 20),
    st.integers(GATHERED - 8, GATHERED + 8),
    st.integers(0, 3 * GATHERED),
)


def sent(sizes: Iterable[int]) -> list[bytes]:
    """Frames of these sizes, no byte of which is like the next."""
    return [bytes((number + at) % 251 for at in range(size)) for number, size in enumerate(sizes)]


def framed(frames: Iterable[bytes]) -> bytes:
    return b"".join(struct.pack(">i", len(frame)) + frame for frame in frames)


def read(frames: Frames, text: bytes, at_most: Iterable[int]) -> None:
    """Write `text` as reads do: into the room there is, and of that no more than each read brings."""
    bounds, at = iter(at_most), 0
    while at < len(text):
        room = frames.room
        assert len(room) > 0
        count = min(next(bounds, len(text)), len(room), len(text) - at)
        room[:count] = text[at : at + count]
        del room
        frames.came(count)
        at += count


def taken(frames: Frames) -> list[bytes]:
    return [frames.take() for _ in range(len(frames))]


@given(st.lists(SIZES, max_size=8), st.lists(st.integers(1, 2 * GATHERED), max_size=40))
def test_what_is_sent_comes_out_however_it_is_read(sizes: list[int], reads: list[int]) -> None:
    frames = Frames()
    read(frames, framed(sent(sizes)), reads)
    assert frames.waiting_bytes == sum(sizes)
    assert taken(frames) == sent(sizes)
    assert frames.waiting_bytes == 0
    assert frames.unfinished == (b"", 4)


@given(
    st.lists(SIZES, min_size=1, max_size=4), st.lists(st.integers(1, 2 * GATHERED), max_size=40), st.data()
)
def test_what_is_missing_at_the_end_is_told(sizes: list[int], reads: list[int], data: st.DataObject) -> None:
    *whole, last = sent(sizes)
    begun = framed([last])[: data.draw(st.integers(0, len(last) + 3))]
    frames = Frames()
    read(frames, framed(whole) + begun, reads)
    assert taken(frames) == whole
    assert frames.unfinished == ((begun, 4) if len(begun) < 4 else (begun[4:], len(last)))


@given(st.lists(SIZES, max_size=4), st.integers(-(2**31), -1), st.binary(max_size=2 * GATHERED), st.data())
def test_nothing_is_cut_behind_a_length_that_is_negative(
    sizes: list[int], length: int, behind: bytes, data: st.DataObject
) -> None:
    frames = Frames()
    reads = data.draw(st.lists(st.integers(1, 2 * GATHERED), max_size=40))
    read(frames, framed(sent(sizes)) + struct.pack(">i", length) + behind, reads)
    assert taken(frames) == sent(sizes)
    assert str(frames.refused) == f"a response of {length} bytes was announced"


def test_a_frame_that_is_larger_than_a_piece_is_put_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutting, "_PIECE_BYTES", 5_000)
    frames, expected = Frames(), sent([4_999, 5_000, 5_001, 10_000, 23_456, 3])
    read(frames, framed(expected), [7_000] * 3)
    assert taken(frames) == expected


def test_no_more_is_reserved_than_a_piece_whatever_is_announced() -> None:
    frames = Frames()
    read(frames, b"HTTP/1.1 400 Bad Request\r\n", [])
    assert len(frames.room) < cutting._PIECE_BYTES
    assert frames.unfinished == (b"/1.1 400 Bad Request\r\n", int.from_bytes(b"HTTP"))


def test_a_large_frame_is_not_copied_after_it_was_read() -> None:
    size, frames = 1 << 20, Frames()
    read(frames, struct.pack(">i", size), [])
    read_into = ctypes.addressof(ctypes.c_char.from_buffer(frames.room))
    read(frames, bytes(size), [])
    frame = frames.take()
    header_bytes = bytes.__basicsize__ - 1
    assert id(frame) + header_bytes == read_into
