"""Writes docs/openapi.json from the table of the API's calls: `python -m processor.reference.openapi`."""

from __future__ import annotations

import json
import sys

from processor.api.calls import calls
from processor.api.openapi import openapi
from processor.definition.sealing import Sealing


def openapi_reference() -> str:
    """The file's text."""
    return json.dumps(openapi(calls(lambda: Sealing([]))), ensure_ascii=False, indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(openapi_reference())
