"""Whether a profile's own choices allow its export."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from msgspec import UNSET

from processor.governance.document import ConsentRule, ValueIn
from processor.profile.canonical import canonical, canonical_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from processor.governance.document import ConsentPolicy
    from processor.profile.event import Leaf

_Question: TypeAlias = "Callable[[Sequence[Leaf]], bool]"


class Consent:
    """The consent policies that apply, compiled; `paths` are the attributes that they look at."""

    def __init__(self, policies: Sequence[ConsentPolicy]) -> None:
        rules = [policy.requires for policy in policies]
        self.paths = tuple(dict.fromkeys(path for rule in rules for path in _paths(rule)))
        self._questions = [_compiled(rule, self.paths) for rule in rules]

    @property
    def is_asked(self) -> bool:
        """Whether there is any policy to ask."""
        return bool(self._questions)

    def given(self, leaves: Sequence[Leaf]) -> bool:
        """Whether every policy's `requires` is true; `leaves` run beside `paths`."""
        return all(question(leaves) for question in self._questions)


def _paths(rule: ValueIn | ConsentRule) -> Iterator[str]:
    if isinstance(rule, ValueIn):
        yield rule.path
    else:
        for operand in rule.operands:
            yield from _paths(operand)


def _compiled(rule: ValueIn | ConsentRule, paths: Sequence[str]) -> _Question:
    if isinstance(rule, ValueIn):
        index = paths.index(rule.path)
        accepted = frozenset(canonical_tree(value) for value in rule.values)
        return lambda leaves: _is_in(leaves[index], accepted)
    questions = [_compiled(operand, paths) for operand in rule.operands]
    if rule.operator == "AND":
        return lambda leaves: all(question(leaves) for question in questions)
    return lambda leaves: any(question(leaves) for question in questions)


def _is_in(leaf: Leaf, accepted: frozenset[bytes]) -> bool:
    if leaf is UNSET:
        return False
    try:
        return canonical(bytes(leaf)) in accepted
    except ValueError:
        # A number beyond a double or a lone surrogate: allowed where nothing is mapped, and no value of a list.
        return False
