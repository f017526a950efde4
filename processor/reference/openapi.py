"""Writes docs/openapi.json from the table of the API's calls: `python -m processor.reference.openapi`."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Final

from processor.api.calls import calls
from processor.api.openapi import openapi
from processor.api.own.looked_at import LookedAt
from processor.definition.model import Definition
from processor.definition.sealing import Sealing
from processor.operations.kept_sample import KeptSample

if TYPE_CHECKING:
    from processor.governance.destination import Connection
    from processor.operations.streams_seen import StreamsSeen
    from processor.operations.topic_sample import SampleRead


def openapi_reference() -> str:
    """The file's text."""
    document = openapi(calls(Sealing, _NOTHING))
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


async def _no_sample() -> SampleRead:
    raise NotImplementedError("a description looks at nothing")


async def _no_streams(_: Connection, __: str | None) -> StreamsSeen:
    raise NotImplementedError("a description looks at nothing")


_NOTHING: Final = LookedAt(
    topic="",
    definition=Definition,
    sample=KeptSample(_no_sample),
    see_streams=_no_streams,
    sealing=Sealing,
    environ={},
    backfills="auto",
)


if __name__ == "__main__":
    sys.stdout.write(openapi_reference())
