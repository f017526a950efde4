"""The overlay before a store on disk: no look-up is stale, whatever is done while it is under way."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections import deque
from errno import ENOSPC
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from rocksdict import Options, Rdict

from processor.native import native
from processor.profile.state_record import encode_departed, has_departed, record_offset
from processor.state.overlay import Overlay
from processor.state.rocksdb_store import UNWRITTEN_S, RocksStore
from tests.support.held_executor import HeldExecutor
from tests.support.stores import member

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from processor.state.overlay import LookUp

PROFILES = [b"%d" % number for number in range(6)]
LIKE_AN_OWN_KEY = b"\xff\x01"
ASKED_FOR = st.lists(st.sampled_from([*PROFILES, b"never there"]), max_size=8)
CHANGES = st.dictionaries(st.sampled_from(PROFILES), st.booleans(), max_size=6)
CACHES_BYTES = st.sampled_from([0, 1_500, 1 << 20])
"""Of no record, some, and all."""
UNWRITTEN_BYTES = st.sampled_from([0, 1_000, 1 << 20])
TURNS = 20
"""As many as anything takes that waits for no thread."""


class OverlayOnDisk(RuleBasedStateMachine):
    """Look-ups, changes, acknowledgements, writes and purges of a partition, in any order that a worker may have them in."""

    library: Any = None

    def __init__(self) -> None:
        super().__init__()
        self._chosen = [
            mock.patch(f"processor.state.{module}.native", self.library)
            for module in ("latest_records", "records")
        ]
        for each in self._chosen:
            each.start()
        self.loop = asyncio.new_event_loop()
        self.path = Path(tempfile.mkdtemp())
        self.now_s = 0.0
        self.offset = 0
        self.position = 0
        self.latest: dict[bytes, bytes] = {}
        self.acknowledged: dict[bytes, bytes] = {}
        self.purged: set[bytes] = set()
        """Records of profiles that departed, and are deleted some time."""
        self.unacknowledged: deque[dict[bytes, bytes]] = deque()
        self.looking: list[tuple[LookUp, list[bytes]]] = []
        self.is_unavailable = False

    @initialize(cache_bytes=CACHES_BYTES, unwritten_bytes=UNWRITTEN_BYTES)
    def begin_anew(self, cache_bytes: int, unwritten_bytes: int) -> None:
        self.bounds = cache_bytes, unwritten_bytes
        self.open()

    def open(self) -> None:
        self.executor = HeldExecutor()
        self.store = RocksStore(
            Rdict(str(self.path), Options(raw_mode=True)),
            self.executor,
            self.path,
            cache_bytes=self.bounds[0],
            unwritten_bytes=self.bounds[1],
            purged_kept_ms=-1,
            writing=asyncio.Lock(),
            due_after_s=UNWRITTEN_S,
            clock=lambda: self.now_s,
        )
        self.overlay = Overlay(self.store)
        self.changing: asyncio.Task[None] | None = None
        """Which changes the store: an acknowledgement or a purge, of which there is one at a time."""
        self.flushing: list[asyncio.Task[None]] = []

    def turn(self) -> None:
        async def turns() -> None:
            for _ in range(TURNS):
                await asyncio.sleep(0)

        self.loop.run_until_complete(turns())

    def finish(self, task: asyncio.Task[Any]) -> None:
        self.turn()
        while not task.done():
            self.executor.go_on()
            self.turn()

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self.loop.create_task(work)
        self.turn()
        return task

    def may_be(self, profile: bytes, record: bytes | None, latest: Mapping[bytes, bytes]) -> bool:
        expected = latest.get(profile)
        return record == expected or (record is None and expected in self.purged)

    @rule(profiles=ASKED_FOR)
    def begin(self, profiles: list[bytes]) -> None:
        # Of a task group nothing is asked but tasks.
        tasks: Any = self.loop
        self.looking.append((self.overlay.begin(profiles, tasks), profiles))
        self.turn()

    @precondition(lambda self: self.looking)
    @rule(choice=st.integers(0, 99))
    def look(self, choice: int) -> None:
        look_up, profiles = self.looking.pop(choice % len(self.looking))
        task = self.loop.create_task(self.overlay.finish(look_up))
        self.finish(task)
        found = task.result()
        assert found.keys() == set(profiles)
        stale = [each for each, record in found.items() if not self.may_be(each, record, self.latest)]
        assert stale == []

    @rule()
    def look_at_all(self) -> None:
        self.begin([*PROFILES, LIKE_AN_OWN_KEY])
        self.look(-1)

    @precondition(lambda self: self.looking)
    @rule(choice=st.integers(0, 99))
    def cancel(self, choice: int) -> None:
        look_up, _ = self.looking.pop(choice % len(self.looking))
        task = self.loop.create_task(self.overlay.finish(look_up))
        self.turn()
        task.cancel()
        if look_up.reading is not None:
            look_up.reading.cancel()
        self.finish(task)

    @rule(changes=CHANGES)
    def put(self, changes: dict[bytes, bool]) -> None:
        records = {}
        for profile, departs in changes.items():
            self.offset += 1
            records[profile] = encode_departed(self.offset) if departs else member(self.offset)
        self.latest |= records
        self.unacknowledged.append(records)
        self.overlay.put(records)

    @precondition(lambda self: self.unacknowledged and self.changing is None)
    @rule(batches=st.integers(1, 4))
    def acknowledge(self, batches: int) -> None:
        merged: dict[bytes, bytes] = {}
        for _ in range(min(batches, len(self.unacknowledged))):
            merged |= self.unacknowledged.popleft()
        self.acknowledged |= merged
        self.position += 1
        self.changing = self.start(self.overlay.acknowledge(merged, self.position))

    @precondition(lambda self: self.changing is None)
    @rule(before=st.integers(0, 100))
    def purge(self, before: int) -> None:
        async def purge() -> None:
            found = await self.store.departed_before(before, 5)
            departed = [each for each in found if not self.overlay.holds(each.profile)]
            for each in departed:
                record = self.acknowledged[each.profile]
                assert has_departed(record)
                assert record_offset(record) == each.offset
                self.purged.add(record)
            self.position += 1
            await self.store.purge(departed, self.position)

        self.changing = self.start(purge())

    @precondition(lambda self: len(self.flushing) < 2)
    @rule()
    def flush(self) -> None:
        self.flushing.append(self.start(self.store.flush()))

    @rule()
    def pass_time(self) -> None:
        self.now_s += UNWRITTEN_S

    @precondition(lambda self: self.executor.first)
    @rule()
    def go_on(self) -> None:
        self.executor.go_on()
        self.turn()

    @precondition(lambda self: self.executor.first == "_written" and not self.is_unavailable)
    @rule()
    def disk_is_full(self) -> None:
        self.is_unavailable = True
        self.executor.go_on(OSError(ENOSPC, os.strerror(ENOSPC)))
        self.turn()

    @rule()
    def keep_all(self) -> None:
        self.settle()
        while self.unacknowledged:
            self.acknowledge(4)
            self.settle()
        self.flush()
        self.settle()

    @precondition(lambda self: not self.looking)
    @rule()
    def open_anew(self) -> None:
        self.settle()
        closing = self.loop.create_task(self.store.close())
        self.finish(closing)
        closing.result()
        self.open()
        # What was not acknowledged is worked on again by whoever opens it; what the disk lacks is restored.
        self.latest = dict(self.acknowledged)
        self.unacknowledged.clear()
        if self.is_unavailable:
            self.is_unavailable = False
            restoring = self.start(self.store.apply(self.acknowledged, self.position))
            self.finish(restoring)
            restoring.result()
        assert self.store.position == self.position

    def settle(self) -> None:
        for task in [*([self.changing] if self.changing else []), *self.flushing]:
            self.finish(task)
            task.result()
        self.changing, self.flushing = None, []

    @invariant()
    def what_is_done_was_done(self) -> None:
        for task in [*([self.changing] if self.changing else []), *self.flushing]:
            if task.done():
                task.result()
        if self.changing is not None and self.changing.done():
            self.changing = None
        self.flushing = [task for task in self.flushing if not task.done()]

    @invariant()
    def those_alone_are_under_way_that_are_not_finished(self) -> None:
        assert self.overlay._under_way == [look_up for look_up, _ in self.looking]

    @invariant()
    def what_is_not_acknowledged_is_held(self) -> None:
        if self.changing is None:
            held = {profile for changes in self.unacknowledged for profile in changes}
            assert {profile for profile in PROFILES if self.overlay.holds(profile)} == held

    def teardown(self) -> None:
        try:
            while self.looking:
                self.look(0)
            self.open_anew()
            self.look_at_all()
        finally:
            self.loop.close()
            for each in self._chosen:
                each.stop()
            shutil.rmtree(self.path)


class CompiledOverlayOnDisk(OverlayOnDisk):
    library = native


OverlayOnDisk.TestCase.settings = CompiledOverlayOnDisk.TestCase.settings = settings(
    max_examples=30, stateful_step_count=40
)
TestPlain = OverlayOnDisk.TestCase
TestCompiled = pytest.mark.skipif(native is None, reason="plain Python alone is installed here")(
    CompiledOverlayOnDisk.TestCase
)
