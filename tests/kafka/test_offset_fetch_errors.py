"""A coordinator that cannot tell what was committed must not be taken for a group that never committed."""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka import errors as kafka
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.protocol.commit import OffsetFetchResponse_v2, OffsetFetchResponse_v3

from processor.kafka.offset_fetch_errors import heed_errors

PLACE = TopicPartition("events", 0)
NOTHING: list[Any] = []
COMMITTED = [("events", [(0, 42, "", 0)])]


class Asked:
    """The answers that come, in order, below what is tested."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answers: list[Any]) -> None:
        self.answers = answers
        self.looked_for = 0
        for owner, method in ((GroupCoordinator, "_send_req"), (AIOKafkaAdminClient, "_send_request")):
            monkeypatch.setattr(owner, method, self._answer())
        heed_errors()
        heed_errors()

    def _answer(self) -> Any:
        async def answer(*_: object) -> Any:
            return self.answers.pop(0)

        return answer

    def coordinator(self) -> Any:
        found = object.__new__(GroupCoordinator)
        found.group_id = "group"
        found._retry_backoff_ms = 1
        found.coordinator_id = 1

        async def known() -> None:
            self.looked_for += found.coordinator_id is None
            found.coordinator_id = 1

        found.ensure_coordinator_known = known
        found.coordinator_dead = lambda: setattr(found, "coordinator_id", None)
        return found


@pytest.mark.parametrize("code", [14, 15, 16])
@pytest.mark.parametrize("response", [OffsetFetchResponse_v2, OffsetFetchResponse_v3])
async def test_a_member_asks_until_it_is_reported(
    monkeypatch: pytest.MonkeyPatch, code: int, response: Any
) -> None:
    begin = [0] if response is OffsetFetchResponse_v3 else []
    answers = [
        response(*begin, NOTHING, code),
        response(*begin, NOTHING, code),
        response(*begin, COMMITTED, 0),
    ]
    asked = Asked(monkeypatch, answers)
    found = await asked.coordinator().fetch_committed_offsets([PLACE])
    assert found[PLACE].offset == 42
    assert asked.answers == []
    assert asked.looked_for == (2 if code == 16 else 0), "one that has passed the group on is not asked again"


async def test_a_group_that_never_committed_has_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked(monkeypatch, [OffsetFetchResponse_v3(0, [("events", [(0, -1, "", 0)])], 0)])
    assert await asked.coordinator().fetch_committed_offsets([PLACE]) == {}


async def test_what_no_waiting_cures_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked(monkeypatch, [OffsetFetchResponse_v3(0, NOTHING, 30)])
    with pytest.raises(kafka.GroupAuthorizationFailedError):
        await asked.coordinator().fetch_committed_offsets([PLACE])


@pytest.mark.parametrize("code", [14, 16, 30])
async def test_an_admin_client_is_reported_the_error(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    Asked(monkeypatch, [OffsetFetchResponse_v3(0, NOTHING, code)])
    admin = object.__new__(AIOKafkaAdminClient)
    with pytest.raises(kafka.for_code(code)):
        await admin.list_consumer_group_offsets("group", group_coordinator_id=1)
