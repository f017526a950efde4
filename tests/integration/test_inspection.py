"""`processor state`: show, stats, rebuild."""

from __future__ import annotations

import json
import random
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.support.command import run
from tests.support.group import caught_up
from tests.support.members import Member, Producer, changes, expected, member_environ
from tests.support.scripted_kinesis import ScriptedKinesis
from tests.support.served_kinesis import served

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.integration]


async def test_state_is_shown_counted_and_rebuilt(kafka: str, topic: str, tmp_path: Path) -> None:
    scripted, rng = ScriptedKinesis(random.Random(1)), random.Random(9)
    async with served(scripted) as url, Producer(kafka, topic) as producer:
        environ = member_environ(kafka, topic, tmp_path, url)
        member = await Member(tmp_path, environ).start()
        entry = {"status": "realized", "lastQualificationTime": "2020-05-25T21:24:39Z"}
        value = {
            "segmentMembership": {"ups": {"two": entry}},
            "identityMap": {"ecid": [{"id": "1"}]},
            "number": -1,
        }
        await producer.produce([*changes(rng, 50, 10), (b"shown", json.dumps(value).encode())])
        await caught_up(scripted, expected(producer.events))

        code, told = await run(environ, "state", "rebuild")
        assert code == 78
        assert "stop the service on this machine first" in told
        assert await member.stop() == 0

        code, told = await run(environ, "state", "show", "shown")
        assert code == 0
        shown = json.loads(told)
        assert shown["memberships"] == [
            {"namespace": "ups", "segment": "two", "since": "2020-05-25T21:24:39Z"}
        ]
        assert shown["identityMap"] == {"ecid": [{"id": "1"}]}
        assert shown["foundIn"].startswith("local store")
        code, told = await run(environ, "state", "show", "--changelog", "shown")
        assert {**json.loads(told), "foundIn": ""} == {**shown, "foundIn": ""}
        code, told = await run(environ, "state", "show", "nobody")
        assert (code, "nothing is exported for nobody" in told) == (1, True)

        code, told = await run(environ, "state", "stats")
        assert code == 0
        assert f"group-{topic}-{topic}-state" in told.replace("\n", "")

        code, told = await run(environ, "state", "rebuild", "--partition", "1")
        assert (code, told) == (0, "removed: 1\n")
        code, told = await run(environ, "state", "rebuild")
        assert (code, told) == (0, "removed: 0, 2\n")
        code, told = await run(environ, "state", "show", "shown")
        assert json.loads(told)["foundIn"].startswith("changelog")
        shutil.rmtree(tmp_path / "state")
        assert (await run(environ, "state", "rebuild"))[1] == "removed: nothing, there was none\n"
