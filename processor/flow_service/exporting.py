"""Request bodies, made of our two files, in the order of the published tutorial's calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from processor.configuration import Files, parse_files
from processor.configuration.destination_file import DestinationForm
from processor.configuration.governance_file import GovernanceForm
from processor.configuration.located import parse_yaml
from processor.flow_service.connections import base_connection_body, target_connection_body
from processor.flow_service.file_text import reference_in
from processor.flow_service.names import PROFILE_FLOW_SPEC, PROFILE_SERVICE_SPEC, SPEC_VERSION
from processor.flow_service.policies import action_body, policy_body
from processor.flow_service.selectors import transformations

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from processor.flow_service.documents import Json
    from processor.flow_service.findings import Findings
    from processor.governance.document import Governance

_NAME_CHARACTERS_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class Call:
    """A call of the tutorial: its name, which says method and path and is unique among the calls, and its body.

    Where a body needs the id that an earlier call answers, that call's name stands in braces.
    """

    name: str
    body: Json


def calls(files: Files, environ: Mapping[str, str], found: Findings) -> list[Call]:
    """The calls that make a dataflow and policies of what the files say; what they cannot say is noted in `found`.

    Raises:
        ConfigurationError: with everything that is wrong with either file.

    """
    shown = _with_keys_as_references(files, environ)
    destination, governance = parse_files(files, shown)
    made = list(_flow_calls(_destination_form(files, shown), destination.source, found))
    if files.governance is not None:
        made.extend(_governance_calls(files.governance, governance, shown, found))
    return [Call(f"{number:02}-{call.name}", call.body) for number, call in enumerate(made, 1)]


def _with_keys_as_references(files: Files, environ: Mapping[str, str]) -> Mapping[str, str]:
    """The environment, in which the variables that hold the keys are their own references: no key is ever looked at."""
    text, source = files.destination
    everything = parse_yaml(text or "", source, _Unresolved())
    keys = (everything.text("connection", name) for name in ("accessKeyId", "secretKey"))
    references = [
        reference for key in keys if key is not None and (reference := reference_in(key)) is not None
    ]
    return {**environ, **{reference.variable: str(reference) for reference in references}}


class _Unresolved(dict[str, str]):
    """An environment in which every variable is a reference to itself."""

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> str:
        return f"${{{name}}}"


def _destination_form(files: Files, environ: Mapping[str, str]) -> DestinationForm:
    text, source = files.destination
    form = parse_yaml(text or "", source, environ).fit(DestinationForm)
    if form is None:
        raise AssertionError("what the loader took fits")
    return form


def _flow_calls(form: DestinationForm, source: str, found: Findings) -> Iterator[Call]:
    platform: dict[str, Json] = {"connectionSpec": {"id": PROFILE_SERVICE_SPEC, "version": SPEC_VERSION}}
    yield Call("post-connections-profile-service", {"name": form.name, **platform})
    yield Call(
        "post-source-connections",
        {
            "name": form.name,
            "baseConnectionId": "{01-post-connections-profile-service}",
            **platform,
            "data": {"format": "json"},
            "params": {},
        },
    )
    yield Call("post-connections-amazon-kinesis", base_connection_body(form, source, found))
    yield Call(
        "post-target-connections",
        target_connection_body(form, "{03-post-connections-amazon-kinesis}", source, found),
    )
    yield Call(
        "post-flows",
        {
            "name": form.name,
            **({} if form.description is None else {"description": form.description}),
            "flowSpec": {"id": PROFILE_FLOW_SPEC, "version": SPEC_VERSION},
            "sourceConnectionIds": ["{02-post-source-connections}"],
            "targetConnectionIds": ["{04-post-target-connections}"],
            "transformations": transformations(form, source, found),
        },
    )
    if form.marketing_actions:
        found.leave_out(
            source,
            "marketingActions",
            f"{', '.join(form.marketing_actions)}: no call has a destination's actions",
        )
    for member, is_given, why in (
        ("partitionKey", form.partition_key != "profile", "partition keys are not the API's to choose"),
        ("includeSegmentNames", form.include_segment_names, "what exports carry is not the API's to choose"),
        (
            "includeSegmentTimestamps",
            form.include_segment_timestamps,
            "what exports carry is not the API's to choose",
        ),
    ):
        if is_given:
            found.leave_out(source, member, why)


def _governance_calls(
    file: tuple[str | None, str], governance: Governance, environ: Mapping[str, str], found: Findings
) -> Iterator[Call]:
    text, source = file
    form = parse_yaml(text or "", source, environ).fit(GovernanceForm)
    if form is None:
        raise AssertionError("what the loader took fits")
    for action in form.marketing_actions:
        name = quote(action.name, safe="")[:_NAME_CHARACTERS_MAX]
        yield Call(f"put-marketing-actions-custom-{name}", action_body(action))
    for policy, parsed in zip(form.policies, governance.policies, strict=True):
        yield Call("post-policies-custom", policy_body(policy, parsed.actions))
    if form.enforcement == "block":
        found.leave_out(
            source, "enforcement", "the platform blocks of itself, and has no member that says so"
        )
    for member, labels in (("fields", form.labels.fields), ("identities", form.labels.identities)):
        for name in labels:
            found.leave_out(source, f"labels.{member}.{name}", "labels are in schemas and data sets there")
    for index, segment in enumerate(form.labels.segments):
        found.leave_out(
            source,
            f"labels.segments[{index}]",
            f"{segment.id}: a segment's labels are its own there, not a policy's",
        )
    for index, consent in enumerate(form.consent_policies):
        found.leave_out(
            source, f"consentPolicies[{index}]", f"{consent.name}: no published call has its condition"
        )
