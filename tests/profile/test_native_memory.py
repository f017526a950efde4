"""Whatever comes, and however often, nothing of it stays: neither a reference to what was given, nor memory."""

from __future__ import annotations

import ctypes
import gc
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from processor.configuration import parse_configuration
from processor.governance.plan import Plan, compile_plan
from processor.profile.batch import Limits
from processor.profile.core import Core
from processor.profile.processing import process
from tests.profile.test_any_event import MEMBER
from tests.support.failing_core import ONE_SEGMENT, Record

if TYPE_CHECKING:
    from collections.abc import Sequence

VECTORS: Final = sorted((Path(__file__).parents[1] / "vectors").glob("[!b]*.json"))
ROUNDS: Final = 150
TIMES: Final = 3
"""What is lost is lost each time; what a cache or another thread takes, once."""
LIMITS: Final = Limits(1 << 20, 1 << 20)
BYTES_A_ROUND_MAX: Final = 8
"""Less than the least that can be lost: an allocation, or a reference that keeps one."""
ROOM_KEPT_BYTES_MAX: Final = 4 << 20


class MallInfo(ctypes.Structure):
    """What glibc's `mallinfo2` tells."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in [
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keepcost",
        ]
    ]


def allocated_bytes() -> int:
    """By C and by Rust, of this process."""
    library = ctypes.CDLL(None)
    library.mallinfo2.restype = MallInfo
    told = library.mallinfo2()
    return int(told.uordblks) + int(told.hblkhd)


def case(path: Path) -> tuple[Plan, list[Record]]:
    read: dict[str, Any] = json.loads(path.read_text())
    destination, governance = json.dumps(read["destination"]), read.get("governance")
    texts = (destination, "destination.yaml"), (json.dumps(governance), "governance.yaml")
    plan = compile_plan(*parse_configuration(texts[0], texts[1] if governance else None, {}))
    return plan, [record(offset, event) for offset, event in enumerate(read["events"])]


def record(offset: int, event: dict[str, Any]) -> Record:
    value = event.get("valueText", event.get("value"))
    text = value if isinstance(value, str) or value is None else json.dumps(value)
    headers = tuple([(name, labels.encode()) for name, labels in event.get("headers", {}).items()])
    key = event["key"].encode()
    return Record(offset, key, None if text is None else text.encode(), headers, event["timestamp"])


def taken(core: Core, records: Sequence[Record]) -> None:
    """A batch twice: over nothing, and over what it has left itself."""
    states: dict[bytes, bytes | None] = {record.key: None for record in records if record.key is not None}
    process(core, states, records, LIMITS)
    process(core, states, records, LIMITS)


def references(records: Sequence[Record]) -> list[int]:
    held: list[object] = [each for record in records for each in (record, record.key, record.value)]
    held += [each for record in records for header in record.headers for each in (header, header[1])]
    return [sys.getrefcount(each) for each in held if each is not None]


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_nothing_stays_of_batches(path: Path) -> None:
    plan, records = case(path)
    core = Core(plan)
    for _ in range(20):
        taken(core, records)
    gc.collect()
    given, blocks, in_bytes = references(records), list[int](), list[int]()
    for _ in range(TIMES):
        before = sys.getallocatedblocks(), allocated_bytes()
        for _ in range(ROUNDS):
            taken(core, records)
        gc.collect()
        blocks.append(sys.getallocatedblocks() - before[0])
        in_bytes.append(allocated_bytes() - before[1])
    assert references(records) == given
    assert min(blocks) < ROUNDS // 2
    assert min(in_bytes) < ROUNDS * BYTES_A_ROUND_MAX


def test_the_room_that_one_odd_event_takes_is_given_back() -> None:
    core = Core(compile_plan(ONE_SEGMENT))
    # Each stands in its canonical form with its zeros: fifty times as long.
    numbers = ",".join(["1e307"] * 50_000)
    value = f'{{"a":[{numbers}],{MEMBER}}}'.encode()
    taken(core, [Record(0, b"p", b"{}", (), 0)])
    gc.collect()
    before = allocated_bytes()
    taken(core, [Record(1, b"p", value, (), 0)])
    gc.collect()
    assert allocated_bytes() - before < ROOM_KEPT_BYTES_MAX
