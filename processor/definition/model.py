"""The definition: the objects of the two services, each with the books that are kept on it, at one version."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from processor.flow_service.documents import Json

Collection: TypeAlias = Literal[
    "connections",
    "sourceConnections",
    "targetConnections",
    "flows",
    "marketingActions/custom",
    "policies/core",
    "policies/custom",
    "consentPolicies",
    "labels",
    "enforcement",
]
"""Where an object is kept. Of `policies/core` those alone are kept that were changed; `labels` and `enforcement` have one object each."""
COLLECTIONS: Final[tuple[Collection, ...]] = get_args(Collection)


@dataclass(frozen=True, slots=True)
class Resource:
    """One object. A custom marketing action's id is its name; the id of what there is one of is its collection's name.

    `body` is the object less what is kept beside it; where it has a secret, the secret is sealed (`sealing.py`).
    """

    collection: Collection
    id: str
    body: Mapping[str, Json] = field(repr=False)
    etag: str
    created_at_ms: int
    updated_at_ms: int
    created_by: str
    updated_by: str


@dataclass(frozen=True, slots=True)
class Target:
    """Where a group's records go, for good: its state says what was exported there, and nowhere else."""

    stream: str
    region: str


@dataclass(frozen=True, slots=True)
class ObjectChange:
    """What became of one object: `what` is `made`, `changed` or `deleted`.

    `name` is the object's own, the former one where it was deleted, and None where it has none. `details` say in words what is
    another than before; no secret is in them.
    """

    collection: str
    id: str
    name: str | None
    what: str
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """What one change of the definition came to: the version that it made, when, and by whom.

    `further` is how many objects were changed beside those of `changes`.
    """

    version: int
    at_ms: int
    by: str
    changes: tuple[ObjectChange, ...] = ()
    further: int = 0


@dataclass(frozen=True, slots=True)
class Definition:
    """All objects, in the order in which they were made; version 0 is that nothing was ever defined.

    `history` has the changes that led to it, the latest first, which is its own; not all of them (`history.py`). It is the
    keeper's to write: a change of the definition leaves it as it was.
    """

    version: int = 0
    resources: Mapping[tuple[Collection, str], Resource] = field(default_factory=dict, repr=False)
    bound_to: Target | None = None
    history: tuple[Entry, ...] = field(default=(), repr=False)

    def find(self, collection: Collection, id_: str) -> Resource | None:
        """The object of this id; None where there is none."""
        return self.resources.get((collection, id_))

    def of(self, collection: Collection) -> list[Resource]:
        """All objects of a collection, in the order in which they were made."""
        return [each for (where, _), each in self.resources.items() if where == collection]

    def with_(self, *resources: Resource) -> Definition:
        """The definition with these objects: each in the place of that of its id, or last; of the same version still."""
        changed = {(each.collection, each.id): each for each in resources}
        return replace(self, resources={**self.resources, **changed})

    def without(self, gone: Iterable[tuple[Collection, str]]) -> Definition:
        """The definition less the objects of these collections and ids; of the same version still."""
        out = set(gone)
        return replace(self, resources={key: each for key, each in self.resources.items() if key not in out})
