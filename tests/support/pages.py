"""What docs/deploy.md has people type."""

from __future__ import annotations

import re
from typing import Final

from tests.support.deploy_files import ROOT

DOCS: Final = (ROOT / "docs" / "deploy.md").read_text()


def commands(section: str, tool: str) -> list[str]:
    """The lines of a section that run a tool."""
    text = re.split(r"^##+ ", DOCS, flags=re.MULTILINE)
    (found,) = [part for part in text if part.startswith(section + "\n")]
    lines = re.findall(rf"^\$ ({re.escape(tool)} .*)$", found, flags=re.MULTILINE)
    assert lines, f"{section} has no {tool}"
    return lines
