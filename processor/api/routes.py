"""The table of the API: each call by its method and path, with what is to be said of it, and what answers it.

It holds all that the API's description (`openapi.py`) is made from; `http.py` serves it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from processor.api.request import Changing, Looking, Reading

Method: TypeAlias = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


@dataclass(frozen=True, slots=True)
class Call:
    """A method of a path: `/data/foundation/flowservice/flows/{id}`, where a part in braces stands for one without a slash.

    `body` and `answer` are what pydantic makes a JSON schema of: a model, or a type of models (`list[Operation]`); None where
    there is none. `query` are the parameters that are heeded, each with a sentence of it; others are ignored, as published.
    """

    method: Method
    path: str
    summary: str
    answer: type[object] | None = None
    body: type[object] | None = None
    status: int = 200
    """Of an answer that is no error."""
    may_make: bool = False
    """Whether it is 201 where the object was not there before."""
    query: Mapping[str, str] = field(default_factory=dict)
    needs_if_match: bool = False
    has_etag: bool = False


@dataclass(frozen=True, slots=True)
class Read:
    """A call that changes nothing: any token will do."""

    call: Call
    handle: Reading


@dataclass(frozen=True, slots=True)
class Change:
    """A call that changes the definition: it needs a token that may."""

    call: Call
    handle: Changing


class Bounds(NamedTuple):
    """How many of one call may be answered at once, and within how many seconds each must be."""

    at_once: int
    within_s: float


@dataclass(frozen=True, slots=True)
class Look:
    """A call that changes nothing, and may look at more than the definition: at who asks, Kafka, or Kinesis.

    `may_any` says that any token will do; else it needs one that may change. `refusals` are the statuses that it may be
    refused with beside those of every call.
    """

    call: Call
    handle: Looking
    may_any: bool
    bounds: Bounds
    refusals: frozenset[int] = frozenset()


Route: TypeAlias = Read | Change | Look
