"""All groups together, and what follows from several of them."""

from __future__ import annotations

import socket
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from processor.settings.api import ApiSettings
from processor.settings.backfill import BackfillSettings
from processor.settings.files import FileSettings
from processor.settings.kafka import KafkaSettings
from processor.settings.kinesis import KinesisSettings
from processor.settings.service import ServiceSettings
from processor.settings.state import StateSettings
from processor.settings.topic_names import backfill_topic_of, changelog_of, configuration_topic_of

if TYPE_CHECKING:
    from processor.settings.group import Group


@dataclass(frozen=True, slots=True)
class Settings:
    """All groups."""

    files: FileSettings
    kafka: KafkaSettings
    state: StateSettings
    kinesis: KinesisSettings
    service: ServiceSettings
    backfills: BackfillSettings
    api: ApiSettings
    gives_id_back: bool = False
    """Whether the instance id is one that the service gave itself: nobody keeps it while the process is away."""

    @property
    def changelog_topic(self) -> str:
        """The compacted topic of the state."""
        return self.state.changelog_topic or changelog_of(self.kafka.group, self.kafka.topic)

    @property
    def backfill_topic(self) -> str:
        """The topic of requests for backfills, and of how far they are."""
        given = self.backfills.backfill_topic
        return given or backfill_topic_of(self.kafka.group, self.kafka.topic, self.changelog_topic)

    @property
    def configuration_topic(self) -> str:
        """The topic of the definition, where it is kept in Kafka."""
        given = self.api.configuration_topic
        return given or configuration_topic_of(self.kafka.group, self.kafka.topic, self.changelog_topic)

    def of_worker(self, index: int) -> Settings:
        """The settings of one of several workers, or of the only one: its names are its own.

        Its client id, and its instance id where there is one. The only worker's has a number, too: else `a` with two
        workers and `a-1` with one would meet.
        """
        own = {"client_id": f"{self.kafka.client_id}-{socket.gethostname()}-{index}"}
        if self.kafka.instance_id is not None:
            own["instance_id"] = f"{self.kafka.instance_id}-{index}"
        return replace(self, kafka=self.kafka.model_copy(update=own))

    def named(self, name: str | None) -> Settings:
        """The settings of a process that names itself, where it was given no instance id."""
        if name is None or self.kafka.instance_id is not None:
            return self
        return replace(self, kafka=self.kafka.model_copy(update={"instance_id": name}), gives_id_back=True)

    @property
    def fence_s(self) -> float:
        """For how long after the last answered heartbeat something may still be begun."""
        return (self.kafka.session_timeout_ms - self.kafka.request_timeout_ms) / 1000


GROUPS: Final[tuple[type[Group], ...]] = (
    FileSettings,
    KafkaSettings,
    StateSettings,
    KinesisSettings,
    ServiceSettings,
    BackfillSettings,
    ApiSettings,
)
SECRETS: Final = (
    "PROCESSOR_KAFKA_SASL_PASSWORD",
    "PROCESSOR_KAFKA_TLS_KEY_PASSWORD",
    "PROCESSOR_HTTP_PASSWORD",
    "PROCESSOR_HTTP_TOKEN",
    "PROCESSOR_HTTP_TLS_KEY_PASSWORD",
)
"""Each may also be given by a file: the variable's name with `_FILE` behind it."""
