"""Writes docs/commands.md from the command line's own help: `python -m processor.reference.commands`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from processor.cli.app import app
from processor.errors import EXIT_BAD_CONFIGURATION

if TYPE_CHECKING:
    from collections.abc import Iterator

_OPENING = f"""\
# Commands

`processor --help` lists them, and each has `--help`. Settings are environment variables ([configuration](configuration.md)); where
the configuration is wrong, the exit code is {EXIT_BAD_CONFIGURATION} and nothing was connected
([exit codes](operations.md#exit-codes)).

This page is generated from the code: `make docs`.
"""


class Command(NamedTuple):
    """A command as it is typed, `state show`, what it does, and what it takes."""

    name: str
    help: str
    arguments: list[str]
    options: list[TyperOption]


def commands() -> list[Command]:
    """All commands that a person types, the groups' last."""
    return list(_commands_of(typer.main.get_command(app), ""))


def command_reference() -> str:
    """The page's text."""
    parts = [_OPENING]
    for command in commands():
        usage = " ".join(["processor", command.name, *command.arguments])
        parts.append(f"\n## {command.name}\n\n`{usage}`\n\n{command.help}\n")
        rows = [_row(option) for option in command.options]
        if rows:
            parts += ["\n| option | default | meaning |\n|---|---|---|\n", *rows]
    return "".join(parts)


def _commands_of(group: object, prefix: str) -> Iterator[Command]:
    if not isinstance(group, TyperGroup):
        raise TypeError("the command line has no commands")
    found = sorted(group.commands.items(), key=lambda each: isinstance(each[1], TyperGroup))
    for name, command in found:
        if isinstance(command, TyperGroup):
            if command.invoke_without_command:
                yield _command(f"{prefix}{name}", command)
            yield from _commands_of(command, f"{prefix}{name} ")
        else:
            yield _command(f"{prefix}{name}", command)


def _command(name: str, command: object) -> Command:
    if not isinstance(command, (TyperCommand, TyperGroup)):
        raise TypeError(f"{name} is no command")
    options = [each for each in command.params if isinstance(each, TyperOption) and not each.hidden]
    arguments = [
        each.metavar or str(each.name).upper() for each in command.params if isinstance(each, TyperArgument)
    ]
    return Command(name, command.help or "", arguments, options)


def _row(option: TyperOption) -> str:
    name = ", ".join(option.opts) + ("" if option.is_flag else " …")
    default = (
        "required" if option.required else "" if option.default in {None, False} else f"`{option.default}`"
    )
    return f"| `{name}` | {default} | {option.help} |\n"


if __name__ == "__main__":
    sys.stdout.write(command_reference())
