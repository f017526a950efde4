"""Kafka's side: logs of partitions, compaction, and a group with generations. It acts at once; the way to it takes time."""

from __future__ import annotations

import asyncio
import contextvars
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import msgspec
from aiokafka import ConsumerRecord
from aiokafka import errors as kafka

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping, Sequence

    from tests.simulation.loop import Simulation

Record: TypeAlias = "ConsumerRecord[bytes, bytes]"

LATEST_APPEND_S = 4.0
"""How long an append may be on its way."""


_NEWS_S = 0.1
"""How long a fetch waits for company of what it found: some seeds' events come in bunches."""


class Offset(NamedTuple):
    """A committed offset, as a coordinator hands it out."""

    offset: int
    metadata: str


class Committed(dict[int, Offset]):
    """The group's offsets by partition; they never go back."""

    def keep(self, offsets: Mapping[int, Offset]) -> None:
        """Commit."""
        for partition, offset in offsets.items():
            before = self.get(partition)
            assert before is None or offset.offset >= before.offset, (
                f"partition {partition}: the committed offset went back from {before} to {offset}"
            )
            self[partition] = offset


class Log:
    """One partition."""

    def __init__(self, topic: str, partition: int) -> None:
        self.topic, self.partition = topic, partition
        self.records: list[Record] = []
        self.markers: list[int] = []
        """Offsets of what is fetched and is no record, as transactions leave it behind."""
        self.begin = 0
        self.end = 0
        self.awaited: list[asyncio.Future[None]] = []
        """What a consumer that has read all waits for."""

    def put(self, record: Record, end: int, loop: Simulation, *, marked: bool) -> None:
        """Keep a record that is made already, and have those who wait for it look again a little later.

        What stands behind it, before `end`, is no record: markers, or nothing, as compaction leaves it.
        """
        self.records.append(record)
        self.end = end
        if marked:
            self.markers.extend(range(record.offset + 1, end))
        for news in self.awaited:
            loop.call_later(_NEWS_S, wake, news, context=NOWHERE)

    def append(
        self, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]], at_s: float
    ) -> int:
        """Keep a record; its offset."""
        offset, self.end = self.end, self.end + 1
        sizes = len(key or b""), len(value or b"")
        at_ms = int(at_s * 1000)
        self.records.append(
            ConsumerRecord(
                self.topic, self.partition, offset, at_ms, 0, key, value, None, *sizes, tuple(headers)
            )
        )
        return offset

    def has(self, position: int) -> bool:
        """Whether there is a record, or a marker, at `position` or after it."""
        last = max(self.records[-1].offset if self.records else -1, self.markers[-1] if self.markers else -1)
        return last >= position

    def read(self, position: int, count: int) -> tuple[list[Record], int]:
        """Up to `count` records from `position` on, and the position after them; it stays where there are none."""
        if not count or not self.has(position):
            return [], position
        at = self._index(position)
        found, behind = self.records[at : at + count], self.records[at + count : at + count + 1]
        reached = found[-1].offset + 1 if found else position
        # Markers are fetched with what stands before them.
        until = behind[0].offset if behind else self.end
        passed = self.markers[bisect_left(self.markers, reached) : bisect_left(self.markers, until)]
        return found, passed[-1] + 1 if passed else reached

    def compact(self, before_s: float) -> None:
        """Of the records that are older than `before_s`, leave those that are the last of their keys."""
        last = {record.key: record.offset for record in self.records}
        self.records = [
            record
            for record in self.records
            if last[record.key] == record.offset or record.timestamp >= before_s * 1000
        ]

    def compact_below(self, offset: int, *, tombstones: bool) -> None:
        """Of the records below `offset`, leave those that are the last of their keys there; with `tombstones`, no such either."""
        last = {record.key: record.offset for record in self.records if record.offset < offset}
        self.records = [
            record
            for record in self.records
            if record.offset >= offset
            or (last[record.key] == record.offset and not (tombstones and record.value is None))
        ]

    def delete_before(self, offset: int) -> None:
        """Begin at `offset`, as retention has it."""
        self.begin = max(self.begin, offset)
        self.records = self.records[self._index(self.begin) :]
        self.markers = [marker for marker in self.markers if marker >= self.begin]

    def _index(self, position: int) -> int:
        low, high = 0, len(self.records)
        while low < high:
            middle = (low + high) // 2
            if self.records[middle].offset < position:
                low = middle + 1
            else:
                high = middle
        return low


@dataclass
class _Member:
    """A member of the group, as the coordinator knows it."""

    id: str
    session_s: float
    rebalance_s: float
    heard_at_s: float
    joining: asyncio.Future[tuple[int, list[int]]] | None = None


@dataclass
class Group:
    """One consumer group on one topic; assigns ranges."""

    partitions: int
    loop: Simulation
    note: Callable[[str], None]
    members: dict[str, _Member] = field(default_factory=dict)
    generation: int = 0
    committed: Committed = field(default_factory=Committed)
    commits_refused: int = 0
    """How many of the next commits are refused, for no reason that the member could know."""
    is_rebalancing: bool = False
    _named: int = 0
    _round: int = 0

    def join(
        self, member_id: str, session_s: float, rebalance_s: float
    ) -> tuple[str, asyncio.Future[tuple[int, list[int]]]]:
        """Join, or join anew; the future is set when all have."""
        if member_id and member_id not in self.members:
            raise kafka.UnknownMemberIdError
        if not member_id:
            self._named += 1
            member_id = f"member-{self._named}"
            self.members[member_id] = _Member(member_id, session_s, rebalance_s, self.loop.time())
        member = self.members[member_id]
        if member.joining is not None:
            member.joining.cancel()
        member.joining = self.loop.create_future()
        self._rebalance()
        joined = member.joining
        self._end_round_if_all_joined()
        return member_id, joined

    def sync(self, member_id: str, generation: int) -> None:
        """Hear of a member that asks for its assignment."""
        member = self._known(member_id, generation)
        member.heard_at_s = self.loop.time()
        self._expire_later(member)

    def heartbeat(self, member_id: str, generation: int) -> None:
        """Hear of a member."""
        member = self._known(member_id, generation)
        member.heard_at_s = self.loop.time()
        self._expire_later(member)
        if self.is_rebalancing:
            raise kafka.RebalanceInProgressError

    def commit(self, member_id: str, generation: int, offsets: dict[int, Offset]) -> None:
        """Keep offsets of a member of this generation."""
        self._known(member_id, generation)
        if self.commits_refused:
            self.commits_refused -= 1
            raise kafka.CommitFailedError("as scripted")
        self.committed.keep(offsets)

    def leave(self, member_id: str) -> None:
        """Let a member go."""
        if self.members.pop(member_id, None) is not None:
            self._rebalance()
            self._end_round_if_all_joined()

    def rebalance(self) -> None:
        """Have all join anew, as a change of the topic's metadata would."""
        self._rebalance()

    def _known(self, member_id: str, generation: int) -> _Member:
        if member_id not in self.members:
            raise kafka.UnknownMemberIdError
        if generation != self.generation:
            raise kafka.IllegalGenerationError
        return self.members[member_id]

    def _expire_later(self, member: _Member) -> None:
        self.loop.call_later(member.session_s, self._expire, member, member.heard_at_s)

    def _expire(self, member: _Member, heard_at_s: float) -> None:
        is_silent = member.heard_at_s == heard_at_s and member.joining is None
        if is_silent and self.members.get(member.id) is member:
            self.note(f"{member.id} is silent, and expelled")
            self.leave(member.id)

    def _rebalance(self) -> None:
        if self.is_rebalancing or not self.members:
            return
        self.is_rebalancing = True
        self._round += 1
        patience_s = max(member.rebalance_s for member in self.members.values())
        self.loop.call_later(patience_s, self._give_up_waiting, self._round)

    def _give_up_waiting(self, round_number: int) -> None:
        if self.is_rebalancing and self._round == round_number:
            self.members = {name: each for name, each in self.members.items() if each.joining is not None}
            self._end_round_if_all_joined()

    def _end_round_if_all_joined(self) -> None:
        if not self.members:
            self.is_rebalancing = False
            return
        if not self.is_rebalancing or any(member.joining is None for member in self.members.values()):
            return
        self.is_rebalancing = False
        self.generation += 1
        in_order = sorted(self.members.values(), key=lambda member: member.id)
        share, more = divmod(self.partitions, len(in_order))
        first = 0
        shares = []
        for place, member in enumerate(in_order):
            count = share + (place < more)
            assert member.joining is not None
            if not member.joining.done():
                member.joining.set_result((self.generation, list(range(first, first + count))))
            member.joining = None
            shares.append(f"{member.id} has {list(range(first, first + count))}")
            first += count
            member.heard_at_s = self.loop.time()
            self._expire_later(member)
        self.note(f"generation {self.generation}: {', '.join(shares)}")


class Broker:
    """The cluster. `ask` is the way to it and back."""

    def __init__(
        self, rng: random.Random, loop: Simulation, partitions: int, note: Callable[[str], None]
    ) -> None:
        self.loop = loop
        self.partitions = partitions
        self.group = Group(partitions, loop, note)
        self.logs: dict[tuple[str, int], Log] = {}
        self.away_until_s = 0.0
        self.coordinator_away_until_s = 0.0
        self.refuses_until_s = 0.0
        """Until when the topics may not be read or written."""
        self.slow = 1.0
        """How much longer than usual every way takes."""
        self.lost_answers = 0.0
        """The share of appends that are kept and whose answer does not come in time."""
        self.repeated_appends = 0.0
        """The share of appends that the producer repeats, and Kafka knows already."""
        self.late_appends = 0.0
        """The share of appends that take seconds to arrive."""
        self.last_arrival_s = 0.0
        """When what is on its way now, and late, has arrived."""
        self.rng = rng

    def log(self, topic: str, partition: int) -> Log:
        """A partition, made when it is first asked for."""
        found = self.logs.get((topic, partition))
        if found is None:
            found = self.logs[topic, partition] = Log(topic, partition)
        return found

    def mend(self) -> None:
        """All is well from now on."""
        self.away_until_s = self.coordinator_away_until_s = self.refuses_until_s = 0.0
        self.slow, self.lost_answers, self.repeated_appends, self.late_appends = 1.0, 0.0, 0.0, 0.0
        self.group.commits_refused = 0

    def way_s(self) -> float:
        """How long one way takes."""
        return (0.0002 + 0.0028 * self.rng.random()) * self.slow

    async def ask(
        self, action: Callable[[], Any], *, timeout_s: float, of_group: bool = False, late_s: float = 0.0
    ) -> Any:
        """What `action` gives at the broker.

        Raises:
            KafkaConnectionError, KafkaTimeoutError, GroupCoordinatorNotAvailableError: the cluster is away.
            KafkaError: what `action` raises.

        """
        answer: asyncio.Future[Any] = self.loop.create_future()
        request = _Request(action, answer, self.loop.now_s + timeout_s, of_group)
        there_s = self.way_s() + late_s
        if late_s:
            self.last_arrival_s = max(self.last_arrival_s, self.loop.now_s + there_s)
        if there_s >= timeout_s:
            self._time_out(request)
        self.loop.call_later(there_s, self._arrived, request, context=NOWHERE)
        return await answer

    def _arrived(self, request: _Request) -> None:
        now_s = self.loop.now_s
        if now_s < self.away_until_s:
            if self.rng.random() < 0.5:
                self._answer(request, None, kafka.KafkaConnectionError("as scripted"))
            else:
                self._time_out(request)  # no answer at all
            return
        if request.of_group and now_s < self.coordinator_away_until_s:
            self._answer(request, None, kafka.GroupCoordinatorNotAvailableError())
            return
        if not request.of_group and now_s < self.refuses_until_s:
            self._answer(request, None, kafka.TopicAuthorizationFailedError("as scripted"))
            return
        try:
            result = request.action()
        except kafka.KafkaError as error:
            self._answer(request, None, error)
            return
        if isinstance(result, asyncio.Future):
            self._time_out(request)
            result.add_done_callback(
                lambda done: None if done.cancelled() else self._answer(request, done.result(), None)
            )
        else:
            self._answer(request, result, None)

    def _answer(self, request: _Request, result: Any, error: Exception | None) -> None:
        back_s = self.way_s()
        if self.loop.now_s + back_s < request.deadline_s:
            self.loop.call_later(back_s, _settle, request.answer, result, error, context=NOWHERE)
        else:
            self._time_out(request)

    def _time_out(self, request: _Request) -> None:
        wait_s = max(request.deadline_s - self.loop.now_s, 0.0)
        error = kafka.KafkaTimeoutError()
        self.loop.call_later(wait_s, _settle, request.answer, None, error, context=NOWHERE)


class _Request(msgspec.Struct, frozen=True):
    """What is asked of the cluster; `answer` is set, or failed, no later than at the deadline."""

    action: Any
    answer: Any
    deadline_s: float
    of_group: bool


def wake(waiting: asyncio.Future[None]) -> None:
    """Let who waits go on."""
    if not waiting.done():
        waiting.set_result(None)


def _settle(answer: asyncio.Future[Any], result: Any, error: Exception | None) -> None:
    if answer.done():
        return
    if error is None:
        answer.set_result(result)
    else:
        answer.set_exception(error)
        answer.exception()  # nobody may be there any more to look at it


NOWHERE = contextvars.Context()
"""The context of what belongs to no process."""
