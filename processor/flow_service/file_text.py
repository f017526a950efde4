"""Trees written as texts that our own loader reads back as the same, whatever their texts hold."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final, TypeAlias

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Tree: TypeAlias = "bool | int | float | str | Sequence[Tree] | Mapping[str, Tree] | None"

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_WIDTH: Final = 1 << 30
"""Texts are not folded."""


class Reference(str):
    """The text `${NAME}`, which stands for the environment variable NAME; any other text stands for itself."""

    __slots__ = ()

    @property
    def variable(self) -> str:
        """NAME."""
        return self[2:-1]


def reference_in(text: str) -> Reference | None:
    """The reference that a text is; None where it is anything else."""
    return Reference(text) if _REFERENCE.fullmatch(text) else None


def file_text(tree: Tree) -> str:
    """The tree as YAML."""
    return yaml.dump(_escaped(tree), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH)


def json_text(tree: Tree) -> str:
    """The tree as JSON on one line, for readers that are no people: it is written and read much faster than YAML."""
    return json.dumps(_escaped(tree), ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _escaped(tree: Tree) -> Tree:
    if isinstance(tree, Reference):
        return str(tree)
    if isinstance(tree, str):
        return tree.replace("$", "$$")
    if tree is None or isinstance(tree, bool | int | float):
        return tree
    if hasattr(tree, "items"):
        return {name: _escaped(value) for name, value in tree.items()}
    return [_escaped(value) for value in tree]


class _Dumper(yaml.SafeDumper):
    """PyYAML's, which also quotes texts that only our loader would take for numbers, as `1e5`."""

    def ignore_aliases(self, data: object) -> bool:
        """Write what stands twice out twice."""
        del data
        return True


_Dumper.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?$"),
    list("-0123456789"),
)


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    # PyYAML folds what it takes for line breaks (U+0085 is one) into blanks in every other style.
    style = None if text.isprintable() else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
