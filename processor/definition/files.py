"""The two configuration files that a definition amounts to, each of their members traced to the object that it is from.

Workers follow files, as texts, whether people wrote them or the API's objects say the same: no worker knows of objects.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from processor.configuration import Files
from processor.definition.sealing import SECRETS, is_reference, sealed_token
from processor.errors import ConfigurationError, Problem
from processor.flow_service.documents import Document
from processor.flow_service.file_text import Reference, file_text, json_text
from processor.flow_service.findings import Findings, pointer
from processor.flow_service.importing import destination_tree
from processor.flow_service.members import ApiObject, BaseConnection, Flow, TargetConnection, fit
from processor.flow_service.origins import Origins
from processor.flow_service.policies import governance
from processor.flow_service.selectors import mapped_attributes, mapped_segments, placed_selectors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from processor.definition.model import Collection, Definition, Resource
    from processor.flow_service.documents import Json
    from processor.flow_service.file_text import Tree
    from processor.flow_service.findings import Unmatched

Unseal: TypeAlias = Callable[["Collection", str, str, str], str]
"""The text of a sealed secret, of: the collection and id of its object, its member's name, and the token.

Raises ConfigurationError where there is no key that opens it.
"""

DESTINATION_SOURCE: Final = "destination in Kafka"
GOVERNANCE_SOURCE: Final = "governance in Kafka"
KEY_FILES: Final = ("accessKeyIdFile", "secretKeyFile")
"""Members beside them that name files in their place; no published object has them."""

_PARAMS: Final = "/auth/params"

_Object = TypeVar("_Object", bound=ApiObject)


@dataclass(frozen=True, slots=True)
class DerivedFiles:
    """The files of a definition, and what was met on the way.

    `destination` and `governance` are their texts, as JSON, None where no object has anything for them. A `Problem` here has the
    object's name (`flows/8256cfb4…`) as its source and a JSON pointer into its body as its member.
    """

    destination: str | None
    governance: str | None
    problems: tuple[Problem, ...]
    _origins: Mapping[str, Origins]
    _trees: tuple[Tree, Tree]

    @property
    def governance_file(self) -> tuple[str, str] | None:
        """The text with its name in messages, as the loader takes it."""
        return None if self.governance is None else (self.governance, GOVERNANCE_SOURCE)

    def for_people(self) -> tuple[str | None, str | None]:
        """Both texts as YAML, as people write them."""
        destination, of_governance = (file_text(each) if each else None for each in self._trees)
        return destination, of_governance

    def traced(self, problem: Problem) -> Problem:
        """A problem that our loader or compiler found in one of the texts, told of the object that it comes from."""
        origins = self._origins.get(problem.source)
        return problem if origins is None else origins.traced(problem)


def files_of(definition: Definition, unseal: Unseal) -> Files:
    """The files that workers follow; they are checked there as files are, and are not yet.

    Equal definitions have equal files, and so have those that differ in nothing that is exported: their names have no version.

    Raises:
        ConfigurationError: there is no dataflow, it does not amount to files, or a secret cannot be opened.

    """
    derived = derived_files(definition, unseal)
    if derived.problems:
        raise ConfigurationError(derived.problems)
    if derived.destination is None:
        raise ConfigurationError(
            [Problem("flows", None, "/", "there is no dataflow", "Make one by POST /flows")]
        )
    return Files((derived.destination, DESTINATION_SOURCE), derived.governance_file, [])


def why_idle(definition: Definition) -> str | None:
    """Why nothing is to be exported by a definition, as a clause without a full stop; None where something is."""
    flow = the_flow(definition)
    if flow is None:
        return "there is no dataflow"
    if not is_enabled(flow):
        return f"the dataflow {flow.id} is disabled"
    if not maps_segments(flow):
        return f"the dataflow {flow.id} maps no segment yet"
    return None


def the_flow(definition: Definition) -> Resource | None:
    """The one dataflow of a group; None where there is none."""
    flows = definition.of("flows")
    return flows[0] if flows else None


def is_enabled(flow: Resource) -> bool:
    """Whether a flow exports; it does unless it is disabled."""
    return flow.body.get("state", "enabled") == "enabled"


def maps_segments(flow: Resource) -> bool:
    """Whether a flow has a selector of a segment."""
    return any(True for _ in selectors_of(flow.body, "segmentSelectors"))


def selectors_of(body: Mapping[str, Json], member: str) -> Sequence[tuple[str, Json]]:
    """The selectors of a flow's body under `segmentSelectors` or `profileSelectors`, each with its JSON pointer."""
    found: list[tuple[str, Json]] = []
    steps = body.get("transformations")
    for index, step in enumerate(steps if isinstance(steps, list) else []):
        value = step
        for name in ("params", member, "selectors"):
            value = value.get(name) if isinstance(value, dict) else None
        place = pointer("transformations", index, "params", member, "selectors")
        found.extend(
            (place + pointer(position), each)
            for position, each in enumerate(value if isinstance(value, list) else [])
        )
    return found


def left_out_of_selectors(body: Mapping[str, Json]) -> list[Unmatched]:
    """Members of a flow's selectors that are kept and have no effect, each with its JSON pointer."""
    flow = Document("", "", "flow", body)
    found, origins, form = Findings(), Origins(), fit(Flow, body, "", "", Findings())
    if form is not None:
        mapped_segments(placed_selectors(form, flow, (), "segmentSelectors", found), found, origins)
        mapped_attributes(placed_selectors(form, flow, (), "profileSelectors", found), found, origins)
    return found.left_out


def name_of(collection: str, id_: str) -> str:
    """What an object is called in messages: `flows/8256cfb4…`; what there is one of, by its collection alone."""
    return collection if collection == id_ else f"{collection}/{id_}"


def derived_files(definition: Definition, unseal: Unseal) -> DerivedFiles:
    """The texts of both files with their origins; what is wrong with the objects is among its `problems`."""
    found = Findings()
    origins = {DESTINATION_SOURCE: Origins(), GOVERNANCE_SOURCE: Origins()}
    destination = _destination(definition, unseal, found, origins[DESTINATION_SOURCE])
    of_governance = _governance(definition, found, origins[GOVERNANCE_SOURCE])
    return DerivedFiles(
        json_text(destination) if destination else None,
        json_text(of_governance) if of_governance else None,
        tuple(found.problems),
        origins,
        (destination, of_governance),
    )


def _destination(
    definition: Definition, unseal: Unseal, found: Findings, origins: Origins
) -> dict[str, Tree]:
    flow = the_flow(definition)
    if flow is None:
        return {}
    target = _named(definition, flow, "targetConnections", "targetConnectionIds", found)
    base = None if target is None else _named(definition, target, "connections", "baseConnectionId", found)
    forms = (
        _fitted(Flow, flow, flow.body, found),
        None if target is None else _fitted(TargetConnection, target, target.body, found),
        None if base is None else _fitted(BaseConnection, base, _without_keys(base.body), found),
    )
    form, of_target, of_base = forms
    if form is None or of_target is None or of_base is None or base is None:
        return {}
    tree = destination_tree(form, of_target, of_base, (), found=found, origins=origins)
    connection = tree.get("connection")
    keys = _keys(base, unseal, found, origins)
    return {**tree, "connection": {**(connection if isinstance(connection, dict) else {}), **keys}}


def _named(
    definition: Definition, by: Resource, collection: Collection, member: str, found: Findings
) -> Resource | None:
    """The one object that another names in `member`; None, with a problem noted, where there is none."""
    value = by.body.get(member)
    ids = value if isinstance(value, list) else [value]
    resource = definition.find(collection, ids[0]) if len(ids) == 1 and isinstance(ids[0], str) else None
    if resource is None:
        given = ", ".join(str(each) for each in ids if each is not None)
        found.complain(
            name_of(by.collection, by.id),
            pointer(member),
            f"it names {given}: there is no such one" if len(ids) == 1 and given else "it names not one",
            f"Give the id of one of /{collection}",
        )
    return resource


def _fitted(
    model: type[_Object], resource: Resource, body: Mapping[str, Json], found: Findings
) -> tuple[_Object, Document] | None:
    """The body in its form, less its state, which is the definition's to heed, not the files'."""
    source = name_of(resource.collection, resource.id)
    tree = {name: value for name, value in body.items() if name != "state"}
    form = fit(model, tree, source, "", found)
    return None if form is None else (form, Document(source, "", "", tree))


def _without_keys(body: Mapping[str, Json]) -> Mapping[str, Json]:
    auth = body.get("auth")
    params = auth.get("params") if isinstance(auth, dict) else None
    if not isinstance(auth, dict) or not isinstance(params, dict):
        return body
    rest = {name: value for name, value in params.items() if name not in (*SECRETS, *KEY_FILES)}
    return {**body, "auth": {**auth, "params": rest}}


def _keys(base: Resource, unseal: Unseal, found: Findings, origins: Origins) -> dict[str, Tree]:
    """The keys of a connection as its file has them: the opened secrets, references, or names of files."""
    auth = base.body.get("auth")
    params = auth.get("params") if isinstance(auth, dict) else None
    source = name_of(base.collection, base.id)
    keys: dict[str, Tree] = {}
    for name in (*SECRETS, *KEY_FILES):
        value = params.get(name) if isinstance(params, dict) else None
        if value is None:
            continue
        origins.note(f"connection.{name}", source, f"{_PARAMS}/{name}")
        token = sealed_token(value)
        if token is not None:
            try:
                keys[name] = unseal(base.collection, base.id, name, token)
            except ConfigurationError as error:
                for problem in error.problems:
                    found.complain(source, f"{_PARAMS}/{name}", problem.message, problem.remedy)
        elif isinstance(value, str) and name in KEY_FILES:
            keys[name] = value
        elif isinstance(value, str) and is_reference(value):
            keys[name] = Reference(value)
        else:
            found.complain(
                source,
                f"{_PARAMS}/{name}",
                "it is neither sealed nor a reference",
                "Give it as a text by PATCH, or as ${EXPORT_…}",
            )
    return keys


def _governance(definition: Definition, found: Findings, origins: Origins) -> dict[str, Tree]:
    documents = [
        Document(name_of(each.collection, each.id), "", kind, each.body)
        for collection, kind in _KINDS
        for each in definition.of(collection)
    ]
    tree: dict[str, Tree] = {}
    for member in ("enforcement", "labels"):
        for each in definition.of(member):
            tree[member] = each.body.get(member) if member == "enforcement" else each.body
            origins.note(member, member, "/enforcement" if member == "enforcement" else "")
    origins.note("", "governance", "")
    return {**tree, **governance(documents, found, origins)}


_KINDS: Final[tuple[tuple[Collection, str], ...]] = (
    ("marketingActions/custom", "marketing action"),
    ("policies/core", "policy"),
    ("policies/custom", "policy"),
    ("consentPolicies", "policy"),
)
