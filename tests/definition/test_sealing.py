"""Secrets are kept encrypted, each for its own place, and shown nowhere."""

from __future__ import annotations

import json
import traceback
from typing import Any, Final

import pytest
from cryptography.fernet import Fernet

from processor.definition.model import Definition, Resource
from processor.definition.sealing import (
    HIDDEN,
    Sealing,
    is_reference,
    keys_in,
    resealed,
    sealed_body,
    sealed_token,
    shown_body,
)
from processor.errors import ConfigurationError
from tests.support.definitions import definition

OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))
SECRET = "wJalrXUtnFEMI/K7MDENG"
PLACE: Final = ("connections", "id-1", "secretKey")
NO_KEY = "too-short"


def body(secret: object, key_id: object = "${EXPORT_KEY_ID}") -> dict[str, Any]:
    return {
        "name": "base",
        "auth": {
            "specName": "Kinesis",
            "params": {"accessKeyId": key_id, "secretKey": secret, "region": "$x"},
        },
    }


def token(sealing: Sealing, *, text: str = SECRET) -> str:
    found = sealed_token(sealing.seal(*PLACE, text))
    assert found is not None
    return found


def problem(raised: pytest.ExceptionInfo[ConfigurationError]) -> str:
    (found,) = raised.value.problems
    return f"{found.source} {found.member}: {found.message}. {found.remedy}"


def test_a_secret_is_encrypted_and_decrypted_for_its_place() -> None:
    sealing = Sealing([NEW])
    sealed = sealing.seal(*PLACE, SECRET)
    assert SECRET not in json.dumps(sealed)
    assert sealing.unseal("connections", "id-1", "secretKey", token(sealing)) == SECRET


@pytest.mark.parametrize(
    ("id_", "member"), [("id-2", "secretKey"), ("id-1", "accessKeyId")], ids=["object", "member"]
)
def test_a_token_that_is_copied_to_another_place_opens_nothing(id_: str, member: str) -> None:
    sealing = Sealing([NEW])
    with pytest.raises(ConfigurationError) as raised:
        sealing.unseal("connections", id_, member, token(sealing))
    assert problem(raised).startswith(
        f"connections/{id_} /auth/params/{member}: it was encrypted for another object or member"
    )


def test_a_key_that_was_replaced_still_decrypts_and_the_first_encrypts() -> None:
    old = token(Sealing([OLD]))
    both = Sealing([NEW, OLD])
    assert both.unseal("connections", "id-1", "secretKey", old) == SECRET
    assert Sealing([NEW]).unseal("connections", "id-1", "secretKey", token(both)) == SECRET
    assert not both.is_newest(old)
    assert both.is_newest(token(both))


@pytest.mark.parametrize("keys", [[], [NEW]], ids=["no key", "another key"])
@pytest.mark.parametrize("broken", [False, True], ids=["a token", "half a token"])
def test_what_no_key_decrypts_is_told_with_the_remedy(keys: list[str], broken: bool) -> None:
    sealed = token(Sealing([OLD]))
    with pytest.raises(ConfigurationError) as raised:
        Sealing(keys).unseal(
            "connections", "id-1", "secretKey", sealed[: 20 if broken else None] + "é" * broken
        )
    assert "PROCESSOR_API_SECRET_KEY_FILE" in problem(raised)
    assert SECRET not in "".join(traceback.format_exception(raised.value))


def test_without_a_key_a_secret_is_refused_with_the_remedy() -> None:
    with pytest.raises(ConfigurationError) as raised:
        sealed_body("connections", "id-1", body(SECRET), Sealing())
    told = problem(raised)
    assert "connections/id-1 /auth/params/secretKey: a secret is kept encrypted only" in told
    assert "${EXPORT_…}" in told
    assert SECRET not in "".join(traceback.format_exception(raised.value))


def test_what_is_shown_in_a_secret_s_place_is_no_secret() -> None:
    with pytest.raises(ConfigurationError) as raised:
        sealed_body("connections", "id-1", body(HIDDEN), Sealing([NEW]))
    assert "it is what is shown in a secret's place" in problem(raised)


def test_what_is_no_key_is_told_by_its_number_and_not_shown() -> None:
    with pytest.raises(ConfigurationError) as raised:
        Sealing([NEW, NO_KEY])
    assert "key 2 of the file is not 32 bytes as URL-safe Base64" in problem(raised)
    assert NO_KEY not in "".join(traceback.format_exception(raised.value))


def test_keys_stand_one_a_line_and_comments_and_empty_lines_are_none() -> None:
    assert keys_in(f"# ours\n\n {NEW}  # since May\r\n{OLD}") == [NEW, OLD]


def test_in_a_connection_both_keys_are_sealed_and_nothing_else() -> None:
    sealing = Sealing([NEW])
    given = body(SECRET, "AKIA")
    sealed = json.loads(json.dumps(sealed_body("connections", "id-1", given, sealing)))
    params = sealed["auth"]["params"]
    for member, text in (("secretKey", SECRET), ("accessKeyId", "AKIA")):
        found = sealed_token(params[member])
        assert found is not None
        assert sealing.unseal("connections", "id-1", member, found) == text
        params[member] = text
    assert sealed == given
    assert sealed_body("connections", "id-1", sealed, sealing) != sealed


def test_references_and_what_is_sealed_stay_as_they_are() -> None:
    sealing = Sealing([NEW])
    once = sealed_body("connections", "id-1", body(SECRET), sealing)
    assert sealed_body("connections", "id-1", once, sealing) == once
    assert sealed_body("connections", "id-1", body("${EXPORT_S}"), Sealing()) == body("${EXPORT_S}")


@pytest.mark.parametrize("given", [{}, {"auth": None}, {"auth": {"params": []}}, {"auth": {"params": {}}}])
def test_bodies_without_keys_stay_as_they_are(given: dict[str, Any]) -> None:
    assert sealed_body("connections", "id-1", given, Sealing()) == given
    assert shown_body("connections", given) == given


def test_other_objects_have_no_secrets() -> None:
    given = body(SECRET)
    assert sealed_body("targetConnections", "id-1", given, Sealing()) is given


def test_no_secret_is_shown_however_it_is_kept_and_references_are() -> None:
    sealing = Sealing([NEW])
    sealed = sealed_body("connections", "id-1", body(SECRET), sealing)
    for kept in (sealed, body(SECRET), body({"$sealed": "x", "y": SECRET}), body([SECRET])):
        assert shown_body("connections", kept) == body(HIDDEN)


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("${EXPORT_}", True),
        ("${EXPORT_KEY_1}", True),
        ("${HOME}", False),
        ("${PROCESSOR_KAFKA_SASL_PASSWORD}", False),
        ("${EXPORT_A}${EXPORT_B}", False),
        ("${EXPORT_A}\n", False),
        ("$${EXPORT_A}", False),
        ("${EXPORT_É}", False),
    ],
)
def test_a_reference_names_one_variable_that_is_made_for_it(text: str, is_one: bool) -> None:
    assert is_reference(text) is is_one


def test_once_all_is_sealed_anew_the_former_key_may_go() -> None:
    old, both = Sealing([OLD]), Sealing([NEW, OLD])
    kept = sealed_body("connections", "id-1", body(SECRET), old)
    first = Resource("connections", "id-1", kept, '"1"', 1, 1, "us", "us")
    former = definition(4, "other").with_(first)
    again = resealed(former, both)
    assert resealed(again, both) is again
    found = again.find("connections", "id-1")
    assert found is not None
    opened = json.loads(json.dumps(found.body))["auth"]["params"]["secretKey"]["$sealed"]
    assert Sealing([NEW]).unseal("connections", "id-1", "secretKey", opened) == SECRET
    assert again.find("connections", "other") == former.find("connections", "other")


def test_a_definition_without_secrets_needs_no_key() -> None:
    of = definition(4, "other")
    assert resealed(of, Sealing()) is of
    assert resealed(Definition(), Sealing()) == Definition()
