"""What the options of `processor init` say beforehand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Given:
    """The options; None where one is not given, and `governance` where no file is named."""

    destination: Path
    governance: Path | None = None
    name: str | None = None
    description: str | None = None
    region: str | None = None
    access_key_variable: str | None = None
    secret_key_variable: str | None = None
    connection_url: str | None = None
    stream: str | None = None
    marketing_actions: Sequence[str] | None = None
    segments: Sequence[str] | None = None
    attributes: Sequence[str] | None = None
    from_topic: bool = False
    overwrite: bool = False
    sample_events: int = 1_000
