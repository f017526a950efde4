"""Who may use the API: tokens that may change, and tokens that may only read, from variables or from files.

Files are looked at again and again, so that a token is given out or taken back without a restart. One that cannot be used, as
one half-written, changes nothing; one without a token in it takes all of its tokens back.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from processor.configuration.located import read_text
from processor.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pydantic import SecretStr

    from processor.settings import ApiSettings

log = structlog.get_logger(__name__)

_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_LENGTH_MIN: Final = 16
"""Shorter ones can be guessed, and their names in the log would tell who guesses that it was right."""
_REMEDY: Final = "Write tokens as `openssl rand -hex 32` makes them"
_NAME_DIGITS: Final = 8


@dataclass(frozen=True, slots=True)
class Bearer:
    """Who has a token: `name` tells tokens apart, in the log and in `createdBy`, and says nothing of what they are."""

    name: str
    may_change: bool


class Tokens:
    """The tokens that are known now; `run` it while they are asked for.

    Raises:
        ConfigurationError: a file cannot be read, a token is none, or there is not a single one.

    """

    def __init__(self, settings: ApiSettings) -> None:
        self._places = (
            _Place("PROCESSOR_API_TOKEN", settings.api_token, settings.api_token_file, may_change=True),
            _Place(
                "PROCESSOR_API_READ_TOKEN",
                settings.api_read_token,
                settings.api_read_token_file,
                may_change=False,
            ),
        )
        texts, problems = self._read()
        self._texts = texts
        self._known = self._bearers(texts, problems)
        if not problems and not self._known:
            place = next((each for each in self._places if each.is_given), self._places[0])
            problems.append(Problem(place.source, None, place.member, "there is no token in it", _REMEDY))
        if problems:
            raise ConfigurationError(problems)

    def bearer(self, token: str) -> Bearer | None:
        """Whose this token is, in a time that depends on none of the known ones; None where nobody's."""
        digest = _digest(token)
        found = None
        for known, bearer in self._known.items():
            if hmac.compare_digest(known, digest):
                found = bearer
        return found

    async def run(self, interval_s: float) -> None:
        """Look at the files every `interval_s`, until cancelled."""
        while True:
            await asyncio.sleep(interval_s)
            await asyncio.to_thread(self.look)

    def look(self) -> None:
        """Take the tokens of the files, where they have changed since the last look."""
        texts, problems = self._read()
        known = self._bearers(texts, problems)
        if problems:
            reason = "; ".join(str(each) for each in problems)
            log.error("the API's tokens cannot be read anew, the former ones go on", reason=reason)
            return
        if texts == self._texts:
            return
        self._texts, former, self._known = texts, self._known, known
        log.info(
            "the API's tokens have changed",
            new=_names(known, former),
            gone=_names(former, known),
            known=len(known),
        )
        if not known:
            log.warning("there is no token of the API left: nobody may use it")

    def _read(self) -> tuple[tuple[str, ...], list[Problem]]:
        problems: list[Problem] = []
        return tuple(place.text(problems) for place in self._places), problems

    def _bearers(self, texts: tuple[str, ...], problems: list[Problem]) -> dict[bytes, Bearer]:
        known: dict[bytes, Bearer] = {}
        for place, text in zip(self._places, texts, strict=True):
            for number, token in _tokens(text):
                wrong = _trouble(token)
                digest = _digest(token)
                if wrong is None and digest in known and known[digest].may_change != place.may_change:
                    wrong = "it is one of PROCESSOR_API_TOKEN, too, which may change"
                if wrong is not None:
                    line = number if place.file is not None else None
                    problems.append(Problem(place.source, line, place.member, f"a token: {wrong}", _REMEDY))
                    continue
                known[digest] = Bearer(f"token {digest.hex()[:_NAME_DIGITS]}", place.may_change)
        return known


@dataclass(frozen=True, slots=True)
class _Place:
    """Where tokens of a kind come from: a variable's text or a file."""

    variable: str
    given: SecretStr | None
    file: Path | None
    may_change: bool

    @property
    def is_given(self) -> bool:
        return self.given is not None or self.file is not None

    @property
    def member(self) -> str:
        return self.variable if self.file is None else f"{self.variable}_FILE"

    @property
    def source(self) -> str:
        return "environment" if self.file is None else str(self.file)

    def text(self, problems: list[Problem]) -> str:
        """The text that tokens stand in; empty, with a problem noted, where it cannot be read."""
        if self.file is None:
            return "" if self.given is None else self.given.get_secret_value()
        found: list[Problem] = []
        text = read_text(self.file, found)
        problems += [
            Problem(each.source, each.line, self.member, each.message, "Create it, readable for this user")
            for each in found
        ]
        return text or ""


def _tokens(text: str) -> Iterator[tuple[int, str]]:
    """The tokens of a text, each with its line's number."""
    for number, line in enumerate(text.splitlines(), 1):
        for token in line.partition("#")[0].split():
            yield number, token


def _trouble(token: str) -> str | None:
    if not _TOKEN.fullmatch(token):
        return "it has a character that no header's token has (RFC 6750: letters, digits, -._~+/=)"
    if len(token) < _LENGTH_MIN:
        return f"it has fewer than {_LENGTH_MIN} characters, and could be guessed"
    return None


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def _names(of: dict[bytes, Bearer], but_not: dict[bytes, Bearer]) -> list[str]:
    return sorted(bearer.name for digest, bearer in of.items() if digest not in but_not)
