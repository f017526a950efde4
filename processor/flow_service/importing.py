"""Our two files, made of documents of the two services."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from processor.configuration import parse_configuration, parse_governance
from processor.errors import ConfigurationError
from processor.flow_service.connections import connection
from processor.flow_service.file_text import Reference, Tree, file_text
from processor.flow_service.findings import listed
from processor.flow_service.members import BaseConnection, Flow, TargetConnection, fit
from processor.flow_service.names import PROFILE_FLOW_SPEC, action_of_ref
from processor.flow_service.origins import Origins
from processor.flow_service.policies import governance
from processor.flow_service.selectors import is_addition, mapped_attributes, mapped_segments, placed_selectors
from processor.governance.document import CORE_MARKETING_ACTIONS

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from processor.errors import Problem
    from processor.flow_service.documents import Document
    from processor.flow_service.findings import Findings

DESTINATION_NAME: Final = "destination.yaml"
GOVERNANCE_NAME: Final = "governance.yaml"

_SOURCE_IS_KAFKA: Final = "the source is the Kafka topic of PROCESSOR_KAFKA_TOPIC"
_ASIDE: Final = {
    "source connection": f"a source connection: {_SOURCE_IS_KAFKA}",
    "base connection of the platform": f"a connection to the platform: {_SOURCE_IS_KAFKA}",
    "connection spec": "a connection spec: what can be connected, not what is",
    "answer": "an id alone: nothing to take from it",
}

_Connection = TypeVar("_Connection", BaseConnection, TargetConnection)


@dataclass(frozen=True, slots=True)
class ImportedFiles:
    """The texts of the two files, each None where the documents have nothing for it."""

    destination: str | None
    governance: str | None


def import_documents(
    documents: Sequence[Document], actions: Sequence[str], flow_id: str | None, found: Findings
) -> ImportedFiles:
    """The files that the documents amount to, as our own loader takes them.

    `actions` are the destination's marketing actions, which no document has; `flow_id` says which of several flows is
    meant. What is wrong, also what our loader refuses, is noted in `found`; the files are of use only without that.
    """
    for document in documents:
        _put_aside(document, found)
    origins_of_destination, origins_of_governance = Origins(), Origins()
    destination = _destination(documents, actions, flow_id, found, origins_of_destination)
    policies = governance(documents, found, origins_of_governance)
    if not destination and not policies and not found.problems:
        found.complain(
            listed(sorted({document.source for document in documents})) if documents else "the files",
            "",
            "there is neither a flow nor a policy",
            "Give the answers of GET /flows, /connections and /targetConnections, or of the Policy Service",
        )
    files = ImportedFiles(
        file_text(destination) if destination else None, file_text(policies) if policies else None
    )
    if not found.problems:
        for problem in _refused(files, {DESTINATION_NAME: destination, GOVERNANCE_NAME: policies}):
            of_destination = problem.source == DESTINATION_NAME
            found.problems.append(
                (origins_of_destination if of_destination else origins_of_governance).traced(problem)
            )
    return files


def destination_tree(
    flow: tuple[Flow, Document],
    target: tuple[TargetConnection, Document] | None,
    base: tuple[BaseConnection, Document] | None,
    additions: Sequence[Document],
    *,
    found: Findings,
    origins: Origins,
) -> dict[str, Tree]:
    """The destination file's tree, of a flow and its connections, each with its document; `additions` are JSON Patches.

    What is wrong is noted in `found`, and in `origins` where each member is from.
    """
    form, document = flow
    origins.note("", document.source, document.place)
    for member in ("name", "description", "segments", "attributes"):
        origins.note(member, document.source, f"{document.place}/{_THEIRS.get(member, member)}")
    _put_names_aside(form, [each for each in (target, base) if each is not None], found)
    tree: dict[str, Tree] = {"name": form.name or "", "description": form.description}
    tree["connection"] = connection(
        base and (base[0], base[1].source, base[1].place),
        target and (target[0], target[1].source, target[1].place),
        found,
        origins,
    )
    tree |= {"stream": None, "marketingActions": []}
    if target is not None:
        tree |= _of_target(*target, origins)
    segments = placed_selectors(form, document, additions, "segmentSelectors", found)
    attributes = placed_selectors(form, document, additions, "profileSelectors", found)
    tree["segments"] = mapped_segments(segments, found, origins)
    tree["attributes"] = mapped_attributes(attributes, found, origins)
    return {name: value for name, value in tree.items() if value not in (None, "")}


def _put_aside(document: Document, found: Findings) -> None:
    if document.kind in _ASIDE:
        found.put_aside(document.source, document.place, _ASIDE[document.kind])
    elif document.kind == "core policies":
        found.leave_out(
            document.source,
            document.place,
            "a list of enabled core policies: give the policies with their status",
        )
    elif document.kind == "event hubs":
        found.complain(
            document.source, document.place, "it is of Azure Event Hubs", "Give connections to Amazon Kinesis"
        )
    elif document.kind == "patch" and not is_addition(document):
        found.complain(
            document.source,
            document.place,
            "it is a JSON Patch that does more than add a selector at the end of the list",
            "Give the answer of GET /flows/{id} after the change",
        )


def _destination(
    documents: Sequence[Document],
    actions: Sequence[str],
    flow_id: str | None,
    found: Findings,
    origins: Origins,
) -> dict[str, Tree]:
    of_kind = {kind: [each for each in documents if each.kind == kind] for kind in _KINDS}
    if not any(of_kind.values()):
        return {}
    flow = _flow(of_kind["flow"], documents, flow_id, found)
    target = _one(
        of_kind["target connection"],
        TargetConnection,
        (flow[0].target_connection_ids, flow[1], "targetConnectionIds") if flow else ([], None, ""),
        found,
    )
    base_ids = [target[0].base_connection_id] if target and target[0].base_connection_id else []
    base = _one(
        of_kind["base connection"],
        BaseConnection,
        (base_ids, target[1] if target else None, "baseConnectionId"),
        found,
    )
    # What cannot be read may have been it.
    if not of_kind["target connection"] and not found.problems:
        found.complain(
            documents[0].source,
            "",
            "there is no target connection, so no stream",
            "Give the answer of GET /targetConnections/{id}, too",
        )
    if flow is None:
        return {}
    additions = [each for each in documents if each.kind == "patch" and is_addition(each)]
    _check_flow(*flow, found)
    tree = destination_tree(flow, target, base, additions, found=found, origins=origins)
    if actions:
        tree["marketingActions"] = list(actions)
        origins.note("marketingActions", "--marketing-action", "")
    elif not tree["marketingActions"]:
        origins.note("marketingActions", "--marketing-action", "")
        note = found.leave_out if _has_policies(documents) else found.put_aside
        note(
            flow[1].source,
            flow[1].place,
            "no document says the destination's marketing actions, without which no policy applies: give "
            "--marketing-action",
        )
    return tree


_KINDS: Final = ("flow", "target connection", "base connection", "patch")
"""Documents that ask for a destination file."""
_THEIRS: Final = {"segments": "transformations", "attributes": "transformations"}


def _has_policies(documents: Sequence[Document]) -> bool:
    return any(document.kind == "policy" for document in documents)


def _flow(
    flows: Sequence[Document], documents: Sequence[Document], flow_id: str | None, found: Findings
) -> tuple[Flow, Document] | None:
    if not flows and not found.problems:
        found.complain(
            documents[0].source,
            "",
            "there is no flow, so no segments",
            "Give the answer of GET /flows/{id}, too",
        )
    if not flows:
        return None
    if flow_id is not None:
        others = [each for each in flows if each.tree.get("id") != flow_id]
        flows = [each for each in flows if each.tree.get("id") == flow_id]
        if not flows:
            found.complain(
                others[0].source, others[0].place, f"there is no flow {flow_id}", "Name one of those given"
            )
            return None
        for other in others:
            found.leave_out(other.source, other.place, "another flow than the one named")
    for other in flows[1:]:
        found.complain(
            other.source,
            other.place,
            "it is a second flow, and a consumer group is one dataflow",
            "Name one with --flow ID, and run another group for the other",
        )
    form = fit(Flow, flows[0].tree, flows[0].source, flows[0].place, found)
    return None if form is None else (form, flows[0])


def _one(
    documents: Sequence[Document],
    model: type[_Connection],
    named: tuple[Sequence[str], Document | None, str],
    found: Findings,
) -> tuple[_Connection, Document] | None:
    """The connection that is named by its id, or the only one there is."""
    ids, by, member = named
    real_ids: list[str] = [each for each in ids if not each.startswith("{")]
    if by is not None and len(real_ids) > 1:
        found.complain(
            by.source, f"{by.place}/{member}", "there are several", "One consumer group writes to one stream"
        )
    chosen = list(documents)
    with_ids = [each for each in documents if isinstance(each.tree.get("id"), str)]
    if by is not None and real_ids and with_ids:
        chosen = [each for each in documents if each.tree.get("id") in (None, *real_ids)]
        if not chosen:
            found.complain(
                by.source,
                f"{by.place}/{member}",
                f"no connection that is given has the id {real_ids[0]}",
                "Give the answer for that connection",
            )
            return None
        for other in (each for each in documents if each not in chosen):
            found.put_aside(other.source, other.place, f"a {other.kind} of another flow")
    for other in chosen[1:]:
        found.complain(
            other.source, other.place, f"it is a second {other.kind}", "Give the one that the flow goes to"
        )
    if not chosen:
        return None
    form = fit(model, chosen[0].tree, chosen[0].source, chosen[0].place, found)
    return None if form is None else (form, chosen[0])


def _check_flow(flow: Flow, document: Document, found: Findings) -> None:
    source, place = document.source, document.place
    if flow.state not in {None, "enabled"}:
        found.leave_out(
            source, f"{place}/state", f"it is {flow.state}, and the service exports while it runs"
        )
    spec = flow.flow_spec
    if spec is not None and spec.id != PROFILE_FLOW_SPEC and not spec.id.startswith("{"):
        found.leave_out(
            source, f"{place}/flowSpec/id", f"{spec.id} is not the flow of profiles and taken for it"
        )


def _put_names_aside(
    flow: Flow, connections: Sequence[tuple[BaseConnection | TargetConnection, Document]], found: Findings
) -> None:
    for form, document in connections:
        for member, theirs, of_flow in (
            ("name", form.name, flow.name),
            ("description", form.description, flow.description),
        ):
            if theirs and theirs != of_flow:
                found.put_aside(
                    document.source, f"{document.place}/{member}", f"{theirs!r}: the flow's stands for all"
                )


def _of_target(target: TargetConnection, document: Document, origins: Origins) -> dict[str, Tree]:
    """The members of the destination file that stand among the target connection's `params`."""
    params, place = target.params, f"{document.place}/params"
    members: dict[str, Tree] = {
        "stream": params.stream,
        "marketingActions": [_name_of(ref) for ref in params.marketing_actions],
        "partitionKey": params.partition_key,
        "includeSegmentNames": params.include_segment_names,
        "includeSegmentTimestamps": params.include_segment_timestamps,
    }
    for name in members:
        origins.note(name, document.source, f"{place}/{name}")
    return members


def _name_of(ref: str) -> str:
    """The marketing action that a reference leads to; a reference that cannot be decoded stands for itself."""
    try:
        return action_of_ref(ref, CORE_MARKETING_ACTIONS)
    except ValueError:
        return ref


def _refused(files: ImportedFiles, trees: dict[str, dict[str, Tree]]) -> Sequence[Problem]:
    """What our loader says of the files, with all variables that they refer to set."""
    environ = dict.fromkeys((name for tree in trees.values() for name in _variables(tree)), "set")
    problems: list[Problem] = []
    of_governance = None if files.governance is None else (files.governance, GOVERNANCE_NAME)
    if files.destination is None:
        if of_governance is not None:
            parse_governance(*of_governance, environ, problems)
        return problems
    try:
        parse_configuration((files.destination, DESTINATION_NAME), of_governance, environ, problems)
    except ConfigurationError as error:
        return error.problems
    return ()


def _variables(tree: Tree) -> Collection[str]:
    if isinstance(tree, Reference):
        return {tree.variable}
    if isinstance(tree, dict):
        return {name for value in tree.values() for name in _variables(value)}
    if isinstance(tree, list):
        return {name for value in tree for name in _variables(value)}
    return ()
