"""A Dockerfile's instructions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path


class Instruction(NamedTuple):
    """One instruction: its name and what follows, on one line."""

    name: str
    text: str


def stages(path: Path) -> list[list[Instruction]]:
    """The instructions of each stage, its FROM first."""
    text = "\n".join(line for line in path.read_text().splitlines() if not line.lstrip().startswith("#"))
    found: list[list[Instruction]] = []
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        if not line.strip():
            continue
        name, _, rest = line.partition(" ")
        if name == "FROM":
            found.append([])
        if found:
            found[-1].append(Instruction(name, rest.strip()))
    return found


def environment(instructions: list[Instruction]) -> dict[str, str]:
    """What ENV sets."""
    found: dict[str, str] = {}
    for each in instructions:
        if each.name == "ENV":
            found.update(re.findall(r"(\w+)=(\S+)", each.text))
    return found
