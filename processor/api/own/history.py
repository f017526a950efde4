"""Who changed what of the definition, and when: what its own record carries of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from processor.api.request import Answer
from processor.definition.history import is_whole, shown

if TYPE_CHECKING:
    from processor.api.request import Request
    from processor.definition.model import Definition


class HistoryChange(BaseModel):
    """What became of one object."""

    model_config = ConfigDict(extra="forbid")

    collection: str = Field(description="Where the object is kept, as the paths of the API name it.")
    id: str = Field(description="Its id; a custom marketing action's is its name.")
    name: str | None = Field(description="Its name, the former one where it was deleted.")
    what: Literal["made", "changed", "deleted"] = Field(description="What became of it.")
    details: list[str] = Field(
        description="What of it is another than before, in words, at most ten; no secret is in them."
    )


class HistoryEntry(BaseModel):
    """One change of the definition."""

    model_config = ConfigDict(extra="forbid")

    version: int = Field(description="The version that it made.")
    atMs: int = Field(description="When, in milliseconds since the epoch.")  # noqa: N815  the API's
    by: str = Field(description="By whom: a token's name, or what a command was given.")
    changes: list[HistoryChange] = Field(description="What became of which object, of twenty at most.")
    furtherChanges: int = Field(description="Of how many further objects something became.")  # noqa: N815  the API's


class History(BaseModel):
    """The changes of the definition."""

    model_config = ConfigDict(extra="forbid")

    items: list[HistoryEntry] = Field(description="The changes, the latest first, at most a hundred.")
    isWhole: bool = Field(description="Whether they go back to when nothing was defined.")  # noqa: N815  the API's


def history(definition: Definition, _: Request) -> Answer:
    """Answer the changes that led to the definition in force."""
    return Answer(
        body={
            "items": [shown(each) for each in definition.history],
            "isWhole": is_whole(definition),
        }
    )
