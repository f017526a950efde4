"""The worker processes of one machine: how each is started, and how long it may take to end."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Final

from processor.supervisor.workers import Command, RestartPolicy, Workers, worker_environ

if TYPE_CHECKING:
    from processor.settings import Settings
    from processor.supervisor.member_name import MemberName
    from processor.supervisor.workers import Begin

LEAVE_S: Final = 15.0
"""What a worker may take beyond its drain: the last commit, and leaving the group."""


def workers_of(count: int, settings: Settings, name: MemberName | None, *more: str) -> Begin:
    """Return what makes `count` workers of these settings and this environment; `more` are arguments of each."""
    arguments = ["run", *(["--gives-id-back"] if settings.gives_id_back else []), *more]
    commands = [Command(arguments, worker_environ(os.environ, settings, index)) for index in range(count)]
    service = settings.service
    return partial(
        Workers,
        commands,
        stop_timeout_s=service.shutdown_timeout_ms / 1000 + LEAVE_S,
        policy=RestartPolicy(silence_s=service.stall_timeout_ms / 1000),
        held=() if name is None or name.lock is None else (name.lock,),
    )
