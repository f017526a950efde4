"""The objects that the two configuration files amount to, for a definition that moves from files to Kafka."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from processor.configuration import parse_files
from processor.configuration.destination_file import DestinationForm
from processor.configuration.governance_file import GovernanceForm
from processor.configuration.located import parse_yaml
from processor.definition.checks import check
from processor.definition.model import Definition, Resource, Target
from processor.definition.sealing import SECRETS, is_reference
from processor.errors import ConfigurationError, Problem
from processor.flow_service.names import (
    KINESIS_AUTHENTICATION,
    KINESIS_SPEC,
    PROFILE_FLOW_SPEC,
    PROFILE_SERVICE_SPEC,
    SPEC_VERSION,
    TRANSFORMATION,
    action_of_ref,
    action_ref,
)
from processor.flow_service.selectors import ATTRIBUTE, MS_FROM, SEGMENT
from processor.governance.destination import PLATFORM_NAMESPACE
from processor.governance.document import CORE_MARKETING_ACTIONS
from processor.governance.plan import compile_plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from processor.configuration import Files
    from processor.configuration.destination_file import SegmentForm
    from processor.configuration.located import LocatedFile
    from processor.definition.model import Collection
    from processor.definition.sealing import Sealing
    from processor.flow_service.documents import Json
    from processor.governance.document import Governance

_OF_PLATFORM: Final[Mapping[str, Json]] = {
    "connectionSpec": {"id": PROFILE_SERVICE_SPEC, "version": SPEC_VERSION}
}
_OF_KINESIS: Final[Mapping[str, Json]] = {"connectionSpec": {"id": KINESIS_SPEC, "version": SPEC_VERSION}}


@dataclass(frozen=True, slots=True)
class Making:
    """When, by whom, under which new ids, and with which keys for secrets objects are made."""

    now_ms: int
    by: str
    new_id: Callable[[], str]
    sealing: Sealing

    def resource(self, collection: Collection, id_: str, body: Mapping[str, Json]) -> Resource:
        """A new object."""
        etag = f'"{self.new_id()}"'
        return Resource(collection, id_, body, etag, self.now_ms, self.now_ms, self.by, self.by)


def definition_of(files: Files, environ: Mapping[str, str], making: Making) -> Definition:
    """The definition that exports what the files do, of version 0, bound to their stream.

    References to variables are resolved, but for keys that are `${EXPORT_…}`, which stay; other keys are sealed.

    Raises:
        ConfigurationError: with all that is wrong with the files, or why a key cannot be sealed.

    """
    destination, governance = parse_files(files, environ)
    compile_plan(destination, governance)
    text, source = files.destination
    file = parse_yaml(text or "", source, environ)
    form = file.fit(DestinationForm)
    if form is None:
        raise AssertionError("what the loader took fits")
    keys = _keys_as_written(text or "", source)
    made = [*_dataflow(form, keys, making, source)]
    if files.governance is not None:
        made.extend(_governance(files.governance, governance, environ, making))
    target = Target(form.stream.rpartition("/")[2], form.connection.region)
    definition = Definition(bound_to=target).with_(*made)
    problems = check(Definition(), definition).problems
    if problems:
        raise ConfigurationError(problems)
    return definition


def _dataflow(
    form: DestinationForm, keys: Mapping[str, str], making: Making, source: str
) -> Iterator[Resource]:
    platform, origin, base, target, flow = (making.new_id() for _ in range(5))
    name: dict[str, Json] = {"name": form.name}
    yield making.resource("connections", platform, {**name, **_OF_PLATFORM})
    yield making.resource(
        "sourceConnections",
        origin,
        {**name, "baseConnectionId": platform, **_OF_PLATFORM, "data": {"format": "json"}, "params": {}},
    )
    params = _auth_params(form, keys, base, making, source)
    yield making.resource(
        "connections",
        base,
        {**name, **_OF_KINESIS, "auth": {"specName": KINESIS_AUTHENTICATION, "params": params}},
    )
    yield making.resource(
        "targetConnections",
        target,
        {
            **name,
            "baseConnectionId": base,
            **_OF_KINESIS,
            "data": {"format": "json"},
            "params": _target_params(form),
        },
    )
    described: dict[str, Json] = {} if form.description is None else {"description": form.description}
    yield making.resource(
        "flows",
        flow,
        {
            **name,
            **described,
            "flowSpec": {"id": PROFILE_FLOW_SPEC, "version": SPEC_VERSION},
            "sourceConnectionIds": [origin],
            "targetConnectionIds": [target],
            "transformations": _transformations(form),
            "state": "enabled",
        },
    )


def _auth_params(
    form: DestinationForm, keys: Mapping[str, str], id_: str, making: Making, source: str
) -> dict[str, Json]:
    ours = form.connection
    given = {
        "accessKeyId": ours.access_key_id,
        "secretKey": ours.secret_key,
        "accessKeyIdFile": ours.access_key_id_file,
        "secretKeyFile": ours.secret_key_file,
        "connectionUrl": ours.connection_url,
    }
    params: dict[str, Json] = {"region": ours.region}
    for name, text in given.items():
        if text is None:
            continue
        if name not in SECRETS:
            params[name] = text
        elif is_reference(keys[name]):
            params[name] = keys[name]
        else:
            try:
                params[name] = making.sealing.seal("connections", id_, name, text)
            except ConfigurationError as error:
                raise ConfigurationError(
                    [
                        Problem(source, None, f"connection.{name}", each.message, each.remedy)
                        for each in error.problems
                    ]
                ) from None
    return params


def _target_params(form: DestinationForm) -> dict[str, Json]:
    params: dict[str, Json] = {
        "stream": form.stream,
        "region": form.connection.region,
        "marketingActions": [_ref(name) for name in form.marketing_actions],
    }
    if form.partition_key != "profile":
        params["partitionKey"] = form.partition_key
    if form.include_segment_names:
        params["includeSegmentNames"] = True
    if form.include_segment_timestamps:
        params["includeSegmentTimestamps"] = True
    return params


def _ref(name: str) -> str:
    """A marketing action's name where it leads to that, else its reference."""
    try:
        leads_to = action_of_ref(name, CORE_MARKETING_ACTIONS)
    except ValueError:
        leads_to = None
    return name if leads_to == name else action_ref("custom", name)


def _transformations(form: DestinationForm) -> list[Json]:
    segments: list[Json] = [{"type": SEGMENT, "value": _segment(each)} for each in form.segments]
    attributes: list[Json] = [
        {"type": ATTRIBUTE, "value": {"path": path, "operator": "EXISTS"}} for path in form.attributes
    ]
    return [
        {
            "name": TRANSFORMATION,
            "params": {
                "profileSelectors": {"selectors": attributes},
                "segmentSelectors": {"selectors": segments},
            },
        }
    ]


def _segment(form: SegmentForm) -> dict[str, Json]:
    value: dict[str, Json] = {"id": form.id}
    if form.namespace != PLATFORM_NAMESPACE:
        value["namespace"] = form.namespace
    optional: dict[str, Json] = {
        "name": form.name,
        "createdAt": form.created_at,
        "updatedAt": form.updated_at,
    }
    for theirs, ours, time_ms in (
        ("createTime", "mappingCreatedAt", form.mapping_created_at),
        ("updateTime", "mappingUpdatedAt", form.mapping_updated_at),
    ):
        if time_ms is not None and MS_FROM <= time_ms < _BEYOND_MS:
            optional[theirs] = str(time_ms)
        else:
            optional[ours] = time_ms
    return value | {name: each for name, each in optional.items() if each is not None}


_BEYOND_MS: Final = 10**15
"""Longer numbers are no times to the selectors of the Flow Service."""


def _keys_as_written(text: str, source: str) -> dict[str, str]:
    """The keys with their references unresolved."""
    file = parse_yaml(text, source, _Unresolved())
    return {name: file.text("connection", name) or "" for name in SECRETS}


class _Unresolved(dict[str, str]):
    """An environment in which every variable is a reference to itself."""

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> str:
        return f"${{{name}}}"


def _governance(
    given: tuple[str | None, str], governance: Governance, environ: Mapping[str, str], making: Making
) -> Iterator[Resource]:
    text, source = given
    file = parse_yaml(text or "", source, environ)
    form = file.fit(GovernanceForm)
    if form is None:
        raise AssertionError("what the loader took fits")
    if file.at("enforcement") is not None:
        yield making.resource("enforcement", "enforcement", {"enforcement": form.enforcement})
    labels = file.at("labels")
    if isinstance(labels, dict) and labels:
        yield making.resource("labels", "labels", labels)
    for action in form.marketing_actions:
        described: dict[str, Json] = {} if action.description is None else {"description": action.description}
        yield making.resource("marketingActions/custom", action.name, {"name": action.name, **described})
    for index, policy in enumerate(governance.policies):
        body = _policy(file, "policies", index, "deny", policy.actions)
        yield making.resource("policies/custom", making.new_id(), body)
    for index, consent in enumerate(governance.consent_policies):
        body = _policy(file, "consentPolicies", index, "requires", consent.actions)
        yield making.resource("consentPolicies", making.new_id(), body)


def _policy(
    file: LocatedFile, member: str, index: int, condition: str, actions: Sequence[str]
) -> dict[str, Json]:
    refs: list[Json] = [
        action_ref("core" if name in CORE_MARKETING_ACTIONS else "custom", name) for name in actions
    ]
    body: dict[str, Json] = {
        name: file.at(member, index, name)
        for name in ("name", "status", "description")
        if file.at(member, index, name) is not None
    }
    return {**body, "marketingActionRefs": refs, condition: file.at(member, index, condition)}
