"""A service that nobody has connected yet, as a stranger meets it in a browser, and the way through it in words."""

from __future__ import annotations

import json
import random
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import aiohttp

from tests.support.defined import TOKEN, Api, DefinedMember, defined_environ, mapped
from tests.support.observation import ready, url_of
from tests.support.scripted_kinesis import ScriptedKinesis
from tests.support.served_kinesis import served
from tests.support.world import produce, vector

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

READ_TOKEN: Final = "a-read-token-of-the-tests-01234"
LIKELY: Final = "7841ba61-23c1-4bb3-a495-00d3g5fe1e93"
NEWSLETTER: Final = "59bd2fkd-3c48-4b18-bf56-4f5c5e6967ae"
"""The two segments of the published example."""
NAMES: Final = {LIKELY: "Likely buyers", NEWSLETTER: "Newsletter readers"}
STREAM: Final = "profile-exports"
STREAMS: Final = (STREAM, "another-stream")
KEY_ID: Final = "AKIAOFTHEBROWSERTESTS"
SECRET: Final = "secret-key-of-the-browser-77d0"

HOSTILE: Final = (
    "<img src=x onerror=\"ran='img'\">",
    "\"><script>ran='script'</script>",
    "<svg/onload=ran='svg'>",
    "javascript:ran='link'",
    "' autofocus onfocus=ran='focus' x='",
    "</script><iframe srcdoc=\"<script>parent['ran']='frame'</script>\">",
    "{{constructor['constructor']('ran=1')()}}",
    "${ran='template'}",
    "\u202egnp.drocer\u202c \u200b",
    "__proto__",
    "constructor",
    "hasOwnProperty",
    "👩‍👩‍👧 Ünïcödé",
    "x" * 300,
    "a long name of many words " * 10,
)
"""What a segment or an attribute may be called by whoever writes to the topic; none has a dot, so that all are paths, too."""


@dataclass(frozen=True)
class Guided:
    """A service with its API, a topic with a sample in it, and a stream that is there."""

    url: str
    member: DefinedMember
    kafka: str
    topic: str
    kinesis: ScriptedKinesis
    kinesis_url: str
    http: aiohttp.ClientSession

    @property
    def api(self) -> Api:
        """For what a test does beside the page."""
        return Api(self.http, self.url)

    async def connected(self, *segments: str) -> str:
        """Connect it by the API, with these segments, and return the flow's id."""
        source, kinesis = await self.api.connect(self.kinesis_url)
        _, flow = await self.api.activate(source, kinesis, stream=STREAM)
        for each in segments:
            await self.api.patch(f"/flows/{flow}", mapped(each))
        return flow

    async def produce(self, *events: tuple[str, dict[str, Any]]) -> None:
        """Append events, each of a profile."""
        await produce(self.kafka, self.topic, [_event(*event) for event in events])


def membership(*segments: str, **members: Any) -> dict[str, Any]:
    """A profile that is in these segments, with their names where they have one."""
    entries = {
        each: {"status": "realized", "lastQualificationTime": "2020-05-25T21:24:39Z"}
        | ({"name": NAMES[each]} if each in NAMES else {})
        for each in segments
    }
    return {"segmentMembership": {"ups": entries}, **members}


def sample(profiles: int = 8) -> list[dict[str, Any]]:
    """The published example's first event, and some more profiles, so that there are shares to tell."""
    example = vector("seed-example")["events"][0]
    entries = example["value"]["segmentMembership"]["ups"]
    for each, name in NAMES.items():
        entries[each]["name"] = name
    others = [
        _event(
            f"profile-{number}",
            membership(
                LIKELY,
                *([NEWSLETTER] if number % 2 else []),
                person={"email": f"someone{number}@example.com", "name": {"firstName": "Ann"}},
                loyalty={"tier": "gold", "points": 100 * number},
            ),
        )
        for number in range(profiles)
    ]
    return [example, *others]


def hostile_sample() -> list[dict[str, Any]]:
    """A profile in segments, and with attributes, of all hostile names."""
    attributes: dict[str, Any] = {name: f"value of {number}" for number, name in enumerate(HOSTILE)}
    return [_event("hostile", membership(*HOSTILE, **attributes))]


def large_sample(count: int = 500) -> list[dict[str, Any]]:
    """So many segments, and as many attributes."""
    attributes: dict[str, Any] = {f"attribute{number:03d}": number for number in range(count)}
    return [_event("large", membership(*(f"segment-{number:03d}" for number in range(count)), **attributes))]


@asynccontextmanager
async def guided(
    kafka: str,
    topic: str,
    directory: Path,
    events: Sequence[dict[str, Any]] = (),
    *,
    workers: int = 1,
    **changes: str,
) -> AsyncIterator[Guided]:
    """Start it, with these events in its topic, as soon as it is ready; it must end in order."""
    scripted = ScriptedKinesis(random.Random(5))
    environ = defined_environ(kafka, topic, directory, api_read_token=READ_TOKEN, **changes)
    member = DefinedMember(directory, environ, workers)
    await produce(kafka, topic, events or sample())
    async with served(scripted, names=STREAMS) as kinesis_url, aiohttp.ClientSession() as http:
        await member.start()
        try:
            url = await url_of(member)
            await ready(http, url)
            yield Guided(url, member, kafka, topic, scripted, kinesis_url, http)
            assert await member.stop() == 0
        finally:
            await member.kill()
    told = member.log.read_text()
    assert TOKEN not in told
    assert SECRET not in told


def _event(key: str, value: dict[str, Any]) -> dict[str, Any]:
    # Topics of tests keep their events whatever their time; a time must be there.
    return {"key": key, "timestamp": 1590449856000, "value": json.loads(json.dumps(value))}
