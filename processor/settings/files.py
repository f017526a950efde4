"""Where the two configuration files are."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from processor.settings.group import PREFIX, Group


class FileSettings(Group):
    """The two configuration files."""

    model_config = SettingsConfigDict(env_prefix=PREFIX)

    destination_file: Path = Field(Path("destination.yaml"), description="The destination file.")
    governance_file: Path | None = Field(
        None, description="The governance file; without it there are no labels and no policies."
    )
