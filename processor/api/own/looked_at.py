"""What calls of our own look at beside the request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from processor.definition.model import Definition
    from processor.definition.sealing import Sealing
    from processor.governance.destination import Connection
    from processor.operations.kept_sample import KeptSample
    from processor.operations.streams_seen import StreamsSeen


@dataclass(frozen=True, slots=True)
class LookedAt:
    """Where it is asked for.

    `definition` returns the one in force, or raises DefinitionUnavailable. `see_streams` is `streams_seen.see_streams` with the
    settings bound. `sealing` is asked anew with each secret. `environ` has the variables that a connection may refer to.
    """

    topic: str
    definition: Callable[[], Definition]
    sample: KeptSample
    see_streams: Callable[[Connection, str | None], Awaitable[StreamsSeen]]
    sealing: Callable[[], Sealing]
    environ: Mapping[str, str]
    backfills: Literal["auto", "off"]
