"""The name that a process gives itself: it comes back with it, and no two processes have one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from processor.settings import load_settings
from processor.state.place import place_of
from processor.supervisor.member_name import FILE, MemberName, take_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from processor.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path)


def settings_in(directory: Path, **changes: str) -> Settings:
    return load_settings(
        {
            "PROCESSOR_KAFKA_SERVERS": "k:9092",
            "PROCESSOR_KAFKA_TOPIC": "events",
            "PROCESSOR_KAFKA_GROUP": "exports",
            "PROCESSOR_STATE_DIRECTORY": str(directory / "state"),
            **changes,
        }
    )


@pytest.fixture
def held() -> Iterator[list[int]]:
    """What a test takes is let go of at its end."""
    locks: list[int] = []
    yield locks
    for lock in locks:
        os.close(lock)


def taken(settings: Settings, held: list[int]) -> MemberName:
    name = take_name(settings)
    assert name is not None
    if name.lock is not None:
        held.append(name.lock)
    return name


def ended(held: list[int]) -> None:
    os.close(held.pop())


def test_a_process_that_comes_back_has_its_name_again(settings: Settings, held: list[int]) -> None:
    first = taken(settings, held)
    assert re.fullmatch(r"[A-Za-z0-9._-]+-[0-9a-f]{12}", first.name)
    ended(held)
    assert taken(settings, held).name == first.name


def test_two_processes_with_one_state_directory_have_two_names(settings: Settings, held: list[int]) -> None:
    first, second = taken(settings, held), taken(settings, held)
    assert second.name != first.name
    assert second.lock is None


def test_groups_and_machines_have_names_of_their_own(tmp_path: Path, held: list[int]) -> None:
    names = {
        taken(settings_in(tmp_path / place, PROCESSOR_KAFKA_GROUP=group), held).name
        for place in ("one", "two")
        for group in ("exports", "others")
    }
    assert len(names) == 4


def test_a_worker_that_its_parent_left_behind_keeps_the_name_from_the_next_parent(
    settings: Settings, held: list[int]
) -> None:
    first = taken(settings, held)
    assert first.lock is not None
    command = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[first.lock]) as worker:
        ended(held)
        assert taken(settings, held).name != first.name
        assert worker.stdin is not None
        worker.stdin.close()
    assert taken(settings, held).name == first.name


@pytest.mark.parametrize("found", [b"", b"no word", b"0" * 12 + b"\n", b"\xff" * 200])
def test_a_file_that_holds_no_word_gets_one(settings: Settings, held: list[int], found: bytes) -> None:
    path = place_of(settings.state, settings.kafka.group, settings.kafka.topic) / FILE
    path.parent.mkdir(parents=True)
    path.write_bytes(found)
    first = taken(settings, held)
    ended(held)
    assert taken(settings, held).name == first.name


def test_without_a_disk_there_is_a_name_for_this_life(tmp_path: Path, held: list[int]) -> None:
    (tmp_path / "state").write_text("no directory")
    settings = settings_in(tmp_path)
    names = {taken(settings, held).name for _ in range(2)}
    assert len(names) == 2


def test_a_name_that_was_given_is_kept_and_not_given_back(tmp_path: Path) -> None:
    given = settings_in(tmp_path, PROCESSOR_KAFKA_INSTANCE_ID="pod-3")
    assert take_name(given) is None
    assert not (tmp_path / "state").exists()
    own = given.named("host-1").of_worker(1)
    assert (own.kafka.instance_id, own.gives_id_back) == ("pod-3-1", False)
    own = settings_in(tmp_path).named("host-1").of_worker(1)
    assert (own.kafka.instance_id, own.gives_id_back) == ("host-1-1", True)
    assert settings_in(tmp_path).named(None).kafka.instance_id is None
