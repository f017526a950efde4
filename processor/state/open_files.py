"""How many files this process may have open: each socket is one, and each file of each partition's store."""

from __future__ import annotations

import contextlib
import resource
from typing import Final

_MOST: Final = 1 << 20
"""As many as anything here could use; some container engines allow a thousand million."""


def raise_limit() -> None:
    """Have this process, and those that it starts, use what the system allows it: shells and systemd begin with 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST if hard == resource.RLIM_INFINITY else min(hard, _MOST)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    # Where it is refused the limit stays; what does not fit is reported when it is known.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def limit() -> int:
    """How many files this process may have open at once."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST if soft == resource.RLIM_INFINITY else min(soft, _MOST)


def remedy() -> str:
    """How to have the limit raised, by what starts the process."""
    return (
        "raise the hard limit of open files where the service is started: LimitNOFILE= of a systemd unit, nofile of a "
        "container (--ulimit, or ulimits: of compose), `ulimit -Hn` of a shell; or run more workers"
    )
