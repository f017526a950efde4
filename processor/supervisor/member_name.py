"""The name by which the group knows this process's workers where nobody gave them one.

A member without a name that dies holds up the whole group: its successor is a stranger, whom the group takes in only once all
members have joined anew, the dead one as well, for which it waits until that one's session ends. A member with a name is known again. It has
its partitions back at once, and no other member notices. So the service names itself: by the machine, and by a word that lies beside the
local stores, which outlive a process as the name must. Two processes never have one name: the file is locked for as long as a
process, or a worker that it left behind, is alive; who does not get the lock, or has no disk to write to, takes a name for this life alone.

A name that somebody gives, PROCESSOR_KAFKA_INSTANCE_ID, is kept while its process is away. One that the service gives is
given back when it ends in order: the partitions are another's at once.
"""

from __future__ import annotations

import fcntl
import os
import re
import socket
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from processor.state.place import place_of

if TYPE_CHECKING:
    from pathlib import Path

    from processor.settings import Settings

FILE: Final = "member"
_WORD: Final = re.compile(rb"[0-9a-f]{12}")
_NOT_LEGAL: Final = re.compile(r"[^A-Za-z0-9._-]")
_HOST_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class MemberName:
    """A name for all workers of a process, each of which puts its number behind it.

    `lock` is the descriptor of what keeps others from it, for workers to hold as well; None where nothing does.
    """

    name: str
    lock: int | None


def take_name(settings: Settings) -> MemberName | None:
    """Take a name for this process, held until it ends; None where the settings give it one."""
    if settings.kafka.instance_id is not None:
        return None
    path = place_of(settings.state, settings.kafka.group, settings.kafka.topic) / FILE
    try:
        word, lock = _locked(path)
    except OSError:  # another process has it, or there is no disk: a start reports it if it needs one
        word, lock = _new_word(), None
    host = _NOT_LEGAL.sub("-", socket.gethostname())[:_HOST_MAX]
    return MemberName(f"{host}-{word}", lock)


def _locked(path: Path) -> tuple[str, int]:
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        found = os.read(lock, 100)
        if _WORD.fullmatch(found):
            return found.decode(), lock
        word = _new_word()
        os.truncate(lock, 0)
        os.pwrite(lock, word.encode(), 0)
    except OSError:
        os.close(lock)
        raise
    return word, lock


def _new_word() -> str:
    return uuid.uuid4().hex[:12]
