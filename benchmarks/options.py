"""Options that the benchmarks share, checked before anything is started."""

from __future__ import annotations

import argparse
import math
from dataclasses import fields
from typing import TYPE_CHECKING

from benchmarks.workload import Shape

if TYPE_CHECKING:
    from collections.abc import Iterable


def count(text: str) -> int:
    """A whole number from 1 on, as argparse's `type`."""
    return _at_least(1, text)


def count_or_none(text: str) -> int:
    """A whole number from 0 on, as argparse's `type`."""
    return _at_least(0, text)


def amount(text: str) -> float:
    """A finite number from 0 on, as argparse's `type`."""
    number = float(text)
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 0 on")
    return number


def add_keep(parser: argparse.ArgumentParser) -> None:
    """Figures are kept, in place of the ones of the run before, where that is asked for."""
    parser.add_argument("--keep", action="store_true", help="keep the figures in benchmarks/results")


def add_shape_options(parser: argparse.ArgumentParser) -> None:
    """An option for each parameter of a workload."""
    group = parser.add_argument_group("the workload")
    for each in fields(Shape):
        group.add_argument(
            f"--{each.name.replace('_', '-')}",
            type=type(each.default),
            default=each.default,
            help=f"{each.metadata['about']} [{each.default}]",
        )


def shape_of(parser: argparse.ArgumentParser, options: argparse.Namespace) -> Shape:
    """The workload that the options describe; what does not fit ends the command."""
    try:
        return Shape(**{each.name: getattr(options, each.name) for each in fields(Shape)})
    except ValueError as error:
        parser.error(f"the workload: {error}")


def named(parser: argparse.ArgumentParser, names: Iterable[str], part: str | None) -> list[str]:
    """Those of `names` that contain `part`, all without one; where there is none, it ends the command."""
    among = list(names)
    found = [name for name in among if not part or part in name]
    if not found:
        parser.error(f"none contains {part!r}: there are {', '.join(among)}")
    return found


def _at_least(least: int, text: str) -> int:
    number = int(text)
    if number < least:
        raise argparse.ArgumentTypeError(f"{text} is not {least} or more")
    return number
