"""From files to Kafka and back by commands, with members that export the same before and after."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from cryptography.fernet import Fernet

from tests.integration.test_defined_member import (
    event,
    exports_reach,
    reasons_have,
    running,
    statuses,
)
from tests.support.command import run
from tests.support.defined import KEY, Api, defined_environ
from tests.support.members import Member, Producer, member_environ
from tests.support.observation import ready, url_of
from tests.support.scripted_kinesis import ScriptedKinesis
from tests.support.served_kinesis import served

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.integration]


async def topics_of(kafka: str) -> list[str]:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        found: list[str] = await admin.list_topics()
        return found
    finally:
        await admin.close()


async def export_by_files(
    home: Path,
    environ: dict[str, str],
    producer: Producer,
    scripted: ScriptedKinesis,
    change: tuple[bytes, bytes],
) -> None:
    """A member that follows the two files starts, exports a change, and ends."""
    before = len(scripted.stored)
    member = await Member(home, environ).start()
    try:
        await producer.produce([change])
        await exports_reach(scripted, before + 1)
        assert await member.stop() == 0
    finally:
        await member.kill()


def shows_no_secret(shown: dict[str, Any]) -> None:
    (keys,) = [each["body"]["auth"]["params"] for each in shown["resources"] if "auth" in each["body"]]
    assert (keys["accessKeyId"], keys["secretKey"]) == ("**********", "**********")


async def test_a_deployment_moves_from_files_to_kafka_and_back_and_exports_as_before(
    kafka: str, topic: str, tmp_path: Path
) -> None:
    scripted = ScriptedKinesis(random.Random(5))
    home = tmp_path / "home"
    home.mkdir()
    async with (
        served(scripted) as kinesis_url,
        Producer(kafka, topic) as producer,
        aiohttp.ClientSession() as http,
    ):
        of_files = member_environ(kafka, topic, home, kinesis_url)
        file = home / "destination.yaml"
        text = file.read_text()
        await export_by_files(home, of_files, producer, scripted, event(1, "one"))

        environ = defined_environ(kafka, topic, home) | {"PROCESSOR_DESTINATION_FILE": str(file)}
        file.write_text(text)  # the environment's making writes another
        code, told = await run(environ, "configuration", "to-kafka", "--dry-run")
        assert (code, "it would become version 1" in told) == (0, True), told
        assert not [
            each for each in await topics_of(kafka) if each.endswith("-configuration") and topic in each
        ]
        code, told = await run(environ, "configuration", "show")
        assert (code, "nothing was ever defined in Kafka" in told) == (0, True), told

        code, told = await run(environ, "configuration", "to-kafka", "--by", "the platform's team")
        assert (code, "it is version 1" in told) == (0, True), told
        code, told = await run(environ, "configuration", "to-kafka")
        assert (code, "has it already, version 1; nothing was changed" in told) == (0, True), told
        code, told = await run(environ, "configuration", "show", "--json")
        shown = json.loads(told)
        assert (code, shown["version"], shown["boundTo"]["stream"]) == (0, 1, "exports")
        assert {each["createdBy"] for each in shown["resources"]} == {"the platform's team"}
        shows_no_secret(shown)

        async with running(home, environ) as defined:
            await ready(http, await url_of(defined))
            await producer.produce([event(2, "one", "two")])
            await exports_reach(scripted, 2)

        code, told = await run(environ, "configuration", "to-files")
        assert (code, "it is there already" in told) == (2, True), told
        code, told = await run(environ, "configuration", "to-files", "--force")
        assert (code, "set EXPORT_ACCESS_KEY_ID, EXPORT_SECRET_KEY" in told) == (0, True), told
        back = of_files | {"EXPORT_ACCESS_KEY_ID": "test", "EXPORT_SECRET_KEY": "test"}
        await export_by_files(home, back, producer, scripted, event(3, "one", "two"))
    assert statuses(scripted) == [
        {"one": "realized"},
        {"one": "existing", "two": "realized"},
        {"one": "existing", "two": "existing"},
    ]


async def test_commands_that_read_the_two_files_say_where_the_definition_is_instead(
    kafka: str, topic: str, tmp_path: Path
) -> None:
    environ = defined_environ(kafka, topic, tmp_path)
    for arguments in (("validate",), ("backfill", "--dry-run"), ("flow-service", "export")):
        code, told = await run(environ, *arguments)
        assert code == 78, arguments
        assert "what is exported is defined in Kafka" in told
        assert "processor configuration to-files" in told
    file = str(tmp_path / "destination.yaml")
    code, told = await run(environ, "validate", "--destination", file)
    assert (code, "The configuration is valid" in told) == (0, True), told
    code, told = await run(environ, "run", "--destination", file)
    assert code == 2
    assert "to-kafka" in told


async def test_keys_are_rotated_without_the_secrets_and_the_old_one_is_needed_no_more(
    kafka: str, topic: str, tmp_path: Path
) -> None:
    environ = defined_environ(kafka, topic, tmp_path)
    keys, old, new = tmp_path / "sealing-keys", KEY, Fernet.generate_key().decode()
    code, told = await run(environ, "configuration", "reseal")
    assert (code, "nothing was changed" in told) == (0, True), told
    move = ("configuration", "to-kafka", "--destination", str(tmp_path / "destination.yaml"))
    assert (await run(environ, *move))[0] == 0
    keys.write_text(new)
    code, told = await run(environ, "configuration", "reseal")
    assert (code, "none of the 1 keys decrypts it" in told) == (78, True), told
    keys.write_text(f"{new}\n{old}")
    code, told = await run(environ, "configuration", "reseal", "--dry-run")
    assert (code, "secrets of 1 object would be encrypted with the first key" in told) == (0, True), told
    code, told = await run(environ, "configuration", "reseal")
    assert (code, "in version 2" in told) == (0, True), told
    keys.write_text(new)
    for again in (("configuration", "reseal"), move):  # the second compares the secrets themselves
        code, told = await run(environ, *again)
        assert (code, "nothing was changed" in told) == (0, True), told
    code, told = await run(environ, "configuration", "show", "--json")
    resealed, moved = json.loads(told)["history"]
    assert (moved["version"], moved["by"]) == (1, "processor configuration to-kafka")
    assert {each["what"] for each in moved["changes"]} == {"made"}
    (change,) = resealed["changes"]
    assert (resealed["version"], resealed["by"]) == (2, "processor configuration reseal")
    assert (change["collection"], change["details"]) == ("connections", ["credentials encrypted anew"])


async def test_a_move_without_a_key_for_its_secrets_is_refused_with_the_remedy_and_nothing_is_changed(
    kafka: str, topic: str, tmp_path: Path
) -> None:
    environ = defined_environ(kafka, topic, tmp_path)
    del environ["PROCESSOR_API_SECRET_KEY_FILE"]
    code, told = await run(
        environ, "configuration", "to-kafka", "--destination", str(tmp_path / "destination.yaml")
    )
    assert code == 78
    assert "PROCESSOR_API_SECRET_KEY_FILE" in told
    assert "nothing was changed" in told
    code, told = await run(environ, "configuration", "to-files", "--dry-run")
    assert (code, "there is no dataflow" in told) == (78, True), told


async def test_a_dataflow_to_another_stream_than_the_state_s_is_told_and_mended_by_a_move_while_the_api_goes_on(
    kafka: str, topic: str, tmp_path: Path
) -> None:
    scripted = ScriptedKinesis(random.Random(5))
    home = tmp_path / "home"
    home.mkdir()
    async with (
        served(scripted) as kinesis_url,
        Producer(kafka, topic) as producer,
        aiohttp.ClientSession() as http,
    ):
        of_files = member_environ(kafka, topic, home, kinesis_url)
        file = tmp_path / "right.yaml"
        file.write_text((home / "destination.yaml").read_text())
        await export_by_files(home, of_files, producer, scripted, event(1, "one"))

        environ = defined_environ(kafka, topic, home)
        async with running(home, environ) as defined:
            url = await url_of(defined)
            await ready(http, url)
            api = Api(http, url)
            source, connection = await api.connect(kinesis_url)
            _, flow = await api.activate(source, connection, "one", stream="others")
            await reasons_have(http, url, "eu-west-1/exports")
            await api.call("GET", f"/flows/{flow}", status=200)

            arguments = ("configuration", "to-kafka", "--destination", str(file))
            code, told = await run(environ, *arguments)
            assert (code, "is bound to others" in told) == (78, True), told
            code, told = await run(environ, *arguments, "--replace")
            assert code == 0, told
            await producer.produce([event(2, "one")])
            await exports_reach(scripted, 2)
            await ready(http, url)
    assert statuses(scripted) == [{"one": "realized"}, {"one": "existing"}]


async def test_governance_that_moves_to_a_file_is_told_to_be_named_for_members_do_not_look_for_it(
    kafka: str, topic: str, tmp_path: Path
) -> None:
    environ = defined_environ(kafka, topic, tmp_path)
    environ["PROCESSOR_DESTINATION_FILE"] = str(tmp_path / "destination.yaml")
    given, out = tmp_path / "given.yaml", tmp_path / "out.yaml"
    given.write_text("enforcement: filter\n")
    code, told = await run(environ, "configuration", "to-kafka", "--governance", str(given))
    assert code == 0, told
    arguments = ("configuration", "to-files", "--force", "--governance-out", str(out))
    code, told = await run(environ, *arguments)
    assert (code, f"PROCESSOR_GOVERNANCE_FILE={out}" in told) == (0, True), told
    code, told = await run(environ | {"PROCESSOR_GOVERNANCE_FILE": str(out)}, *arguments)
    assert (code, "PROCESSOR_GOVERNANCE_FILE" in told) == (0, False), told


async def test_wrong_settings_of_the_api_are_told_and_no_file_that_it_does_not_need(
    kafka: str, topic: str, tmp_path: Path
) -> None:
    environ = defined_environ(kafka, topic, tmp_path)
    environ |= {"PROCESSOR_CONFIGURATION": "Kafka", "PROCESSOR_DESTINATION_FILE": str(tmp_path / "none.yaml")}
    code, told = await run(environ, "run")
    assert (code, "PROCESSOR_CONFIGURATION" in told, "none.yaml" in told) == (78, True, False), told
