"""What there is one of: the labels of what is exported, and whether what is forbidden is removed or refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from processor.api.policy_service.kept import NEVER_PUT, answer, body_in, href, kept, put
from processor.api.request import Answer
from processor.definition.model import Resource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from processor.api.request import Occasion, Request
    from processor.definition.model import Collection, Definition
    from processor.flow_service.documents import Json


class Enforcement(BaseModel):
    """What happens to what a policy forbids."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    enforcement: Literal["filter", "block"] = Field(
        description="`filter`: it is removed from exports. `block`: a dataflow or policy by which there were any is refused."
    )


@dataclass(frozen=True, slots=True)
class OneOfAKind:
    """The calls of a collection with one object, which is `absent` until it is put."""

    collection: Collection
    form: type[BaseModel]
    absent: Mapping[str, Json]

    def get(self, definition: Definition, _: Request) -> Answer:
        """Answer it."""
        there = definition.find(self.collection, self.collection)
        return Answer(body=self._absent_shown(), etag=NEVER_PUT) if there is None else answer(there)

    def put(self, definition: Definition, request: Request, occasion: Occasion) -> tuple[Definition, Answer]:
        """Write it anew, whole."""
        former = definition.find(self.collection, self.collection)
        request.check_match(former or self._absent())
        body = body_in(self.form, request)
        return kept(definition, put(self.collection, self.collection, body, former, occasion))

    def _absent(self) -> Resource:
        return Resource(self.collection, self.collection, self.absent, NEVER_PUT, 0, 0, "", "")

    def _absent_shown(self) -> dict[str, Json]:
        return {**self.absent, "_links": {"self": {"href": href(self.collection, self.collection)}}}
