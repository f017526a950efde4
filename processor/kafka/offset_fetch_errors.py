"""Committed offsets that the coordinator cannot return now are not offsets that do not exist.

Since its version 2 an OffsetFetch answer has one error code for all, with no partitions beside it: while the coordinator reads
the group's log, or has passed the group on. aiokafka looks at the partitions' codes alone, finds none, and says that nothing
was ever committed; a group that goes on would be taken for a new one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiokafka import errors as kafka
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.protocol.commit import OffsetFetchRequest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


def heed_errors() -> None:
    """Have aiokafka's consumers and admin clients raise such an answer's error; the former ask again by themselves."""
    for owner, method in ((GroupCoordinator, "_send_req"), (AIOKafkaAdminClient, "_send_request")):
        send = getattr(owner, method)
        if not hasattr(send, "heeds_errors"):
            setattr(owner, method, _heeding(send))


def _heeding(send: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def sent(client: Any, request: object, *others: object) -> object:  # noqa: ANN401  aiokafka has no types
        answer = await send(client, request, *others)
        code = getattr(answer, "error_code", 0) if isinstance(request, OffsetFetchRequest) else 0
        if not code:
            return answer
        error = kafka.for_code(code)
        if error is kafka.NotCoordinatorForGroupError and isinstance(client, GroupCoordinator):
            client.coordinator_dead()
        raise error

    sent.heeds_errors = True  # type: ignore[attr-defined]  # so that it is done once
    return sent
