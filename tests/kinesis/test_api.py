"""The connection to a stream, against every Kinesis that there is for a test."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest

from processor.errors import KinesisRefused
from processor.kinesis.connection import RECORD_BYTES_DEFAULT
from processor.kinesis.shards import ShardMap
from processor.kinesis.ticket import Ticket
from processor.kinesis.writer import Writer
from processor.waiting.fence import Fence
from tests.kinesis.servers import client, opened, start_kinesis_local
from tests.support.kinesis_writer import assert_balanced, export, numbers_by_profile, settings
from tests.support.scripted_kinesis import ScriptedKinesis
from tests.support.served_kinesis import served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from processor.embedded import EmbeddedKinesis

pytestmark = pytest.mark.integration

KINESIS_LOCAL = pytest.param("kinesis-local", marks=pytest.mark.needs("node", "kinesis-local"))


class Api:
    """An endpoint with a stream of two shards; `stored` reads it back, shard by shard, key and data."""

    def __init__(
        self, url: str, stream: str, arn: str, stored: Callable[[], list[tuple[str, bytes]]]
    ) -> None:
        self.url, self.stream, self.arn, self.stored = url, stream, arn, stored


def emulated(url: str) -> Api:
    control, name = client(url), f"exports-{uuid.uuid4().hex[:8]}"
    control.create_stream(StreamName=name, ShardCount=2)
    control.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
    arn = control.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamARN"]

    def stored() -> list[tuple[str, bytes]]:
        found = []
        for shard in control.list_shards(StreamName=name)["Shards"]:
            place = control.get_shard_iterator(
                StreamName=name, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
            while (answer := control.get_records(ShardIterator=place))["Records"]:
                found += [(record["PartitionKey"], record["Data"]) for record in answer["Records"]]
                place = answer["NextShardIterator"]
        return found

    return Api(url, name, arn, stored)


@pytest.fixture(scope="session")
def kinesis_local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with start_kinesis_local(tmp_path_factory.mktemp("kinesis-local")) as url:
        yield url


@pytest.fixture(params=["scripted", "moto", KINESIS_LOCAL])
async def api(request: pytest.FixtureRequest) -> AsyncIterator[Api]:
    if request.param == "scripted":
        scripted = ScriptedKinesis(random.Random(5), shards=2)
        async with served(scripted) as url:
            arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/exports"
            yield Api(url, "exports", arn, lambda: [(r.partition_key, r.data) for r in scripted.stored])
    elif request.param == "moto":
        emulator: EmbeddedKinesis = request.getfixturevalue("kinesis")
        yield emulated(emulator.endpoint_url)
    else:
        yield emulated(request.getfixturevalue("kinesis_local"))


@pytest.mark.parametrize("address", ["name", "ARN"])
async def test_records_arrive_as_they_were_sent(api: Api, address: str) -> None:
    records = [export(profile, 0) for profile in range(50)]
    async with opened(api.url, api.stream if address == "name" else api.arn) as stream:
        answer = await stream.put(records)
    assert (answer.failed, len(answer.results)) == (0, 50)
    found = await asyncio.to_thread(api.stored)
    assert sorted(found) == sorted((record.partition_key, record.data) for record in records)


@pytest.mark.parametrize(
    ("api", "form"),
    [(api, "json") for api in ("scripted", "moto")]
    # moto knows no CBOR.
    + [("scripted", "cbor")]
    + [pytest.param("kinesis-local", form, marks=KINESIS_LOCAL.marks) for form in ("json", "cbor")],
    indirect=["api"],
)
async def test_every_byte_and_every_partition_key_survives_the_way(api: Api, form: str) -> None:
    odd = ["ä ö ü", 'quo"te', "back\\slash", "\N{SNOWMAN}\N{PILE OF POO}", "k" * 256]
    records = [export(n, 0).__class__(b"%d" % n, key, bytes(range(256))) for n, key in enumerate(odd)]
    async with opened(api.url, api.stream, form=form) as stream:
        assert (await stream.put(records)).failed == 0
    assert sorted(await asyncio.to_thread(api.stored)) == sorted((r.partition_key, r.data) for r in records)


async def test_the_shard_of_a_key_is_the_one_that_kinesis_chooses(api: Api) -> None:
    records = [export(profile, 0) for profile in range(100)]
    async with opened(api.url, api.stream) as stream:
        shards = ShardMap(await stream.shards())
        answer = await stream.put(records)
    places = shards.places_of([record.partition_key.encode() for record in records])
    assert [result.shard_id for result in answer.results] == [shards.ids[place] for place in places]
    assert len(set(places)) == 2


async def test_the_record_maximum_is_found(api: Api) -> None:
    async with opened(api.url, api.stream) as stream:
        facts = await stream.facts()
    assert facts == (RECORD_BYTES_DEFAULT, False)


async def test_a_writer_keeps_every_profiles_order_over_http(api: Api) -> None:
    async with opened(api.url, api.stream) as stream, asyncio.TaskGroup() as tasks:
        writer = Writer(stream, settings(), random.Random(1), Fence(lambda: 0.0, 1.0))
        await writer.connect()
        running = tasks.create_task(writer.run())
        tickets = [Ticket([export(profile, n) for profile in range(40)]) for n in range(5)]
        for ticket in tickets:
            await writer.submit(ticket)
        for ticket in tickets:
            assert await ticket.wait() == []
        running.cancel()
    assert_balanced(writer)
    found = await asyncio.to_thread(api.stored)
    by_profile: dict[int, list[int]] = defaultdict(list)
    by_profile.update(numbers_by_profile([data for _, data in found]))
    assert by_profile == {profile: [0, 1, 2, 3, 4] for profile in range(40)}


@pytest.fixture(params=["moto", KINESIS_LOCAL])
def emulator_url(request: pytest.FixtureRequest) -> str:
    if request.param == "moto":
        emulator: EmbeddedKinesis = request.getfixturevalue("kinesis")
        return emulator.endpoint_url
    url: str = request.getfixturevalue("kinesis_local")
    return url


async def test_a_stream_that_does_not_exist_is_a_refusal_with_a_remedy(emulator_url: str) -> None:
    async with opened(emulator_url, "nowhere") as stream:
        with pytest.raises(KinesisRefused, match=r"there is no such stream .* create it"):
            await stream.facts()
        with pytest.raises(KinesisRefused, match=r"there is no such stream .* create it"):
            await stream.put([export(1, 0)])


async def test_after_a_merge_only_the_open_shard_is_listed(emulator_url: str) -> None:
    api, control = emulated(emulator_url), client(emulator_url)

    def merge() -> None:
        first, second = (shard["ShardId"] for shard in control.list_shards(StreamName=api.stream)["Shards"])
        control.merge_shards(StreamName=api.stream, ShardToMerge=first, AdjacentShardToMerge=second)
        control.get_waiter("stream_exists").wait(StreamName=api.stream, WaiterConfig={"Delay": 1})

    await asyncio.to_thread(merge)
    async with opened(api.url, api.stream) as stream:
        (shard,) = await stream.shards()
    assert (shard.first_hash, shard.last_hash) == (0, 2**128 - 1)


async def test_shards_are_listed_page_by_page() -> None:
    scripted = ScriptedKinesis(random.Random(5), shards=5)
    scripted.split(scripted.all_shards[3])
    async with served(scripted) as url, opened(url, "exports") as stream:
        found: list[Any] = list(await stream.shards())
    assert [shard.id for shard in found] == [shard.id for shard in scripted.open_shards]
    assert scripted.listings == 4
