"""Mistakes that somebody could make in the worker, each of which the simulation must find."""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, cast
from unittest import mock

from aiokafka import errors as kafka

from processor.errors import KafkaError
from processor.kafka.changelog import OWN_KEYS, STREAM_KEY
from processor.kafka.commit_metadata import Mark
from processor.kafka.dead_letters import DeadLetters
from processor.kafka.idempotent_producer import IdempotentProducer
from processor.kafka.poll_room import Room
from processor.kafka.source import Source
from processor.kinesis.bisection import Bisection, Verdict
from processor.kinesis.calls import Calls
from processor.kinesis.lane import Lane
from processor.kinesis.lanes import Lanes
from processor.kinesis.profile_order import ProfileOrder
from processor.kinesis.repeat_probe import RepeatProbe
from processor.kinesis.retries import Retries
from processor.kinesis.settlement import Settlement
from processor.kinesis.ticket import Ticket
from processor.profile.batch import Batch
from processor.state.overlay import Overlay
from processor.waiting.fence import Fence
from processor.worker import acknowledgements, takeover
from processor.worker import restore as restoring
from processor.worker.acknowledgements import Acknowledgements
from processor.worker.checkpoint import Checkpoint
from processor.worker.commits import Commits
from processor.worker.in_flight import InFlight
from processor.worker.partition import Partition
from tests.simulation.broker import Group

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from processor.worker.pipeline import Pipeline

_AMPLE_BYTES: Final = 1 << 40


def instead(owner: Any, name: str, made: Callable[[Any], Any]) -> Callable[[], AbstractContextManager[Any]]:
    """`made` of the original takes the place of `owner.name`."""
    return lambda: mock.patch.object(owner, name, made(getattr(owner, name)))


def _offsets_before_changelog(note_settled: Any) -> Any:
    def mistaken(self: Partition, settled: Any, freed_bytes: int) -> None:
        note_settled(self, settled, freed_bytes)
        self.next_offset = settled[-1].batch.next_offset

    return mistaken


def _store_before_kinesis(begin: Any) -> Any:
    async def mistaken(self: Partition, records: Any, states: Any) -> None:
        submit, store = self._stages.writer.submit, self._stages.state.store

        async def applied_first(ticket: Any) -> None:
            await store.apply(list(self._in_flight)[-1].changes, store.position)
            await submit(ticket)

        with mock.patch.object(self._stages.writer, "submit", applied_first):
            await begin(self, records, states)

    return mistaken


def _failed_after_later(send_again: Any) -> Any:
    def mistaken(self: Settlement, lane: Any, items: Any, code: str) -> None:
        for item in items:
            queue = self._order._partitions[item.ticket.partition][item.export.profile]
            if queue and not lane.is_failing:
                queue.append(item)
                self._lanes.add_waited([queue.popleft()])
            else:
                send_again(self, lane, [item], code)

    return mistaken


def _no_overlay(_: Any) -> Any:
    def mistaken(self: Overlay, changes: Any) -> None:
        """What is under way is not seen by the next batch."""

    return mistaken


def _settled_too_early(next_ticket: Any) -> Any:
    async def mistaken(self: InFlight) -> Ticket:
        ticket: Ticket = await next_ticket(self)
        if ticket.unsettled == 1:
            Ticket.settle([ticket])
        return ticket

    return mistaken


def _changes_are_let_go(let_go: Any) -> Any:
    def mistaken(self: Batch) -> int:
        freed_bytes: int = let_go(self)
        held_bytes, self.size_bytes, self.changes = self.size_bytes, 0, {}
        return freed_bytes + held_bytes

    return mistaken


def _let_go_stays_counted(let_go: Any) -> Any:
    def mistaken(self: Batch) -> int:
        let_go(self)
        return 0

    return mistaken


def _last_of_an_append_alone(_: Any) -> Any:
    def mistaken(batches: Any) -> dict[bytes, bytes]:
        changes: dict[bytes, bytes] = batches[-1].changes
        return changes

    return mistaken


def _settled_meanwhile_is_acknowledged(keep: Any) -> Any:
    async def mistaken(self: Acknowledgements) -> None:
        await keep(self)
        meanwhile = self._in_flight.settled
        self._in_flight.acknowledge(len(meanwhile))
        self._on_acknowledged(meanwhile)

    return mistaken


def _any_generation(_: Any) -> Any:
    def mistaken(self: Group, member_id: str, generation: int, offsets: Any) -> None:
        self.committed.keep(offsets)

    return mistaken


def _one_record_short(restore: Any) -> Any:
    async def mistaken(changelog: Any, partition: int, store: Any, end: int, on_progress: Any) -> set[bytes]:
        # Behind the last one stands the note of what is consumed.
        outdated: set[bytes] = await restore(changelog, partition, store, max(end - 2, 0), on_progress)
        if store.position < end:
            await store.apply({}, end)
        return outdated

    return mistaken


def _never_replaced(_: Any) -> Any:
    async def mistaken(self: IdempotentProducer, former: Any) -> None:
        """The next append is refused as this one was."""

    return mistaken


def _gaps_overlooked(_: Any) -> Any:
    async def mistaken(self: Checkpoint, entries: Any, position: int) -> int:
        for span in await self._retried(lambda: self._changelog.append(self._partition, entries)):
            position = span.end
        return position

    return mistaken


def _last_record_wins(_: Any) -> Any:
    async def mistaken(store: Any, records: Any, _outdated: Any) -> None:
        newest = {r.key: restoring.state_of(r) for r in records if not (r.key or b"").startswith(OWN_KEYS)}
        markers = [r.value.decode() for r in records if r.key == STREAM_KEY]
        await store.apply(newest, records[-1].offset + 1, markers[-1] if markers else None)

    return mistaken


def _unanswered_is_kept(retried: Any) -> Any:
    async def mistaken(self: Checkpoint, action: Any) -> Any:
        try:
            return await action()
        except KafkaError:
            return [] if "append" in repr(action) else await retried(self, action)

    return mistaken


def _failures_overlooked(_: Any) -> Any:
    def mistaken(self: Settlement, call: Any, results: Any, now_s: float) -> None:
        self._stored(call.items, call.size_bytes)
        for run in call.runs:
            run.lane.release(run.size_bytes)
            run.lane.answered(now_s, run.end - run.start, 0, 0)

    return mistaken


def _whole_call_again(answered: Any) -> Any:
    def mistaken(self: Settlement, call: Any, answer: Any, now_s: float) -> None:
        if answer.failed:
            call.end_probes()
            self._retries.later(list(call.items), "whole")
        else:
            answered(self, call, answer, now_s)

    return mistaken


def _letters_dropped(_: Any) -> Any:
    async def mistaken(self: DeadLetters, partition: int, dead_letters: Any) -> None:
        """They are acknowledged, and nowhere."""

    return mistaken


def _commit_one_too_far(commit: Any) -> Any:
    async def mistaken(self: Any, offsets: Any) -> bool:
        committed: bool = await commit(self, {n: offset + 1 for n, offset in offsets.items()})
        return committed

    return mistaken


def _drained_means_done(_: Any) -> Any:
    async def mistaken(self: Partition) -> None:
        self._give_back()
        for batch in self._in_flight:
            self.next_offset = batch.next_offset

    return mistaken


def _cancelled_calls_are_lost(_: Any) -> Any:
    def mistaken(self: Retries, items: Any, reason: str) -> None:
        if reason != "unavailable":
            self._put_back(items)

    return mistaken


def _moved_records_are_lost(use: Any) -> Any:
    def mistaken(self: Lanes, shards: Any, now_s: float) -> None:
        for lane in self:
            if lane.shard_id not in shards.ids:
                lane.ready.clear()
        use(self, shards, now_s)

    return mistaken


def _commit_failure_is_success(_: Any) -> Any:
    async def mistaken(self: Any, partitions: Any) -> None:
        offsets = {p.number: p.next_offset for p in partitions if p.next_offset is not None}
        try:
            await self._source.commit(
                offsets, {p.number: Mark(None, p.changelog_position) for p in partitions}
            )
        except (KafkaError, kafka.KafkaError):
            return
        finally:
            for partition in partitions:
                if partition.next_offset is not None:
                    partition.committed(partition.next_offset)

    return mistaken


def _never_reasserted(_: Any) -> Any:
    async def mistaken(self: Checkpoint, profiles: Any, position: int) -> None:
        await self._state.store.apply({}, position)

    return mistaken


def _room_overlooked(poll: Any) -> Any:
    async def mistaken(self: Source, room: Any) -> Any:
        shares = dict.fromkeys(cast("Pipeline", self._listener._assignment).partitions, _AMPLE_BYTES)
        return await poll(self, Room(1000, _AMPLE_BYTES, shares) if room.shares else room)

    return mistaken


def _given_back_stays_counted(give_back: Any) -> Any:
    def mistaken(self: Partition) -> None:
        held_bytes = self.held_bytes
        give_back(self)
        self.held_bytes = held_bytes

    return mistaken


def _no_share_of_the_buffer(_: Any) -> Any:
    def mistaken(_self: Lanes, shard_id: str, now_s: float) -> Lane:
        return Lane(shard_id, now_s, math.inf)

    return mistaken


def _moved_stays_counted(current_lane: Any) -> Any:
    def mistaken(self: Lanes, item: Any) -> Any:
        size_bytes, item.size_bytes = item.size_bytes, 0
        lane = current_lane(self, item)
        item.size_bytes = size_bytes
        return lane

    return mistaken


def _rejected_leaves_no_letter(give_up: Any) -> Any:
    def mistaken(self: Settlement, item: Any) -> None:
        give_up(self, item)
        item.ticket.rejections.pop()

    return mistaken


def _confirmed_at_once(rejected: Any) -> Any:
    def mistaken(self: Bisection, part: Any, sent: Any) -> Any:
        return Verdict.CONFIRMED if len(part) == 1 else rejected(self, part, sent)

    return mistaken


def _only_events_are_committed(_: Any) -> Any:
    def mistaken(_self: Partition, _position: int) -> None:
        """The offset stays behind the last event."""

    return mistaken


def _passed_while_events_are_under_way(_: Any) -> Any:
    def mistaken(self: Partition, position: int) -> None:
        self.next_offset = max(self.next_offset or 0, position)

    return mistaken


def _gaps_are_waited_at(_: Any) -> Any:
    async def mistaken(_self: Source, _partition: int) -> None:
        """What compaction took may come yet."""

    return mistaken


def _one_proof_is_enough(rejected: Any) -> Any:
    def mistaken(self: Bisection, part: Any, sent: Any) -> Any:
        verdict = rejected(self, part, sent)
        if verdict is Verdict.CANDIDATE and part[0].evidence.proofs:
            self._candidates.remove(part[0])
            return Verdict.CONFIRMED
        return verdict

    return mistaken


def _nothing_is_sent_again(_: Any) -> Any:
    def mistaken(_self: RepeatProbe, _candidates: Any) -> None:
        """A record that is rejected waits for others."""

    return mistaken


class _Forgiving(dict[Any, Any]):
    """What was never noted may end."""

    def pop(self, key: Any, default: Any = None) -> Any:
        return super().pop(key, default)


def _sent_again_out_of_turn(_: Any) -> Any:
    def mistaken(self: ProfileOrder, candidates: Any, partition: int, profile: bytes) -> bool:
        self._partitions[partition] = _Forgiving(self._partitions.get(partition, {}))
        return not any(
            (each.ticket.partition, each.export.profile) == (partition, profile) for each in candidates
        )

    return mistaken


def _sent_again_is_not_let_go(_: Any) -> Any:
    def mistaken(_self: RepeatProbe, _partition: int) -> list[Any]:
        return []

    return mistaken


def _later_change_is_dropped(acknowledge: Any) -> Any:
    async def mistaken(self: Overlay, changes: Any, position: int) -> None:
        await acknowledge(self, changes, position)
        later: dict[bytes, Any] = {}
        self._pending.find(changes, later)
        self._pending.drop_same(later)

    return mistaken


def _look_up_is_left_as_it_was(_: Any) -> Any:
    def mistaken(self: Overlay, changes: Any) -> None:
        self._pending.put(changes, 0)

    return mistaken


def _calls_outlive_their_partition(_: Any) -> Any:
    async def mistaken(_self: Calls) -> None:
        """They go on, and what they bring comes after what the next owner writes."""

    return mistaken


def _never_tried_again(wait_s: Any) -> Any:
    def mistaken(self: Lanes, now_s: float) -> float:
        for lane in self:
            if lane.is_failing:
                lane.pause_until(math.inf)
        return float(wait_s(self, now_s))

    return mistaken


@contextmanager
def _no_fence() -> Iterator[None]:
    with mock.patch.object(Fence, "is_open", property(lambda _: True)):
        yield


MISTAKES: Final[dict[str, Callable[[], AbstractContextManager[Any]]]] = {
    "offsets are committed before the changelog has the states": instead(
        Partition, "_settled", _offsets_before_changelog
    ),
    "the store is written before Kinesis acknowledges": instead(Partition, "_begin", _store_before_kinesis),
    "a failed record goes again after a later one of its profile": instead(
        Settlement, "_send_again", _failed_after_later
    ),
    "the next batch does not see what is under way": instead(Overlay, "put", _no_overlay),
    "a batch settles with one record still in flight": instead(InFlight, "next_ticket", _settled_too_early),
    "what a batch lets go of has its changes with it": instead(Batch, "let_go", _changes_are_let_go),
    "what a batch lets go of stays counted": instead(Batch, "let_go", _let_go_stays_counted),
    "of batches that share an append the last is kept alone": instead(
        acknowledgements, "merged_changes", _last_of_an_append_alone
    ),
    "what settles during an append is acknowledged with it": instead(
        Acknowledgements, "_keep_settled", _settled_meanwhile_is_acknowledged
    ),
    "a zombie's commit is accepted": instead(Group, "commit", _any_generation),
    "a restore stops one record short": instead(takeover, "restore", _one_record_short),
    "a restore takes the last record, not the newest": instead(restoring, "_apply", _last_record_wins),
    "an append that was not answered counts as kept": instead(Checkpoint, "_retried", _unanswered_is_kept),
    "failures inside an answer are overlooked": instead(Settlement, "_settle_some", _failures_overlooked),
    "a whole call goes again for one record": instead(Settlement, "answered", _whole_call_again),
    "dead letters are dropped": instead(DeadLetters, "write", _letters_dropped),
    "offsets are committed one too far": instead(Source, "commit", _commit_one_too_far),
    "what is drained counts as acknowledged": instead(Partition, "drain", _drained_means_done),
    "a call that was cut off is forgotten": instead(Retries, "now", _cancelled_calls_are_lost),
    "what waits for a shard that closes is dropped": instead(Lanes, "use", _moved_records_are_lost),
    "a refused commit counts as committed": instead(Commits, "commit", _commit_failure_is_success),
    "a zombie begins calls": _no_fence,
    "what a restore finds outdated is not reasserted": instead(Checkpoint, "reassert", _never_reasserted),
    "a partition without room is asked for more": instead(Source, "poll", _room_overlooked),
    "what is given back stays counted": instead(Partition, "_give_back", _given_back_stays_counted),
    "a shard may hold all of the buffer": instead(Lanes, "_opened", _no_share_of_the_buffer),
    "what moves to another shard stays counted where it was": instead(
        Lanes, "_current_lane", _moved_stays_counted
    ),
    "a rejected record leaves no letter": instead(Settlement, "give_up", _rejected_leaves_no_letter),
    "a record that is rejected alone is given up at once": instead(Bisection, "rejected", _confirmed_at_once),
    "offsets behind the last event that are none are not committed": instead(
        Partition, "pass_to", _only_events_are_committed
    ),
    "what was read is passed while events of it are under way": instead(
        Partition, "pass_to", _passed_while_events_are_under_way
    ),
    "what compaction took at the end is waited for": instead(Source, "pass_gap", _gaps_are_waited_at),
    "a record is given up on one proof": instead(Bisection, "rejected", _one_proof_is_enough),
    "nothing is sent again to see by": instead(RepeatProbe, "begin", _nothing_is_sent_again),
    "what is sent again does not take its profile's turn": instead(
        ProfileOrder, "go_before", _sent_again_out_of_turn
    ),
    "what is sent again outlives its partition": instead(RepeatProbe, "release", _sent_again_is_not_let_go),
    "an acknowledgement drops a later change of its profile": instead(
        Overlay, "acknowledge", _later_change_is_dropped
    ),
    "what is put during a look-up is not laid over it": instead(Overlay, "put", _look_up_is_left_as_it_was),
    "calls outlive the partition that they are of": instead(
        Calls, "cancel_abandoned", _calls_outlive_their_partition
    ),
    "a shard that failed is never tried again": instead(Lanes, "wait_s", _never_tried_again),
    "an intruder is overlooked": instead(Checkpoint, "_appended", _gaps_overlooked),
    "a producer whose numbers have a gap is kept": instead(IdempotentProducer, "_retire", _never_replaced),
}
