"""Names of topics, servers and other values as people write them: each is taken, or told with its place and remedy."""

from __future__ import annotations

import os
import re
import string
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka.conn import collect_hosts
from hypothesis import example, given
from hypothesis import strategies as st

from processor.errors import ConfigurationError, Problem
from processor.kafka.client import client_options
from processor.settings import GROUPS, SECRETS, Settings, StateSettings, load_settings, variables
from processor.settings.servers import host_and_port
from processor.state.place import place_of
from tests.support.settings_environ import NEEDED

if TYPE_CHECKING:
    from pathlib import Path

ALL = [name for group in GROUPS for name in variables(group)]
CHANGELOG = "PROCESSOR_STATE_CHANGELOG_TOPIC"
BACKFILL = "PROCESSOR_BACKFILL_TOPIC"
LETTERS = "PROCESSOR_KAFKA_DEAD_LETTER_TOPIC"
TOPIC = "PROCESSOR_KAFKA_TOPIC"
GROUP = "PROCESSOR_KAFKA_GROUP"
SERVERS = "PROCESSOR_KAFKA_SERVERS"


def refused(**environ: str) -> list[Problem]:
    with pytest.raises(ConfigurationError) as found:
        load_settings({**NEEDED, **environ})
    return list(found.value.problems)


@pytest.mark.parametrize(
    "group", ["team:exports", "team exports", "a/b", "Größe", "グループ", "g" * 235, "a\tb", "*", "(x)"]
)
def test_a_group_that_makes_no_topics_name_is_reported_with_the_setting_that_names_the_changelog(
    group: str,
) -> None:
    (problem,) = refused(**{GROUP: group})
    assert problem.member == CHANGELOG
    assert repr(f"{group}-profiles-state") in problem.message
    assert "Set it" in problem.remedy
    assert GROUP in problem.remedy
    settings = load_settings({**NEEDED, GROUP: group, CHANGELOG: "exports.state"})
    assert settings.kafka.group == group
    assert settings.changelog_topic == "exports.state"
    assert settings.backfill_topic == "exports.state-backfill"


def test_the_topic_of_backfills_follows_from_group_and_topic_or_is_named() -> None:
    assert load_settings(NEEDED).backfill_topic == "exports-profiles-backfill"
    assert load_settings({**NEEDED, CHANGELOG: "state"}).backfill_topic == "exports-profiles-backfill"
    assert load_settings({**NEEDED, BACKFILL: "asked"}).backfill_topic == "asked"


def test_the_sum_of_group_and_topic_counts() -> None:
    fits = 249 - len("--state") - len("profiles")
    settings = load_settings({**NEEDED, GROUP: "g" * fits})
    assert len(settings.changelog_topic) == 249
    assert len(settings.backfill_topic) == 249, "what started before must start on"
    (problem,) = refused(**{GROUP: "g" * (fits + 1)})
    assert "250 characters" in problem.message


@pytest.mark.parametrize("name", ["a b", "a:b", "a/b", "ä", ".", "..", "a" * 250, "a,b", "a\u2028b", " a"])
@pytest.mark.parametrize("variable", [TOPIC, LETTERS, CHANGELOG, BACKFILL])
def test_a_topic_that_kafka_refuses_is_reported(variable: str, name: str) -> None:
    assert next(problem.member for problem in refused(**{variable: name})) == variable


def test_a_dead_letter_topic_whose_name_follows_and_is_too_long_is_reported() -> None:
    (problem,) = refused(**{TOPIC: "t" * 240, CHANGELOG: "state"})
    assert problem.member == LETTERS
    assert "253 characters" in problem.message
    named = load_settings({**NEEDED, TOPIC: "t" * 240, CHANGELOG: "s", LETTERS: "letters"})
    assert named.kafka.dead_letter_topic == "letters"


def test_all_that_is_wrong_with_names_is_reported_together() -> None:
    told = {problem.member for problem in refused(**{SERVERS: "a", GROUP: "a:b", LETTERS: "a b"})}
    assert told == {SERVERS, CHANGELOG, LETTERS}


@pytest.mark.parametrize(
    ("environ", "member", "other"),
    [
        ({LETTERS: "profiles"}, LETTERS, TOPIC),
        ({CHANGELOG: "profiles"}, CHANGELOG, TOPIC),
        ({CHANGELOG: "profiles-dead-letters"}, CHANGELOG, LETTERS),
        ({LETTERS: "exports-profiles-state"}, CHANGELOG, LETTERS),
        ({BACKFILL: "profiles"}, BACKFILL, TOPIC),
        ({BACKFILL: "profiles-dead-letters"}, BACKFILL, LETTERS),
        ({BACKFILL: "exports-profiles-state"}, BACKFILL, CHANGELOG),
        ({CHANGELOG: "exports-profiles-backfill"}, BACKFILL, CHANGELOG),
        ({LETTERS: "exports-profiles-backfill"}, BACKFILL, LETTERS),
    ],
)
def test_two_topics_that_are_one_are_reported(environ: dict[str, str], member: str, other: str) -> None:
    (problem,) = refused(**environ)
    assert problem.member == member
    assert other in problem.message


@pytest.mark.parametrize(
    ("text", "trouble"),
    [
        ("localhost", "no port"),
        ("a:9092,b", "part 2 of 2, 'b': it has no port"),
        ("a:", "no port"),
        ("a:kafka", "'kafka', is no number"),
        ("a:0", "'0', is no number from 1 to 65535"),
        ("a:65536", "'65536', is no number"),
        ("a:-1", "'-1', is no number"),
        ("a:9_092", "'9_092', is no number"),
        ("a:\uff19\uff10", "is no number"),
        ("a:9092/topic", "'9092/topic', is no number"),
        ("kafka://a:9092", "scheme"),
        ("SASL_SSL://a:9092", "PROCESSOR_KAFKA_SECURITY_PROTOCOL"),
        ("http://a:9092/", "scheme"),
        (":9092", "no host"),
        ("a:9092,,b:9092", "part 2 of 3, '': there is nothing in it"),
        ("a:9092,", "part 2 of 2"),
        (",", "there is nothing in it"),
        ("a b:9092", "'a b' is neither"),
        ("a:9092 b:9092", "neither a host's name"),
        ("a:9092;b:9092", "neither a host's name"),
        ('"a:9092"', "is no number"),
        ('["a:9092"]', "is no number"),
        ("::1", "IPv6 address without a port"),
        ("::1:9092", "IPv6 address without a port, or not in brackets"),
        ("[::1]", "IPv6 address without a port"),
        ("[::1", "neither a host"),
        ("[a]:9092", "'a' is no IPv6 address"),
        ("[::1]9092", "neither a host's name|no IPv6 address|no number"),
        ("1:2:3:4:5:6:7:8:9092", "its IPv6 address is not in brackets"),
        ("münchen:9092", "xn--"),
        ("a..b:9092", "neither a host's name"),
        (".a:9092", "neither a host's name"),
        (f"{'a' * 64}:9092", "neither a host's name"),
        (f"{'a.' * 130}a:9092", "neither a host's name"),
    ],
)
def test_servers_that_are_none_are_reported_with_the_part_and_how_they_are_written(
    text: str, trouble: str
) -> None:
    (problem,) = refused(**{SERVERS: text})
    assert problem.member == SERVERS
    assert re.search(trouble, problem.message), problem.message
    assert "host:port" in problem.remedy


def test_a_password_in_a_server_is_not_shown() -> None:
    (problem,) = refused(**{SERVERS: "user:hunter2@a:9092"})
    assert "hunter2" not in str(problem)
    assert "PROCESSOR_KAFKA_SASL_USER" in problem.message


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("localhost:9092", [("localhost", 9092)]),
        (" a:1 , b_2.c-d.example.:65535 ", [("a", 1), ("b_2.c-d.example.", 65535)]),
        ("10.0.0.1:9092", [("10.0.0.1", 9092)]),
        ("[::1]:9092", [("::1", 9092)]),
        ("[fe80::1%eth0]:9092,[2001:db8::1]:19092", [("fe80::1%eth0", 9092), ("2001:db8::1", 19092)]),
        ("999.0.0.1:9092", [("999.0.0.1", 9092)]),
        ("no-such-host.invalid:9092", [("no-such-host.invalid", 9092)]),
    ],
)
def test_servers_that_are_some_are_what_the_client_takes(text: str, hosts: list[tuple[str, int]]) -> None:
    kafka = load_settings({**NEEDED, SERVERS: text}).kafka
    assert [host_and_port(server) for server in kafka.servers] == hosts
    taken = collect_hosts(client_options(kafka)["bootstrap_servers"], randomize=False)
    assert [(host, port) for host, port, _ in taken] == hosts


@given(st.text(st.sampled_from("ab1:[]/,.% @-_é9092"), max_size=24))
def test_whatever_servers_are_taken_the_client_takes_too(text: str) -> None:
    try:
        kafka = load_settings({**NEEDED, SERVERS: text}).kafka
    except ConfigurationError as error:
        assert [problem.member for problem in error.problems] == [SERVERS]  # noqa: PT017  both ends are right
    else:
        for host, port, _ in collect_hosts(",".join(kafka.servers), randomize=False):
            assert host
            assert 1 <= port <= 65_535
            host.encode("idna")


def in_an_environment(text: str) -> bool:
    return "\0" not in text


ODD = st.one_of(
    st.text().filter(in_an_environment),
    st.text(string.printable).filter(in_an_environment),
    st.binary().map(lambda data: os.fsdecode(data.replace(b"\0", b""))),
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(
        ["1" * 5000, "-0", "1e9", "0x10", "١٢٣", "true", "no", "null", "{}", "[]", "~", "%s", "\ud800"]
    ),
)


@given(st.dictionaries(st.sampled_from([*ALL, *(name + "_FILE" for name in SECRETS)]), ODD, max_size=4))
@example({"PROCESSOR_HTTP_HOST": "a..b"})
@example({"PROCESSOR_HTTP_HOST": "b" * 70})
@example({"PROCESSOR_KINESIS_LINGER_MS": "nan"})
@example({"PROCESSOR_KAFKA_FETCH_MAX_BYTES": str(10**12)})
@example({"PROCESSOR_STATE_MEMORY_BYTES": str(10**30)})
@example({"PROCESSOR_KAFKA_SASL_PASSWORD_FILE": "x" * 5000})
def test_no_value_of_any_setting_ends_in_a_traceback(environ: dict[str, str]) -> None:
    try:
        settings = load_settings({**NEEDED, **environ})
    except ConfigurationError as error:
        for problem in error.problems:
            assert problem.remedy
            assert problem.member.startswith("PROCESSOR_")
    else:
        assert_usable(settings)


def assert_usable(settings: Settings) -> None:
    """What the values are given to takes them."""
    kafka, kinesis, state = settings.kafka, settings.kinesis, settings.state
    for text in (kafka.group, kafka.client_id, kafka.instance_id or "", settings.changelog_topic):
        assert len(text.encode()) < 2**15
    protocol: list[Any] = [kafka.session_timeout_ms, kafka.fetch_max_bytes, kafka.partition_fetch_max_bytes]
    assert all(0 <= number < 2**31 for number in protocol)
    assert 0 <= kinesis.linger_ms <= 60_000
    assert state.memory_bytes < 2**63
    settings.service.http_host.encode("idna")


def test_a_text_that_is_not_utf_8_is_reported_once() -> None:
    assert [each.message for each in refused(**{GROUP: os.fsdecode(b"gr\xfc\xdfe")})] == ["it is not UTF-8"]


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::", "[::1]", "localhost", "pod-1.svc.local"])
def test_a_host_to_listen_at(host: str) -> None:
    assert load_settings({**NEEDED, "PROCESSOR_HTTP_HOST": host}).service.http_host == host.strip("[]")


@pytest.mark.parametrize("host", ["*", "http://0.0.0.0", "0.0.0.0:8080", "a b", "[a]", ":8080", "ä"])
def test_what_is_no_host_to_listen_at_is_reported(host: str) -> None:
    (problem,) = refused(PROCESSOR_HTTP_HOST=host)
    assert "0.0.0.0" in problem.remedy


@pytest.mark.parametrize("name", ["processor_kafka_topic", "Processor_Kafka_Topic"])
def test_a_variable_in_small_letters_is_no_setting(name: str) -> None:
    environ = {key: value for key, value in NEEDED.items() if key != TOPIC}
    with pytest.raises(ConfigurationError) as found:
        load_settings({**environ, name: "profiles"})
    assert {problem.member for problem in found.value.problems} == {name, TOPIC}
    assert f"Did you mean {TOPIC}?" in str(found.value)


def test_a_variable_that_is_set_is_never_what_was_meant() -> None:
    (problem,) = refused(PROCESSOR_KAFKA_SERVER="a:9092")
    assert "mean" not in problem.remedy


@pytest.mark.parametrize("group", ["g", "..", "a/b", "ü" * 100, "ü" * 101, "g" * 300])
def test_every_group_has_a_folder_of_its_own(group: str, tmp_path: Path) -> None:
    settings = StateSettings.model_validate({"directory": tmp_path})
    place = place_of(settings, group, "profiles")
    place.mkdir(parents=True)
    assert place.parent.parent == tmp_path
    assert place != place_of(settings, group + "x", "profiles")
    assert place_of(settings, group[:-1] + "x", "profiles") != place
