"""The topic of the definition in memory: what compaction leaves of it, what is in force in truth, and the ways to and from it."""

from __future__ import annotations

import asyncio
import contextvars
import json
from typing import TYPE_CHECKING, Any, NamedTuple

from processor.errors import KafkaUnavailable
from processor.kafka.followed_topic import Followed
from tests.support.definitions import LogRecord

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncGenerator, Callable, Sequence

    from tests.simulation.loop import Simulation

_IDLE_S = 5.0
_LATE_S = 25.0
_GONE_S = 3.0
"""How long a reader may take to see that a topic was deleted."""


class Accepted(NamedTuple):
    """What was in force from `at_s` on; `operations` are all that were ever done to it."""

    version: int
    id: str
    operations: tuple[str, ...]
    by: str
    at_s: float


class Truth:
    """What is in force by all records in their order: from none but what is appended, and before compaction."""

    def __init__(self) -> None:
        self.accepted = [Accepted(0, "", (), "", 0.0)]
        self._version = 0

    def take(self, value: bytes, now_s: float) -> bool:
        """Take the next record that is no tombstone; True where it is accepted."""
        try:
            tree = json.loads(value)
        except ValueError:
            return False
        if tree["from"] < self._version:
            return False
        self._version = tree["version"]
        operations = [name for each in tree["resources"] for name in each["body"]["operations"]]
        self.accepted.append(Accepted(self._version, tree["id"], tuple(operations), tree["by"], now_s))
        return True

    def begin_anew(self) -> None:
        """The topic was made anew, with nothing in it."""
        self._version = 0

    def version_at(self, moment_s: float) -> int:
        """The version that was in force at a moment."""
        return max((each.version for each in self.accepted if each.at_s <= moment_s), default=0)


class Link:
    """A process' way to Kafka. What is `lossy` loses requests and answers, or brings them late."""

    def __init__(self, rng: random.Random, loop: Simulation) -> None:
        self._rng = rng
        self._loop = loop
        self._away_until_s = 0.0
        self._lossy_until_s = 0.0

    @property
    def is_away(self) -> bool:
        """Whether nothing passes."""
        return self._loop.now_s < self._away_until_s

    @property
    def is_lossy(self) -> bool:
        """Whether some of it does not pass."""
        return self._loop.now_s < self._lossy_until_s

    def cut(self, for_s: float) -> None:
        """Let nothing pass for so long."""
        self._away_until_s = max(self._away_until_s, self._loop.now_s + for_s)

    def spoil(self, for_s: float) -> None:
        """Lose some for so long."""
        self._lossy_until_s = max(self._lossy_until_s, self._loop.now_s + for_s)

    def mend(self) -> None:
        """Let all pass."""
        self._away_until_s = self._lossy_until_s = 0.0

    async def pass_(self) -> None:
        """Let something be on its way."""
        await asyncio.sleep(self._rng.uniform(0.0005, 3.0 if self.is_lossy else 0.03))

    async def ask(self) -> None:
        """Let a question and its answer pass.

        Raises:
            KafkaUnavailable: they do not.

        """
        await self.pass_()
        if self.is_away or (self.is_lossy and self._rng.random() < 0.2):
            await asyncio.sleep(self._rng.uniform(0.5, 4.0))
            raise KafkaUnavailable("simulated: no answer")


class _Stored(NamedTuple):
    offset: int
    key: bytes
    value: bytes | None


class DefinitionTopic:
    """One partition, compacted at any moment to any degree."""

    def __init__(self, rng: random.Random, loop: Simulation, note: Callable[[str], None]) -> None:
        self.truth = Truth()
        self.is_there = False
        self.last_arrival_s = 0.0
        """When the last of what is late now arrives."""
        self._rng = rng
        self._loop = loop
        self._note = note
        self._life = 0
        self._log: list[_Stored] = []
        self._end = 0
        self._news = asyncio.Event()

    def create(self) -> bool:
        """True where it was not there."""
        if self.is_there:
            return False
        self.is_there = True
        return True

    def delete(self) -> None:
        """All that was in it is gone."""
        self._log.clear()
        self._end, self.is_there = 0, False
        self._life += 1
        self.truth.begin_anew()

    def put(self, key: bytes, value: bytes | None) -> None:
        """A record arrives."""
        if not self.is_there:
            return
        self._log.append(_Stored(self._end, key, value))
        what = "tombstone" if value is None else "refused"
        if value is not None and self.truth.take(value, self._loop.now_s):
            what = "ACCEPTED"
        self._note(f"offset {self._end}: {key.decode()} {what}")
        self._end += 1
        news, self._news = self._news, asyncio.Event()
        news.set()

    def compact(self, *, wholly: bool = False) -> None:
        """Take what has a later record of its key before a moment of the log; some segments are not done yet. Tombstones may go as well."""
        to = self._end if wholly else self._rng.randrange(self._end + 1)
        done = 1.0 if wholly else self._rng.choice([0.5, 0.9, 1.0])
        last = {each.key: each.offset for each in self._log if each.offset < to}
        before = len(self._log)
        self._log = [
            each for each in self._log if each.offset >= last.get(each.key, 0) or self._rng.random() >= done
        ]
        if wholly or self._rng.random() < 0.5:
            first = {each.key: each.offset for each in reversed(self._log)}
            self._log = [
                each
                for each in self._log
                if each.offset >= to or each.value is not None or first[each.key] < each.offset
            ]
        self._note(f"compaction takes {before - len(self._log)} of {before}")

    @property
    def values(self) -> int:
        """How many keys have a definition as their value."""
        last = {each.key: each.value for each in self._log}
        return sum(value is not None and value.startswith(b"{") for value in last.values())

    async def follow(self, link: Link) -> AsyncGenerator[Followed, None]:
        """See `follow_topic`."""
        await link.ask()
        if not self.is_there:
            raise KafkaUnavailable("simulated: no such topic")
        life, position = self._life, self._log[0].offset if self._log else self._end
        await link.ask()
        end = self._end
        is_current = position >= end
        if is_current:
            yield Followed((), is_current, is_at_end=True)
        while True:
            found, high = await self._fetched(link, life, position)
            if found:
                position = found[-1].offset + 1
            is_at_end = high is not None and (position >= high or not found)
            is_current = is_current or is_at_end or position >= end
            records: Any = [LogRecord(each.key, each.value) for each in found]
            yield Followed(records, is_current, is_at_end)

    async def _fetched(self, link: Link, life: int, position: int) -> tuple[Sequence[_Stored], int | None]:
        """Some of the next records, and where the log ended as Kafka answered; None where it does not answer."""
        await link.pass_()
        if link.is_away or (link.is_lossy and self._rng.random() < 0.3):
            await asyncio.sleep(self._rng.uniform(0.1, 2.0))
            return (), None
        if position >= self._end and self._life == life:
            news = asyncio.ensure_future(self._news.wait())
            await asyncio.wait([news], timeout=_IDLE_S)
            news.cancel()
        if self._life != life:
            await asyncio.sleep(self._rng.uniform(0.0, _GONE_S))
            raise KafkaUnavailable("simulated: the topic was made anew")
        found = [each for each in self._log if each.offset >= position][: self._rng.randrange(1, 6)]
        high = self._end
        # Whatever happens while the answer is on its way.
        await link.pass_()
        return found, high

    async def append(self, link: Link, key: bytes, value: bytes | None) -> None:
        """See `SmallAppends`: what is sent arrives, or not, whatever becomes of its sender."""
        rng, arrived = self._rng, asyncio.get_running_loop().create_future()
        is_lost = link.is_away or (link.is_lossy and rng.random() < 0.2)
        is_late = (link.is_away or link.is_lossy) and rng.random() < 0.5
        delay_s = rng.uniform(0.0, _LATE_S) if is_late else rng.uniform(0.0005, 0.03)

        def arrive() -> None:
            self.put(key, value)
            if not arrived.done():
                arrived.set_result(None)

        if is_late or not is_lost:
            self.last_arrival_s = max(self.last_arrival_s, self._loop.now_s + delay_s)
            self._loop.call_later(delay_s, arrive, context=contextvars.Context())
        if is_lost or (link.is_lossy and rng.random() < 0.3):
            await asyncio.sleep(rng.uniform(0.1, 4.0))
            raise KafkaUnavailable("simulated: no answer")
        await arrived
        await link.pass_()
