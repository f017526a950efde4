"""A command of `processor`, run to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.process import processor

if TYPE_CHECKING:
    from collections.abc import Mapping


async def run(environ: Mapping[str, str], *arguments: str) -> tuple[int, str]:
    async with processor(*arguments, environ=environ) as (child, lines):
        code = await child.wait()
    return code, "".join(lines)
