"""Files that hold one key each: what is in them, and why one cannot be used.

They are no part of the two configuration files: others change them while the service runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import SecretStr

from processor.configuration.located import read_text
from processor.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from pathlib import Path

    from processor.governance.destination import Destination


def read_key(path: Path) -> SecretStr:
    """The key that a file holds; line breaks at its end are none of it.

    Raises:
        ConfigurationError: the file cannot be read, or holds no key.

    """
    problems: list[Problem] = []
    text = (read_text(path, problems) or "").rstrip("\r\n")
    if not problems and not text:
        problems.append(Problem(str(path), None, "(the file)", "it is empty", "Write the key into it"))
    elif not (text.isascii() and text.isprintable()) or " " in text:
        message = "it holds a space, a line break or another character that no key has"
        problems.append(Problem(str(path), None, "(the file)", message, "Have it hold the key alone"))
    if problems:
        raise ConfigurationError(problems)
    return SecretStr(text)


def key_file_problems(destination: Destination) -> list[Problem]:
    """Why the files of keys that a destination names cannot be used now, each at the member that names it."""
    connection, problems = destination.connection, list[Problem]()
    for member, path in (
        ("connection.accessKeyIdFile", connection.access_key_id_file),
        ("connection.secretKeyFile", connection.secret_key_file),
    ):
        try:
            if path is not None:
                read_key(path)
        except ConfigurationError as error:
            problems += [
                Problem(
                    destination.source,
                    destination.lines.get(member),
                    member,
                    f"{each.source}: {each.message}",
                    each.remedy,
                )
                for each in error.problems
            ]
    return problems
