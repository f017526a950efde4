"""Reads the environment: all that is wrong with any variable is told at once."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from pydantic import ValidationError
from pydantic_settings import EnvSettingsSource

from processor.errors import ConfigurationError, Problem
from processor.settings.deployment import GROUPS, SECRETS, Settings
from processor.settings.files import FileSettings
from processor.settings.group import PREFIX, Group, variables
from processor.settings.kafka import KafkaSettings
from processor.settings.kinesis import KinesisSettings
from processor.settings.service import ServiceSettings
from processor.settings.state import StateSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

_FILE_SUFFIX: Final = "_FILE"

_AnyGroup = TypeVar("_AnyGroup", bound=Group)


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings.

    Raises:
        ConfigurationError: with everything that is wrong with any variable.

    """
    environ = os.environ if environ is None else environ
    problems = _unknown(environ)
    values = _with_secrets_from_files(environ, problems)
    files = _load(FileSettings, values, problems)
    kafka = _load(KafkaSettings, values, problems)
    state = _load(StateSettings, values, problems)
    kinesis = _load(KinesisSettings, values, problems)
    service = _load(ServiceSettings, values, problems)
    if problems or not (files and kafka and state and kinesis and service):
        raise ConfigurationError(problems)
    return Settings(files, kafka, state, kinesis, service)


def load_file_settings(environ: Mapping[str, str] | None = None) -> FileSettings:
    """Only where the two files are, for commands that connect to nothing.

    Raises:
        ConfigurationError: one of the two variables is wrong.

    """
    problems: list[Problem] = []
    loaded = _load(FileSettings, os.environ if environ is None else environ, problems)
    if loaded is None:
        raise ConfigurationError(problems)
    return loaded


def _load(group: type[_AnyGroup], environ: Mapping[str, str], problems: list[Problem]) -> _AnyGroup | None:
    prefix = str(group.model_config["env_prefix"])
    try:
        return group.model_validate(_Environment(group, environ)())
    except ValidationError as error:
        problems.extend(
            _problem(group, prefix, str(detail["loc"][0]) if detail["loc"] else "", detail["msg"])
            for detail in error.errors(include_input=False, include_url=False)
        )
        return None


class _Environment(EnvSettingsSource):
    """The environment that was handed in, in place of the process's own."""

    def __init__(self, group: type[Group], environ: Mapping[str, str]) -> None:
        self._environ = environ
        super().__init__(group)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {name.lower(): value for name, value in self._environ.items() if value}


def _problem(group: type[Group], prefix: str, name: str, message: str) -> Problem:
    message = message.removeprefix("Value error, ")
    if not name:
        for field in group.model_fields:
            message = message.replace(field, prefix + field.upper())
        return Problem("environment", None, prefix + "*", message, "Change one of them")
    description = group.model_fields[name].description or ""
    if message == "Field required":
        return Problem("environment", None, prefix + name.upper(), "it is not set", f"Set it: {description}")
    return Problem("environment", None, prefix + name.upper(), message, f"What it is: {description}")


def _unknown(environ: Mapping[str, str]) -> list[Problem]:
    known = [name for group in GROUPS for name in variables(group)]
    known += [secret + _FILE_SUFFIX for secret in SECRETS]
    problems = []
    for name in sorted(environ):
        # PROCESSOR_TEST_* belongs to the tests.
        if name.startswith(PREFIX) and name not in known and not name.startswith(PREFIX + "TEST_"):
            close = difflib.get_close_matches(name, known, n=1)
            remedy = f"Did you mean {close[0]}?" if close else "Remove it, or see docs/configuration.md"
            problems.append(Problem("environment", None, name, "there is no such setting", remedy))
    return problems


def _with_secrets_from_files(environ: Mapping[str, str], problems: list[Problem]) -> Mapping[str, str]:
    values = dict(environ)
    for secret in SECRETS:
        path = environ.get(secret + _FILE_SUFFIX)
        if not path:
            continue
        try:
            values[secret] = Path(path).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            problems.append(
                Problem(
                    "environment", None, secret + _FILE_SUFFIX, f"{path}: {reason}", "Name a readable file"
                )
            )
    return values
