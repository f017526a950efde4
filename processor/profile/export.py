"""The export: assembled from texts that are copied, never printed from a tree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from processor.governance.destination import Segment

_TEMPLATES_MAX: Final = 4096
_Tree: TypeAlias = "dict[str, _Tree | int]"
_PLACE: Final = b"\0"
"""Where a text is filled in; no JSON holds it."""
_BEFORE_IDENTITIES: Final = b',"identityMap":'


class Shape:
    """The frame of an export: one template for each set of attributes that is present.

    Bit `i` of a mask stands for the destination's attribute `i`.
    """

    def __init__(self, attributes: Sequence[str]) -> None:
        self._paths = [tuple(path.split(".")) for path in attributes]
        self._templates: dict[int, _Template] = {}

    def filled(self, mask: int, values: list[bytes], membership: bytes, identities: bytes) -> bytes:
        """An export's bytes; `values` are the texts of the attributes in `mask`, in the destination's order."""
        template = self._templates.get(mask)
        if template is None:
            if len(self._templates) >= _TEMPLATES_MAX:
                self._templates.clear()
            template = self._templates[mask] = self._made(mask)
        if template.order is not None:
            values = [values[i] for i in template.order]
        parts: list[bytes] = []
        for value, text in zip(values, template.before_values, strict=True):
            parts.append(text)
            parts.append(value)
        parts += (template.before_membership, membership, _BEFORE_IDENTITIES, identities, b"}")
        return b"".join(parts)

    def _made(self, mask: int) -> _Template:
        tree: _Tree = {}
        present = [path for index, path in enumerate(self._paths) if mask >> index & 1]
        for index, path in enumerate(present):
            _put(tree, path, index)
        text = b"{" + b",".join([*_members(tree), b'"segmentMembership":'])
        *before_values, before_membership = text.split(_PLACE)
        return _Template(before_values, before_membership, _leaves(tree))


class _Template:
    """The texts before each value, and the order of the values where it is not the destination's.

    Members of one parent stand together, wherever the destination names them.
    """

    def __init__(self, before_values: list[bytes], before_membership: bytes, order: list[int]) -> None:
        self.before_values = before_values
        self.before_membership = before_membership
        self.order = None if order == sorted(order) else order


class SegmentText:
    """A segment's key in the state, and the texts around its `lastQualificationTime`; made once a segment.

    `further` are the members that follow the status, in their order.
    """

    __slots__ = ("existing", "exited", "key", "namespace", "prefix", "realized")

    def __init__(self, key: str, segment: Segment, further: Mapping[str, int | str]) -> None:
        members = [f",{_quoted(member)}:{_written(value)}" for member, value in further.items()]
        suffix = "".join(members) + "}"
        self.key = key
        self.namespace = f"{_quoted(segment.namespace)}:"
        self.prefix = f'{_quoted(segment.id)}:{{"lastQualificationTime":"'
        self.realized = f'","status":"realized"{suffix}'
        self.existing = f'","status":"existing"{suffix}'
        self.exited = f'","status":"exited"{suffix}'


def membership_text(entries: dict[str, list[str]]) -> bytes:
    """`segmentMembership`: the entries by `SegmentText.namespace`, in the order given."""
    members = [f"{namespace}{{{','.join(texts)}}}" for namespace, texts in entries.items()]
    return f"{{{','.join(members)}}}".encode()


def _members(tree: _Tree) -> list[bytes]:
    return [_quoted(name).encode() + b":" + _value(child) for name, child in tree.items()]


def _value(child: _Tree | int) -> bytes:
    return _PLACE if isinstance(child, int) else b"{" + b",".join(_members(child)) + b"}"


def _put(tree: _Tree, path: tuple[str, ...], index: int) -> None:
    if len(path) == 1:
        tree[path[0]] = index
        return
    child = tree.setdefault(path[0], {})
    if isinstance(child, dict):  # always: no mapped attribute lies in another
        _put(child, path[1:], index)


def _leaves(tree: _Tree) -> list[int]:
    found: list[int] = []
    for child in tree.values():
        found.extend([child] if isinstance(child, int) else _leaves(child))
    return found


def _written(value: int | str) -> str:
    return _quoted(value) if isinstance(value, str) else str(value)


def _quoted(text: str) -> str:
    return orjson.dumps(text).decode()
