"""A member with an instance id, and what becomes of it when another process takes the id.

Kafka gives an id to whoever joins with it last: that is how a member comes back at once after a restart. The member
that had it is fenced off. aiokafka does not know: it neither sends the id with heartbeats nor knows the answer to
them, so it would join anew, and take the id back, for ever. This module sends the id, and lets a member that was
fenced off wait until the id is free. It touches aiokafka's private names.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import structlog
from aiokafka import errors as kafka
from aiokafka.protocol.admin import DescribeGroupsRequest
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.group import HeartbeatRequest, JoinGroupRequest
from aiokafka.protocol.types import Int16, Int32, Schema, String

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiokafka import AIOKafkaConsumer

log = structlog.get_logger(__name__)

FENCED_INSTANCE_ID: Final = 82
"""Another member has the id; KIP-345. aiokafka has no error for it."""
_UNKNOWN_MEMBER_ID: Final = 25
_UUID_CHARACTERS: Final = 36
_MEMBERS: Final = 5
"""Where the members stand in a group's description."""


class _Answer(NamedTuple):
    """What aiokafka looks at of an answer that is an error."""

    error_code: int


class _Membership(NamedTuple):
    generation: int
    member_id: str


class StaticMember:
    """Watches over one member's id; `look_again_s` is how often it is seen whether the id is free again.

    aiokafka leaves the group of no member that has an id, so that the partitions wait for it. One that `gives_id_back` leaves.
    """

    def __init__(self, instance_id: str, look_again_s: float, *, gives_id_back: bool = False) -> None:
        self.rival: str | None = None
        """What has the id in this member's place, as a sentence with its remedy; None where nothing has."""
        self._coordinator: Any = None
        self._plainly: _Send
        self._leave_plainly: Callable[[], Awaitable[None]]
        self._instance_id = instance_id
        self._look_again_s = look_again_s
        self._gives_id_back = gives_id_back
        self._former: _Membership | None = None
        self._is_asking = False
        """Whether a join was sent whose answer never came: the id may be held by a membership of our own."""

    def watch(self, consumer: AIOKafkaConsumer) -> None:
        """Look at every request of the group protocol from now on; the consumer is started."""
        self._coordinator = consumer._coordinator  # noqa: SLF001  the module's docstring says why
        self._plainly = self._coordinator._send_req  # noqa: SLF001  as above
        self._coordinator._send_req = self._send  # noqa: SLF001  as above
        if self._gives_id_back:
            self._leave_plainly = self._coordinator._maybe_leave_group  # noqa: SLF001  as above
            self._coordinator._maybe_leave_group = self._leave  # noqa: SLF001  as above

    async def _send(self, request: object) -> object:
        if isinstance(request, HeartbeatRequest):
            return await self._beat(request)
        if isinstance(request, JoinGroupRequest):
            return await self._join(request)
        return _understood(await self._plainly(request))

    async def _beat(self, plain: HeartbeatRequest) -> object:
        now = _Membership(self._coordinator.generation, self._coordinator.member_id)
        try:
            return _understood(await self._plainly(self._heartbeat(now)))
        except NotImplementedError:  # the broker is older than static membership
            return await self._plainly(plain)

    def keep_id(self) -> None:
        """Leave the id to the next life of this process, whatever was said at the start."""
        self._gives_id_back = False

    async def _leave(self) -> None:
        if not self._gives_id_back:
            await self._leave_plainly()
            return
        self._coordinator._group_instance_id = None  # noqa: SLF001  as above
        try:
            await self._leave_plainly()
        finally:
            self._coordinator._group_instance_id = self._instance_id  # noqa: SLF001  as above

    async def _join(self, request: JoinGroupRequest) -> object:
        if self._coordinator.member_id == JoinGroupRequest.UNKNOWN_MEMBER_ID and not self._is_asking:
            await self._until_free()
        self._is_asking = True
        answer = await self._plainly(request)
        self._is_asking = False
        if answer.error_code == 0:
            self.rival = None
            self._former = _Membership(answer.generation_id, answer.member_id)
        return _understood(answer)

    async def _until_free(self) -> None:
        """Wait until no other member has the id, where this one was a member before.

        Raises:
            KafkaError: Kafka does not say; or the consumer is being closed.

        """
        while self._former is not None:
            try:
                answer = await self._plainly(self._heartbeat(self._former))
            except NotImplementedError:
                return
            if answer.error_code != FENCED_INSTANCE_ID:
                return
            group = self._coordinator.group_id
            if self.rival is None:
                self.rival = (
                    f"another process{await self._where(group)} has joined group {group} with this one's instance id, "
                    f"{self._instance_id}: give each process a PROCESSOR_KAFKA_INSTANCE_ID of its own, or end one of "
                    "them. This one takes nothing until the other has left"
                )
            closing = self._coordinator._closing  # noqa: SLF001  as above
            await asyncio.wait([closing], timeout=self._look_again_s)
            if closing.done():
                raise kafka.GroupCoordinatorNotAvailableError("the consumer is being closed")

    async def _where(self, group: str) -> str:
        """Where the other member is, as the broker sees it; nothing where it does not say."""
        try:
            answer = await self._plainly(DescribeGroupsRequest([group]))
        except kafka.KafkaError as error:
            log.info("the group's members cannot be seen", group=group, error=type(error).__name__)
            return ""
        for found in answer.groups:
            for member_id, client_id, host, *_ in found[_MEMBERS]:
                # A static member's id is its instance id with a UUID behind it.
                if member_id[: -_UUID_CHARACTERS - 1] == self._instance_id:
                    return f" ({client_id} at {host.lstrip('/')})"
        return ""

    def _heartbeat(self, of: _Membership) -> _StaticHeartbeat:
        return _StaticHeartbeat(self._coordinator.group_id, of.generation, of.member_id, self._instance_id)


def _understood(answer: Any) -> object:  # noqa: ANN401  as above
    """The answer, or one that aiokafka knows: it forgets its membership, and joins anew."""
    fenced = getattr(answer, "error_code", 0) == FENCED_INSTANCE_ID
    return _Answer(_UNKNOWN_MEMBER_ID) if fenced else answer


class _HeartbeatAnswer(Response):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 12
    API_VERSION = 3
    SCHEMA = Schema(("throttle_time_ms", Int32), ("error_code", Int16))


class _HeartbeatWithId(RequestStruct):  # type: ignore[misc]  # as above
    """Version 3 of Kafka's Heartbeat, the first with an instance id."""

    API_KEY = 12
    API_VERSION = 3
    RESPONSE_TYPE = _HeartbeatAnswer
    SCHEMA = Schema(
        ("group", String("utf-8")),
        ("generation_id", Int32),
        ("member_id", String("utf-8")),
        ("group_instance_id", String("utf-8")),
    )


class _StaticHeartbeat(Request[_HeartbeatWithId]):  # type: ignore[misc]  # as above
    API_KEY = 12

    def __init__(self, *members: object) -> None:
        self._members = members

    def build(self, request_struct_class: type[_HeartbeatWithId]) -> _HeartbeatWithId:
        return request_struct_class(*self._members)


if TYPE_CHECKING:
    _Send = Callable[[object], Awaitable[Any]]
