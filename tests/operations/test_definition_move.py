"""A definition that moves from files to Kafka and back: what it becomes, and what it does not replace unasked."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from cryptography.fernet import Fernet

from processor.configuration import Files, parse_files
from processor.definition.files import files_of
from processor.definition.from_files import Making, definition_of
from processor.definition.model import Definition, Target
from processor.definition.sealing import Sealing
from processor.errors import ConfigurationError
from processor.operations.definition_move import moved_onto, written_as_files

if TYPE_CHECKING:
    from collections.abc import Mapping

SEALING = Sealing([Fernet.generate_key().decode()])
SECRET = "the-very-secret-key"
GOVERNANCE = """
enforcement: block
labels:
  fields: {person.email: [I1]}
  identities: {phone_sha256: [S1]}
policies:
  - {name: No credit data, status: ENABLED, marketingActionRefs: [exportToThirdParty], deny: {label: C2}}
"""


def files(
    stream: str = "exports", segment: str = "s1", keys: str = f"accessKeyId: AKIA, secretKey: {SECRET}"
) -> Files:
    text = f"""
name: Loyalty
stream: {stream}
marketingActions: [emailTargeting]
segments: [{{id: {segment}, name: 'Gold $$1'}}, {{id: other, namespace: crm}}]
attributes: [person.email]
connection: {{region: eu-west-1, {keys}}}
"""
    return Files((text, "destination.yaml"), (GOVERNANCE, "governance.yaml"), [])


def defined(of: Files, environ: Mapping[str, str] | None = None) -> Definition:
    numbers = iter(range(100))
    making = Making(1_000, "a test", lambda: f"id-{next(numbers)}", SEALING)
    return definition_of(of, environ or {}, making)


def in_force() -> Definition:
    return replace(defined(files()), version=3)


def test_files_that_move_to_an_empty_topic_export_the_same_and_their_secrets_are_sealed() -> None:
    moved = moved_onto(Definition(), defined(files()), SEALING.unseal, replaces=False)
    assert moved.is_change
    assert SECRET not in str([each.body for each in moved.made.resources.values()])
    # Lines and names of files differ; they are no part of what is compared.
    assert parse_files(files_of(moved.made, SEALING.unseal), {}) == parse_files(files(), {})


def test_there_and_back_is_the_same_but_for_secrets_which_are_references_then() -> None:
    written = written_as_files(in_force())
    assert SECRET not in written.destination
    assert any("EXPORT_ACCESS_KEY_ID, EXPORT_SECRET_KEY" in note for note in written.notes)
    assert written.governance is not None
    back = Files((written.destination, "d"), (written.governance, "g"), [])
    environ = {"EXPORT_ACCESS_KEY_ID": "AKIA", "EXPORT_SECRET_KEY": SECRET}
    assert parse_files(back, environ) == parse_files(files(), {})


def test_references_and_files_of_keys_come_back_as_they_went() -> None:
    keys = "accessKeyId: '${EXPORT_KEY}', secretKeyFile: /run/secrets/key"
    written = written_as_files(defined(files(keys=keys), {"EXPORT_KEY": "AKIA"}))
    assert "${EXPORT_KEY}" in written.destination
    assert "/run/secrets/key" in written.destination
    assert not any("secrets are not written" in note for note in written.notes)


def test_what_is_there_already_is_left_as_it_is() -> None:
    former = in_force()
    moved = moved_onto(former, defined(files()), SEALING.unseal, replaces=False)
    assert not moved.is_change
    assert moved.made is former


def test_another_definition_is_replaced_only_where_that_is_asked_for() -> None:
    made = defined(files(segment="s2"))
    with pytest.raises(
        ConfigurationError, match="another definition in Kafka already, version 3, of"
    ) as error:
        moved_onto(in_force(), made, SEALING.unseal, replaces=False)
    assert "--replace" in str(error.value)
    moved = moved_onto(in_force(), made, SEALING.unseal, replaces=True)
    assert moved.made.version == 3  # the next is made from it
    assert moved.made.resources == made.resources


def test_a_secret_that_no_key_opens_here_any_more_counts_as_another() -> None:
    with pytest.raises(ConfigurationError, match="another definition"):
        moved_onto(in_force(), defined(files()), Sealing([]).unseal, replaces=False)


def test_another_stream_takes_the_place_of_one_that_is_bound_only_where_that_is_asked_for() -> None:
    made, emptied = defined(files(stream="others")), Definition(4, bound_to=in_force().bound_to)
    for former in (in_force(), emptied):
        with pytest.raises(ConfigurationError, match="is bound to exports in eu-west-1"):
            moved_onto(former, made, SEALING.unseal, replaces=False)
    moved = moved_onto(in_force(), made, SEALING.unseal, replaces=True)
    assert moved.made.bound_to == Target("others", "eu-west-1")


def test_a_disabled_dataflow_is_told_for_files_have_no_such_state() -> None:
    former = in_force()
    (flow,) = former.of("flows")
    disabled = former.with_(replace(flow, body={**flow.body, "state": "disabled"}))
    assert any(
        "is disabled, so that nothing is exported now" in note for note in written_as_files(disabled).notes
    )
    # Files that say the same otherwise are another definition: under them it exports.
    with pytest.raises(ConfigurationError, match="another definition"):
        moved_onto(disabled, defined(files()), SEALING.unseal, replaces=False)


def test_without_a_dataflow_there_are_no_files() -> None:
    with pytest.raises(ConfigurationError, match="there is no dataflow"):
        written_as_files(Definition(version=2))


def test_what_has_no_counterpart_in_files_is_named() -> None:
    definition = in_force()
    (target,) = definition.of("targetConnections")
    spare = replace(target, id="spare", body={**target.body, "name": "Spare"})
    notes = written_as_files(definition.with_(spare)).notes
    left_out = [note for note in notes if "is left out" in note]
    assert any("targetConnections/spare (Spare)" in note for note in left_out)
    assert not any(target.id in note for note in left_out)
    assert sum("PROCESSOR_KAFKA_TOPIC" in note for note in left_out) == len(
        definition.of("sourceConnections")
    )
