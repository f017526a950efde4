"""What is private to aiokafka and used nevertheless is still there; and what an answer to a fetch means."""

from __future__ import annotations

import inspect
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka import errors as kafka
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer import AIOKafkaConsumer
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.consumer.subscription_state import Assignment, TopicPartitionState

from processor.kafka.consumer_state import end_of_gap

PLACE = TopicPartition("events", 0)


async def test_the_private_names_are_still_there() -> None:
    source = inspect.getsource(AIOKafkaConsumer)
    for name in ("self._fetcher = Fetcher(", "self._subscription = ", "self._client = AIOKafkaClient("):
        assert name in source, name
    for name in ("self._isolation_level = ", "self._records = "):
        assert name in inspect.getsource(Fetcher), name
    assert list(inspect.signature(Fetcher.end_offsets).parameters) == ["self", "partitions", "timeout_ms"]
    assert callable(AIOKafkaClient.send)
    assert callable(Assignment.state_value)
    state = TopicPartitionState(None)
    assert (state.has_valid_position, state.highwater, state.lso) == (False, None, None)


def consumer(leader: int | None = 1, throttle_ms: int = 0, version: int = 11, **answer: Any) -> Any:
    """One whose fetch of a partition alone is answered so."""

    async def send(node: int, _: Any) -> Any:
        assert node == leader
        part = (
            0,
            answer.get("code", 0),
            answer.get("high", 30),
            answer.get("stable", 20),
            0,
            None,
            -1,
            answer.get("found", b""),
        )
        return SimpleNamespace(API_VERSION=version, throttle_time_ms=throttle_ms, topics=[("events", [part])])

    cluster = SimpleNamespace(leader_for_partition=lambda _: leader)
    return SimpleNamespace(_client=SimpleNamespace(cluster=cluster, send=send))


@pytest.mark.parametrize(
    ("answer", "reads_committed", "end"),
    [
        pytest.param({}, True, 20, id="nothing up to the last stable offset"),
        pytest.param({}, False, 30, id="nothing up to the high watermark"),
        pytest.param({"found": b"a batch"}, True, None, id="something"),
        pytest.param({"throttle_ms": 5}, True, None, id="emptied by a quota"),
        pytest.param({"stable": 10}, True, None, id="at the end already"),
        pytest.param({"version": 3}, True, None, id="a broker that knows no stable offset"),
        pytest.param({"leader": None}, True, None, id="no leader that is known"),
        pytest.param({"leader": -1}, True, None, id="no leader"),
    ],
)
async def test_a_gap_is_one_only_by_the_broker_s_word(
    answer: dict[str, Any], reads_committed: bool, end: int | None
) -> None:
    assert await end_of_gap(consumer(**answer), PLACE, 10, reads_committed=reads_committed) == end


async def test_an_error_is_raised() -> None:
    with pytest.raises(kafka.NotLeaderForPartitionError):
        await end_of_gap(consumer(code=6), PLACE, 10, reads_committed=True)
