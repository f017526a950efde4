"""One spelling for every way to write the same JSON value.

Attributes are compared as JSON values: the order of an object's members does not count, an array's does, and
`1`, `1.0` and `10e-1` are the same number. Two texts mean the same value exactly when their canonical bytes
are equal. Numbers are compared by their decimal digits, so none is ever rounded.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, TypeAlias

import orjson

_JsonTree: TypeAlias = Any  # what a JSON parser returns; it does not leave this module

_QUOTE = 0x22
_BACKSLASH = 0x5C
_OPENING = b"{["
_DIGITS_ALWAYS_FINITE = 308
_EXPONENT_DIGITS_MAX = 4000
# Whatever orjson would round or print in its own way: a fraction, an exponent, minus zero, beyond 64 bits.
# Text inside strings may match too; that only costs the slower way.
_NUMBER_IN_DOUBT = re.compile(rb"[0-9][.eE]|-0|[0-9]{18}")


def canonical(raw: bytes) -> bytes:
    """The canonical bytes of `raw`, which is one JSON value without white space around it.

    Raises:
        ValueError: a string holds a lone surrogate, or a number is beyond a double.

    """
    if raw[0] == _QUOTE:
        return raw if _BACKSLASH not in raw else orjson.dumps(orjson.loads(raw))
    if raw[0] in _OPENING:
        return _canonical_container(raw)
    if raw.isdigit() and len(raw) <= _DIGITS_ALWAYS_FINITE:
        return raw
    if raw in {b"true", b"false", b"null"}:
        return raw
    return _canonical_number(raw.decode()).encode()


def canonical_tree(tree: _JsonTree) -> bytes:
    """As `canonical`, of a value that is parsed already.

    Raises:
        ValueError: as `canonical`; not a number and infinity are numbers beyond a double.

    """
    return canonical(json.dumps(tree, separators=(",", ":"), allow_nan=False).encode())


def _canonical_container(raw: bytes) -> bytes:
    tree = orjson.loads(raw)  # refuses lone surrogates, numbers beyond a double, and more than 1,024 levels
    if _NUMBER_IN_DOUBT.search(raw) is None:
        try:
            return orjson.dumps(tree, option=orjson.OPT_SORT_KEYS)
        except TypeError:  # it writes a quarter of the levels that it reads
            return _written(tree)
    try:
        return _written(json.loads(raw, parse_int=_Number, parse_float=_Number))
    except RecursionError as error:
        raise ValueError("a value is nested too deeply to compare") from error


class _Number:
    """A number's own digits."""

    __slots__ = ("digits",)

    def __init__(self, digits: str) -> None:
        self.digits = digits


def _written(tree: _JsonTree) -> bytes:
    """As orjson writes with sorted keys, but for numbers.

    It does not call itself: how deep an event is nested is not for the interpreter's stack to say.
    """
    parts: list[bytes] = []
    # Containers that are not begun; as bytes, what is written of those that are.
    waiting: list[_JsonTree] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            waiting += reversed(_members(node))
        elif isinstance(node, list):
            waiting += reversed(_items(node))
        else:
            parts.append(node)
    return b"".join(parts)


def _members(tree: dict[str, _JsonTree]) -> list[_JsonTree]:
    inner: list[_JsonTree] = []
    before = b"{"
    for name in sorted(tree):
        value = tree[name]
        before += orjson.dumps(name) + b":"
        if isinstance(value, (dict, list)):
            inner.append(before)
            inner.append(value)
        else:
            inner.append(before + _scalar(value))
        before = b","
    inner.append(b"}" if tree else b"{}")
    return inner


def _items(tree: list[_JsonTree]) -> list[_JsonTree]:
    inner: list[_JsonTree] = []
    before = b"["
    for item in tree:
        if isinstance(item, (dict, list)):
            inner.append(before)
            inner.append(item)
        else:
            inner.append(before + _scalar(item))
        before = b","
    inner.append(b"]" if tree else b"[]")
    return inner


def _scalar(value: _JsonTree) -> bytes:
    if isinstance(value, _Number):
        return _canonical_number(value.digits).encode()
    return orjson.dumps(value)


def _canonical_number(text: str) -> str:
    if math.isinf(float(text)):
        raise ValueError("a number is beyond a double")
    mantissa, _, exponent_text = text.lower().partition("e")
    sign = "-" if mantissa[0] == "-" else ""
    whole, _, fraction = mantissa.removeprefix("-").partition(".")
    digits = (whole + fraction).lstrip("0")
    significant = digits.rstrip("0")
    if not significant:
        return "0"
    power = exponent_text.lstrip("+-0") or "0"
    if len(power) > _EXPONENT_DIGITS_MAX:
        raise ValueError("a number's exponent is too long to compare")
    exponent = -int(power) if exponent_text.startswith("-") else int(power)
    exponent += len(digits) - len(significant) - len(fraction)
    if exponent >= 0:
        return sign + significant + "0" * exponent
    return f"{sign}{significant}e{exponent}"
