"""Whether the compiled core (native/) runs: where this build has it, and `PROCESSOR_CORE=plain` does not rule it out.

Whatever has a compiled part takes it from `native`, and does the same in plain Python where that is None: so there is one
answer for all of a process, and one variable that an operator has to set.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from processor import __version__
from processor.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CORE", "PROBLEMS", "Found", "VersionOfLibrary", "faults", "found", "native"]

VersionOfLibrary = Callable[[], str]

CORE_VARIABLE: Final = "PROCESSOR_CORE"
_LIBRARY: Final = "processor._native"
_REMEDY: Final = (
    f"Install the service anew, built for this machine; or set {CORE_VARIABLE}=plain, which leaves the library unused: "
    "all works as well, slower"
)


class Found(NamedTuple):
    """What there is of the compiled core; `problem` says what is wrong with a library that is there and cannot be used."""

    is_usable: bool
    problem: Problem | None = None


def found(environ: Mapping[str, str], version_of_library: VersionOfLibrary) -> Found:
    """Return whether the compiled core can be used; `version_of_library` loads it.

    One that is there and cannot be used is a problem, not a reason to go on without: it was asked for, and a service that
    is slower by as much as it makes out would be noticed when its lag has grown.
    """
    if environ.get(CORE_VARIABLE) == "plain":
        return Found(is_usable=False)
    try:
        version = version_of_library()
    except ModuleNotFoundError:
        return Found(is_usable=False)
    except ImportError as error:
        return Found(is_usable=False, problem=_problem(f"it cannot be loaded: {error}"))
    if version != __version__:
        return Found(
            is_usable=False, problem=_problem(f"it is of version {version}, the service {__version__}")
        )
    return Found(is_usable=True)


def _problem(what: str) -> Problem:
    return Problem(_LIBRARY, None, CORE_VARIABLE, f"the compiled core cannot be used: {what}", _REMEDY)


def _version_of_library() -> str:
    return str(importlib.import_module(_LIBRARY).version())


_FOUND: Final = found(os.environ, _version_of_library)
CORE: Final = "compiled" if _FOUND.is_usable else "plain"
PROBLEMS: Final = [] if _FOUND.problem is None else [_FOUND.problem]
"""What the service does not start with."""

if _FOUND.is_usable:
    from processor import _native as native
else:
    native = None  # type: ignore[assignment]  # a module has types, and one that may be None has none


def faults() -> int:
    """How often the compiled core has failed in this process by a fault of its own, and left to the plain one what it failed on."""
    return native.panics() if _FOUND.is_usable else 0
