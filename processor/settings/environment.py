"""Reads the environment: all that is wrong with any variable is reported at once."""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from pydantic import ValidationError
from pydantic_settings import EnvSettingsSource

from processor.errors import ConfigurationError, Problem
from processor.settings.api import ApiSettings
from processor.settings.backfill import BackfillSettings
from processor.settings.deployment import GROUPS, SECRETS, Settings
from processor.settings.exposure import exposure_problems
from processor.settings.files import FileSettings
from processor.settings.group import PREFIX, Group, Wrong, variables
from processor.settings.kafka import KafkaSettings
from processor.settings.kinesis import KinesisSettings
from processor.settings.service import ServiceSettings
from processor.settings.state import StateSettings
from processor.settings.topic_names import topic_problems

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic_core import ErrorDetails

_FILE_SUFFIX: Final = "_FILE"
_STAND_INS: Final = {"servers": "unset:1"}

_AnyGroup = TypeVar("_AnyGroup", bound=Group)


class Found(NamedTuple):
    """What an environment says: the settings where there is nothing wrong, else what is; and what is not set yet."""

    settings: Settings | None
    wrong: list[Problem]
    unset: list[Problem]
    """Variables without which there is no service, and that nothing gives."""

    @property
    def is_empty(self) -> bool:
        """Whether none is set of those that are needed: nobody has begun."""
        return len(self.unset) == sum(
            field.is_required() for group in GROUPS for field in group.model_fields.values()
        )


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings.

    Raises:
        ConfigurationError: with everything that is wrong with any variable.

    """
    found = find_settings(environ)
    if found.settings is None:
        raise ConfigurationError([*found.wrong, *found.unset])
    return found.settings


def find_settings(environ: Mapping[str, str] | None = None) -> Found:
    """The settings, or what is wrong with them, and what is missing, apart."""
    environ = os.environ if environ is None else environ
    wrong, unset = _unknown(environ), list[Problem]()
    values = _with_secrets_from_files(_readable(environ, wrong), wrong)
    files = _load(FileSettings, values, wrong, unset)
    kafka = _load(KafkaSettings, values, wrong, unset)
    state = _load(StateSettings, values, wrong, unset)
    kinesis = _load(KinesisSettings, values, wrong, unset)
    service = _load(ServiceSettings, values, wrong, unset)
    backfills = _load(BackfillSettings, values, wrong, unset)
    api = _load(ApiSettings, values, wrong, unset)
    wrong += topic_problems(values)
    if service is not None and api is not None:
        wrong += exposure_problems(service, api)
    if wrong or not (files and kafka and state and kinesis and service and backfills and api):
        return Found(None, wrong, unset)
    return Found(Settings(files, kafka, state, kinesis, service, backfills, api), [], [])


def load_file_settings(environ: Mapping[str, str] | None = None) -> FileSettings:
    """Only where the two files are, for commands that connect to nothing.

    Raises:
        ConfigurationError: one of the two variables is wrong.

    """
    problems: list[Problem] = []
    values = _readable(os.environ if environ is None else environ, problems, variables(FileSettings))
    loaded = _load(FileSettings, values, problems, [])
    if loaded is None or problems:
        raise ConfigurationError(problems)
    return loaded


def is_defined_in_kafka(environ: Mapping[str, str] | None = None) -> bool | None:
    """Whether the definition is kept in Kafka; None where a setting is wrong that decides it, which is told where all are read."""
    problems: list[Problem] = []
    values = _readable(os.environ if environ is None else environ, problems, variables(ApiSettings))
    loaded = _load(ApiSettings, values, problems, [])
    return None if loaded is None else loaded.is_in_kafka


def _load(
    group: type[_AnyGroup], environ: Mapping[str, str], wrong: list[Problem], unset: list[Problem]
) -> _AnyGroup | None:
    prefix = str(group.model_config["env_prefix"])
    given = _Environment(group, environ)()
    reported = {problem.member for problem in wrong}
    absent = [name for name, field in group.model_fields.items() if field.is_required() and name not in given]
    unset.extend(
        Problem(
            "environment",
            None,
            prefix + name.upper(),
            "it is not set",
            f"Set it: {group.model_fields[name].description}",
        )
        for name in absent
        if prefix + name.upper() not in reported
    )
    try:
        # What stands in for what is absent is well formed: what is wrong with the others is reported all the same.
        loaded = group.model_validate({**given, **{name: _STAND_INS.get(name, "unset") for name in absent}})
    except ValidationError as error:
        found = [
            _problem(group, prefix, each) for each in error.errors(include_input=False, include_url=False)
        ]
        wrong.extend(problem for problem in found if problem.member not in reported)
        return None
    return None if absent else loaded


class _Environment(EnvSettingsSource):
    """The environment that was handed in, in place of the process's own; names mean what they say, in capitals."""

    def __init__(self, group: type[Group], environ: Mapping[str, str]) -> None:
        self._environ = {name: environ.get(name) for name in variables(group)}
        super().__init__(group)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {name.lower(): value for name, value in self._environ.items() if value}


def _problem(group: type[Group], prefix: str, detail: ErrorDetails) -> Problem:
    name = str(detail["loc"][0]) if detail["loc"] else ""
    message = detail["msg"].removeprefix("Value error, ")
    if not name:
        # The longest names first: one may begin with another.
        for field in sorted(group.model_fields, key=len, reverse=True):
            message = re.sub(rf"\b{field}\b", prefix + field.upper(), message)
        return Problem("environment", None, prefix + "*", message, "Change one of them")
    description = group.model_fields[name].description or ""
    cause = detail.get("ctx", {}).get("error")
    remedy = cause.remedy if isinstance(cause, Wrong) else f"What it is: {description}"
    return Problem("environment", None, prefix + name.upper(), message, remedy)


def _known() -> list[str]:
    known = [name for group in GROUPS for name in variables(group)]
    return [*known, *(secret + _FILE_SUFFIX for secret in SECRETS)]


def _readable(
    environ: Mapping[str, str], problems: list[Problem], names: Sequence[str] | None = None
) -> Mapping[str, str]:
    """The variables of `names`, by default all of ours, that are text; Python keeps bytes that are not UTF-8 as half characters."""
    values = {name: environ[name] for name in (_known() if names is None else names) if name in environ}
    for name, value in list(values.items()):
        try:
            value.encode()
        except UnicodeEncodeError:
            del values[name]
            problems.append(Problem("environment", None, name, "it is not UTF-8", "Write it in UTF-8"))
    return values


def _unknown(environ: Mapping[str, str]) -> list[Problem]:
    known = _known()
    problems = []
    for name in sorted(environ):
        if name.upper().startswith(PREFIX) and name not in known:
            close = difflib.get_close_matches(name.upper(), known, n=1)
            # One that is set already cannot be what was meant, too.
            meant = next((each for each in close if not environ.get(each)), None)
            remedy = f"Did you mean {meant}?" if meant else "Remove it, or see docs/configuration.md"
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
            # An empty variable is unset, and what it was to keep closed would be open.
            reason = None if values[secret] else "it is empty"
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        if reason is not None:
            message = f"{path}: {reason}"
            problems.append(
                Problem(
                    "environment",
                    None,
                    secret + _FILE_SUFFIX,
                    message,
                    "Name a readable file with the secret",
                )
            )
    return values
