"""Everything about the deployment, from environment variables with the prefix `PROCESSOR_`: a file a group."""

from processor.settings.api import ApiSettings
from processor.settings.backfill import BackfillSettings
from processor.settings.deployment import GROUPS, SECRETS, Settings
from processor.settings.environment import (
    Found,
    find_settings,
    is_defined_in_kafka,
    load_file_settings,
    load_settings,
)
from processor.settings.files import FileSettings
from processor.settings.group import PREFIX, Group, variables
from processor.settings.kafka import KafkaSettings
from processor.settings.kinesis import KinesisSettings
from processor.settings.service import ServiceSettings
from processor.settings.state import StateSettings

__all__ = [
    "GROUPS",
    "PREFIX",
    "SECRETS",
    "ApiSettings",
    "BackfillSettings",
    "FileSettings",
    "Found",
    "Group",
    "KafkaSettings",
    "KinesisSettings",
    "ServiceSettings",
    "Settings",
    "StateSettings",
    "find_settings",
    "is_defined_in_kafka",
    "load_file_settings",
    "load_settings",
    "variables",
]
