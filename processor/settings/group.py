"""What every group of variables is: frozen, with a prefix of its own."""

from __future__ import annotations

from typing import Final

from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX: Final = "PROCESSOR_"
MIB: Final = 1024 * 1024
INT32_MAX: Final = 2**31 - 1
"""Of times and of a fetch's bytes: what a field of Kafka's protocol holds."""
REPLICAS_MAX: Final = 2**15 - 1
"""Of a topic: what a field of Kafka's protocol holds."""
MEMORY_MAX: Final = 2**40
"""Of what is held in memory: a number that RocksDB takes, and that no machine has."""
TECHNICAL: Final = frozenset({INT32_MAX, REPLICAS_MAX, MEMORY_MAX})
"""Upper bounds that nobody meets: they keep a number that was mistyped from failing later, where it is not understood."""
AWS_REGION: Final = r"^[a-z]{2}(-[a-z]+)+-[0-9]+$"
TEXT_MAX: Final = 8_000
"""Characters that a text of Kafka's protocol holds, whatever they are: 32,767 bytes."""


class Wrong(ValueError):
    """A value that cannot be used: what is wrong with it, and how it is mended."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


class Group(BaseSettings):
    """A frozen group of variables. An empty one counts as unset, as compose and Kubernetes write it."""

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True)


def variables(group: type[Group]) -> list[str]:
    """The names of a group's variables."""
    prefix = group.model_config["env_prefix"]
    return [prefix + name.upper() for name in group.model_fields]
