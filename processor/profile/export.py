"""The export: assembled from texts that are copied, never printed from a tree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec
import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from processor.destination import Segment

_TEMPLATES_MAX: Final = 4096
_Tree: TypeAlias = "dict[str, _Tree | int]"
_Template: TypeAlias = tuple[bytes, "tuple[int, ...] | None"]
"""A text with a `%b` for each attribute, the membership and the identities, and the order of the attributes
where it is not the destination's: members of one parent stand together."""


class Export(msgspec.Struct, frozen=True, gc=False):
    """One JSON record for Kinesis.

    `profile` is the Kafka key, by which order is kept; `partition_key` has 1 to 256 characters; `data` is the
    record's JSON in UTF-8, one line, final to the byte.
    """

    profile: bytes
    partition_key: str
    data: bytes


class Shape:
    """The frame of an export: one template for each set of attributes that is present.

    Bit `i` of a mask stands for the destination's attribute `i`.
    """

    def __init__(self, attributes: Sequence[str]) -> None:
        self._paths = [tuple(path.split(".")) for path in attributes]
        self._templates: dict[int, _Template] = {}

    def filled(self, mask: int, values: Sequence[bytes], membership: bytes, identities: bytes) -> bytes:
        """An export's bytes; `values` are the texts of the attributes in `mask`, in the destination's order."""
        template = self._templates.get(mask)
        if template is None:
            if len(self._templates) >= _TEMPLATES_MAX:
                self._templates.clear()
            template = self._templates[mask] = self._made(mask)
        text, order = template
        if order is not None:
            values = [values[i] for i in order]
        return text % (*values, membership, identities)

    def _made(self, mask: int) -> _Template:
        tree: _Tree = {}
        present = [path for index, path in enumerate(self._paths) if mask >> index & 1]
        for index, path in enumerate(present):
            _put(tree, path, index)
        members = [*_members(tree), b'"segmentMembership":%b', b'"identityMap":%b']
        order = _leaves(tree)
        in_order = order == sorted(order)
        return b"{" + b",".join(members) + b"}", None if in_order else tuple(order)


class SegmentText:
    """The texts around a `lastQualificationTime`, by status; made once a segment."""

    __slots__ = ("existing", "exited", "prefix", "realized")

    def __init__(self, segment: Segment, *, name: str | None) -> None:
        suffix = f',"name":{_quoted(name)}}}' if name is not None else "}"
        self.prefix = f'{_quoted(segment.id)}:{{"lastQualificationTime":"'
        self.realized = f'","status":"realized"{suffix}'
        self.existing = f'","status":"existing"{suffix}'
        self.exited = f'","status":"exited"{suffix}'


def membership_text(entries: Mapping[str, Sequence[str]]) -> bytes:
    """`segmentMembership`: the entries by namespace, in the order given."""
    members = [f"{_quoted(namespace)}:{{{','.join(texts)}}}" for namespace, texts in entries.items()]
    return f"{{{','.join(members)}}}".encode()


def _members(tree: _Tree) -> list[bytes]:
    return [
        _quoted(name).encode().replace(b"%", b"%%") + b":" + _value(child) for name, child in tree.items()
    ]


def _value(child: _Tree | int) -> bytes:
    return b"%b" if isinstance(child, int) else b"{" + b",".join(_members(child)) + b"}"


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


def _quoted(text: str) -> str:
    return orjson.dumps(text).decode()
