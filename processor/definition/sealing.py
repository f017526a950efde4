"""Secrets of a definition: encrypted where they are kept, each for its own place, and never shown.

Only the keys of a connection may be secret. One is kept as `{"$sealed": "<token>"}` or as a reference to an environment variable. What a
token encrypts names the object and the member that it is for: one that is copied elsewhere opens nowhere.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from processor.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from processor.definition.model import Collection, Definition, Resource
    from processor.flow_service.documents import Json

SEALED: Final = "$sealed"
"""The one member of what stands for a secret in a body."""
SECRETS: Final = ("accessKeyId", "secretKey")
"""Members of a base connection's `auth.params` that may be secret."""
HIDDEN: Final = "**********"
"""What is shown in a secret's place."""

_COLLECTION: Final = "connections"
_AUTH, _PARAMS = "auth", "params"
_VARIABLE: Final = re.compile(r"\$\{EXPORT_[A-Za-z0-9_]*\}", re.ASCII)
_KEY_FILE: Final = "PROCESSOR_API_SECRET_KEY_FILE"
_MAKE_ONE: Final = 'python3 -c "import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).decode())"'


class Sealing:
    """Encrypts with the first of `keys` and decrypts with all of them, each 32 bytes as URL-safe Base64.

    Raises:
        ConfigurationError: one of them is no such key; it says which, and not what it is.

    """

    def __init__(self, keys: Sequence[str] = ()) -> None:
        self._fernets = [_fernet(key, number) for number, key in enumerate(keys, 1)]

    def seal(self, collection: Collection, id_: str, member: str, text: str) -> dict[str, Json]:
        """Return what stands for the secret `text` of an object's member.

        Raises:
            ConfigurationError: there is no key, or the text is what is shown in a secret's place.

        """
        if text == HIDDEN:
            raise _wrong(
                collection,
                id_,
                member,
                "it is what is shown in a secret's place, not a secret",
                "Give the secret itself, or leave the member as it is",
            )
        if not self._fernets:
            raise _wrong(
                collection,
                id_,
                member,
                "a secret is kept encrypted only, and there is no key to encrypt it with",
                f"Set {_KEY_FILE} to a file with one ({_MAKE_ONE}), or give the name of a variable, ${{EXPORT_…}}",
            )
        plain = json.dumps([collection, id_, member, text]).encode()
        return {SEALED: self._fernets[0].encrypt(plain).decode("ascii")}

    def unseal(self, collection: Collection, id_: str, member: str, token: str) -> str:
        """Return the secret that a token of an object's member stands for.

        Raises:
            ConfigurationError: no key opens it, or it was made for another object or member.

        """
        if not self._fernets:
            raise _wrong(
                collection,
                id_,
                member,
                "it is encrypted, and there is no key to decrypt it with",
                f"Set {_KEY_FILE} to the file that the other members of the group have",
            )
        try:
            plain: Json = json.loads(MultiFernet(self._fernets).decrypt(token))
        except (InvalidToken, ValueError, TypeError):
            # The cause is left out: an error of JSON's would hold what was decrypted.
            raise _wrong(
                collection,
                id_,
                member,
                f"none of the {len(self._fernets)} keys decrypts it",
                f"Add the key that it was encrypted with to the file of {_KEY_FILE}, or give the secret anew",
            ) from None
        match plain:
            case [of, its_id, its_member, str(text)] if [of, its_id, its_member] == [collection, id_, member]:
                return text
        raise _wrong(
            collection, id_, member, "it was encrypted for another object or member", "Give the secret anew"
        )

    def is_newest(self, token: str) -> bool:
        """Whether the first key decrypts a token."""
        if not self._fernets:
            return False
        try:
            self._fernets[0].decrypt(token)
        except (InvalidToken, TypeError):
            return False
        return True


def keys_in(text: str) -> list[str]:
    """Return the keys in a file's text, one a line; `#` begins a comment, and empty lines are none."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


def sealed_token(value: Json) -> str | None:
    """The token of what stands for a sealed secret; None where a value is anything else."""
    token = value.get(SEALED) if isinstance(value, dict) and len(value) == 1 else None
    return token if isinstance(token, str) else None


def is_reference(text: str) -> bool:
    """Whether a text stands for an environment variable that may hold a secret: `${EXPORT_…}`, no other is looked at."""
    return _VARIABLE.fullmatch(text) is not None


def sealed_body(
    collection: Collection, id_: str, body: Mapping[str, Json], sealing: Sealing
) -> Mapping[str, Json]:
    """Return an object's body with each secret that is given in the clear sealed; references and what is sealed stay.

    Raises:
        ConfigurationError: one cannot be sealed; see `Sealing.seal`.

    """

    def seal(member: str, value: Json) -> Json:
        if not isinstance(value, str) or is_reference(value):
            return value
        return sealing.seal(collection, id_, member, value)

    return _with_secrets(collection, body, seal)


def shown_body(collection: Collection, body: Mapping[str, Json]) -> Mapping[str, Json]:
    """Return an object's body as it may be shown: every secret hidden, however it is kept; references stay."""

    def hide(_: str, value: Json) -> Json:
        return value if isinstance(value, str) and is_reference(value) else HIDDEN

    return _with_secrets(collection, body, hide)


def resealed(definition: Definition, sealing: Sealing) -> Definition:
    """Return a definition with every secret sealed by the first key; the same where all are, so that the other keys can go.

    Raises:
        ConfigurationError: one cannot be decrypted.

    """
    changed: list[Resource] = []
    for resource in definition.of(_COLLECTION):
        again = _resealer(resource, sealing)
        body = _with_secrets(_COLLECTION, resource.body, again)
        if body != resource.body:
            changed.append(replace(resource, body=body))
    return definition.with_(*changed) if changed else definition


def _resealer(resource: Resource, sealing: Sealing) -> Callable[[str, Json], Json]:
    def again(member: str, value: Json) -> Json:
        token = sealed_token(value)
        if token is None or sealing.is_newest(token):
            return value
        place = resource.collection, resource.id, member
        return sealing.seal(*place, sealing.unseal(*place, token))

    return again


def _with_secrets(
    collection: Collection, body: Mapping[str, Json], of: Callable[[str, Json], Json]
) -> Mapping[str, Json]:
    """A body whose secrets are what `of` makes of them, by member and value."""
    auth = body.get(_AUTH)
    params = auth.get(_PARAMS) if isinstance(auth, dict) else None
    if collection != _COLLECTION or not isinstance(auth, dict) or not isinstance(params, dict):
        return body
    made = {name: of(name, params[name]) for name in SECRETS if params.get(name) is not None}
    return {**body, _AUTH: {**auth, _PARAMS: {**params, **made}}}


def _fernet(key: str, number: int) -> Fernet:
    try:
        return Fernet(key)
    except (ValueError, TypeError):
        # The cause is left out: it may hold the key.
        raise ConfigurationError(
            [
                Problem(
                    "environment",
                    None,
                    _KEY_FILE,
                    f"key {number} of the file is not 32 bytes as URL-safe Base64",
                    f"Make one: {_MAKE_ONE}",
                )
            ]
        ) from None


def _wrong(collection: str, id_: str, member: str, message: str, remedy: str) -> ConfigurationError:
    place = f"/{_AUTH}/{_PARAMS}/{member}"
    return ConfigurationError([Problem(f"{collection}/{id_}", None, place, message, remedy)])
