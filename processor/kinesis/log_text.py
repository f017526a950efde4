"""Texts of others, made fit for a log line: of bounded length, without control characters, data or secrets.

AWS quotes the values that it finds fault with, and the canonical form of a request whose signature is wrong; proxies
echo what they were sent.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

MESSAGE_MAX: Final = 300
"""AWS' refusals with the names of a role, an action and a resource in them have some 250 characters."""
_TITLE_MAX: Final = 80
_HIDDEN: Final = "\N{HORIZONTAL ELLIPSIS}"
_TELLING: Final = 4
"""Shorter values, as the partition key `7`, are in every text."""

# From the first quotation mark to the last: a value may hold some itself.
_QUOTED: Final = re.compile(r"(?<!\w)'.*'|\".*\"|`.*`|\u201c.*\u201d", re.DOTALL)
# A secret key has 40 characters; session tokens and records in base64 have more. Names of roles and streams may, too.
_LONG: Final = re.compile(r"(?<!\S)(?!\W*arn:[\w-]+:)\S{40,}")
_URL: Final = re.compile(r"(?<!\S)\W*https?://[^\s?@]+")
_TITLE: Final = re.compile(rb"<title[^>]*>([^<]{1,500})</title", re.IGNORECASE)


def line(text: str, max_characters: int = MESSAGE_MAX) -> str:
    """A text of this machine's own libraries, in one line of at most `max_characters`.

    Words that are long enough to be a secret are replaced by an ellipsis; URLs and ARNs are not.
    """
    text = "".join(c if c.isprintable() else " " for c in text[: 20 * MESSAGE_MAX])
    words = (word if _URL.fullmatch(word) else _LONG.sub(_HIDDEN, word) for word in text.split())
    found = " ".join(words)
    return found if len(found) <= max_characters else found[: max_characters - 1] + _HIDDEN


def redacted(text: str, hidden: Iterable[str] = (), max_characters: int = MESSAGE_MAX) -> str:
    """A text that an answer brought, as `line`; quoted values, and each of the values `hidden`, are replaced as well.

    Hidden values of fewer than four characters are not: they are in every text.
    """
    for value in hidden:
        if len(value) >= _TELLING:
            text = text.replace(value, _HIDDEN)
    return line(_QUOTED.sub(f"'{_HIDDEN}'", text), max_characters)


def page_title(body: bytes, hidden: Iterable[str] = ()) -> str:
    """The title of an HTML page, `redacted`, which says whose page it is; empty where there is none."""
    found = _TITLE.search(body[:20_000])
    return redacted(found[1].decode(errors="replace"), hidden, _TITLE_MAX) if found else ""
