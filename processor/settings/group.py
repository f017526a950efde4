"""What every group of variables is: frozen, with a prefix of its own."""

from __future__ import annotations

from typing import Final

from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX: Final = "PROCESSOR_"
MIB: Final = 1024 * 1024


class Group(BaseSettings):
    """A frozen group of variables. An empty one counts as unset, as compose and Kubernetes write it."""

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True)


def variables(group: type[Group]) -> list[str]:
    """The names of a group's variables."""
    prefix = group.model_config["env_prefix"]
    return [prefix + name.upper() for name in group.model_fields]
