"""A member whose instance id another has taken waits until the id is free, and takes it from nobody."""

from __future__ import annotations

import asyncio
import functools
import inspect
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import errors as kafka
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer import AIOKafkaConsumer
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.protocol.admin import DescribeGroupsRequest
from aiokafka.protocol.group import HeartbeatRequest, JoinGroupRequest

from processor.kafka.static_member import FENCED_INSTANCE_ID, StaticMember
from tests.support.virtual_time import run_in_virtual_time

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

UNKNOWN = 25
LOOK_S = 3.0


def virtual_time(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @functools.wraps(test)
    def run(**arguments: Any) -> None:
        run_in_virtual_time(test(**arguments))

    return run


class Broker:
    """What a group's coordinator knows of one instance id, and of nothing else."""

    def __init__(self) -> None:
        self.holder = ""
        self.joins: list[str] = []
        self.beats = 0
        self.loses_the_next_answer = False
        self.coordinator: Any = SimpleNamespace(
            _send_req=self.answer, _closing=asyncio.get_running_loop().create_future(),
            group_id="exports", generation=-1, member_id="",
        )  # fmt: skip

    async def answer(self, request: Any) -> Any:
        if isinstance(request, JoinGroupRequest):
            return self._join()
        if isinstance(request, DescribeGroupsRequest):
            member = (f"pod-0-{'0' * 36}", "processor", "/10.0.0.7", b"", b"")
            return SimpleNamespace(groups=[(0, "exports", "Stable", "consumer", "range", [member])])
        version_3 = request.prepare({12: (0, 4)})
        assert version_3.API_VERSION == 3
        self.beats += 1
        member_id = version_3.get_item("member_id")
        assert version_3.get_item("group_instance_id") == "pod-0"
        if self.holder in {"", member_id}:
            return SimpleNamespace(error_code=0 if self.holder else UNKNOWN)
        return SimpleNamespace(error_code=FENCED_INSTANCE_ID)

    def _join(self) -> Any:
        known = self.coordinator.member_id
        if known not in {"", self.holder}:
            return SimpleNamespace(error_code=FENCED_INSTANCE_ID)
        self.holder = known or f"ours-{len(self.joins)}"
        self.joins.append(self.holder)
        if self.loses_the_next_answer:
            self.loses_the_next_answer = False
            raise kafka.KafkaConnectionError
        return SimpleNamespace(error_code=0, generation_id=1, member_id=self.holder)


class Join(JoinGroupRequest):  # type: ignore[misc]  # aiokafka has no types
    def __init__(self) -> None:
        pass


class Member:
    """What aiokafka does with the answers."""

    def __init__(self) -> None:
        self.broker = Broker()
        self.coordinator = self.broker.coordinator
        self.static = StaticMember("pod-0", LOOK_S)
        self.static.watch(SimpleNamespace(_coordinator=self.coordinator))

    async def join(self) -> int:
        answer = await self.coordinator._send_req(Join())
        if answer.error_code == 0:
            self.coordinator.generation, self.coordinator.member_id = answer.generation_id, answer.member_id
        elif answer.error_code == UNKNOWN:
            self.forget()
        return int(answer.error_code)

    async def beat(self) -> int:
        answer = await self.coordinator._send_req(
            HeartbeatRequest("exports", self.coordinator.generation, self.coordinator.member_id)
        )
        if answer.error_code == UNKNOWN:
            self.forget()
        return int(answer.error_code)

    def forget(self) -> None:
        self.coordinator.generation, self.coordinator.member_id = -1, ""


@virtual_time
async def test_the_first_join_takes_the_id_whoever_has_it() -> None:
    member = Member()
    member.broker.holder = "a former self"
    assert await member.join() == 0
    assert await member.beat() == 0
    assert member.static.rival is None


@pytest.mark.parametrize("learns_by", ["heartbeat", "join", "commit"])
@virtual_time
async def test_a_member_that_is_fenced_off_says_so_and_waits_until_the_id_is_free(learns_by: str) -> None:
    member = Member()
    await member.join()
    member.broker.holder = "a rival"
    match learns_by:
        case "heartbeat":
            assert await member.beat() == UNKNOWN
        case "join":
            assert await member.join() == UNKNOWN
        case _:
            member.forget()  # a commit's answer is none of this module's
    joining = asyncio.create_task(member.join())
    await asyncio.sleep(100 * LOOK_S)
    assert not joining.done()
    assert member.broker.joins == ["ours-0"]
    assert member.broker.beats <= 103
    told = member.static.rival
    assert told is not None
    for part in ("exports", "pod-0", "PROCESSOR_KAFKA_INSTANCE_ID", "(processor at 10.0.0.7)"):
        assert part in told
    member.broker.holder = ""
    await asyncio.sleep(LOOK_S)
    assert await joining == 0
    assert member.static.rival is None
    assert await member.beat() == 0


@virtual_time
async def test_a_member_whose_session_expired_joins_again_at_once() -> None:
    member = Member()
    await member.join()
    member.broker.holder = ""
    assert await member.beat() == UNKNOWN
    began_s = asyncio.get_running_loop().time()
    assert await member.join() == 0
    assert asyncio.get_running_loop().time() == began_s


@virtual_time
async def test_a_join_whose_answer_was_lost_is_no_rival() -> None:
    member = Member()
    await member.join()
    member.broker.holder = ""
    await member.beat()
    member.broker.loses_the_next_answer = True
    with pytest.raises(kafka.KafkaConnectionError):
        await member.join()
    assert await member.join() == 0
    assert member.static.rival is None


@virtual_time
async def test_a_member_that_waits_for_its_id_can_be_closed() -> None:
    member = Member()
    await member.join()
    member.broker.holder = "a rival"
    await member.beat()
    joining = asyncio.create_task(member.join())
    await asyncio.sleep(LOOK_S / 2)
    member.coordinator._closing.set_result(None)
    with pytest.raises(kafka.KafkaError):
        await joining


@pytest.mark.parametrize(
    ("gives_id_back", "comes_back"), [(True, False), (True, True), (False, False), (False, True)]
)
@virtual_time
async def test_a_member_that_gives_its_id_back_leaves_the_group_unless_it_comes_back(
    *, gives_id_back: bool, comes_back: bool
) -> None:
    left: list[str | None] = []

    async def leave() -> None:
        left.append(coordinator._group_instance_id)

    coordinator: Any = SimpleNamespace(_send_req=None, _group_instance_id="pod-0", _maybe_leave_group=leave)
    member = StaticMember("pod-0", LOOK_S, gives_id_back=gives_id_back)
    member.watch(SimpleNamespace(_coordinator=coordinator))
    if comes_back:
        member.keep_id()
    await coordinator._maybe_leave_group()
    assert left == [None if gives_id_back and not comes_back else "pod-0"]
    assert coordinator._group_instance_id == "pod-0"


@virtual_time
async def test_a_broker_without_static_membership_gets_plain_heartbeats() -> None:
    sent: list[object] = []

    async def old(request: Any) -> Any:
        request.prepare({11: (0, 2), 12: (0, 1)})
        sent.append(request)
        return SimpleNamespace(error_code=0)

    member = Member()
    member.static._plainly = old
    assert await member.beat() == 0
    assert [type(request) for request in sent] == [HeartbeatRequest]


def test_aiokafka_has_the_names_that_are_used() -> None:
    assert "self._coordinator = GroupCoordinator(" in inspect.getsource(AIOKafkaConsumer)
    source = inspect.getsource(GroupCoordinator)
    assert "async def _send_req(self, request)" in source
    assert "self._closing = create_future()" in source
    assert "self._group_instance_id is None" in inspect.getsource(GroupCoordinator._maybe_leave_group)
    assert "await self._maybe_leave_group()" in inspect.getsource(GroupCoordinator.close)
    for name in ("self.group_id", "self.generation", "self.member_id"):
        assert name in source
    assert "await self._coordinator._send_req(request)" in inspect.getsource(
        inspect.getmodule(GroupCoordinator).CoordinatorGroupRebalance  # type: ignore[union-attr]
    )
    assert hasattr(AIOKafkaClient, "send")
    assert FENCED_INSTANCE_ID not in kafka.kafka_errors, "aiokafka knows it now: see what it does itself"
