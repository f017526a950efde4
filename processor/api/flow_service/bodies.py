"""Bodies of the Flow Service's calls and of their answers, as far as they are known; objects may have further members."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from pydantic.alias_generators import to_camel

from processor.flow_service.members import (
    ApiObject,
    Auth,
    AuthParams,
    BaseConnection,
    Flow,
    Spec,
    TargetConnection,
)

Name = Annotated[str, Field(min_length=1)]


class KeptAuthParams(AuthParams):
    """What Amazon Kinesis is reached with; nothing else may be among it, for it might be secret."""

    model_config = ConfigDict(extra="forbid")
    access_key_id_file: str | None = None
    secret_key_file: str | None = None


class AuthBody(Auth):
    """How a base connection authenticates."""

    model_config = ConfigDict(extra="forbid")
    params: KeptAuthParams | None = None


class ConnectionBody(BaseConnection):
    """A base connection: to the platform, or to Amazon Kinesis; nothing else may be in it, for it might be secret."""

    model_config = ConfigDict(extra="forbid")
    name: Name
    connection_spec: Spec
    auth: AuthBody | None = None
    state: Literal["enabled"] | None = None


class SourceConnectionBody(ApiObject):
    """A connection to the platform's profiles."""

    name: Name
    description: str | None = None
    base_connection_id: str
    connection_spec: Spec
    data: dict[str, JsonValue] | None = None
    params: dict[str, JsonValue] | None = None
    state: Literal["enabled"] | None = None


class TargetConnectionBody(TargetConnection):
    """A stream, and what is done with the data there."""

    name: Name
    base_connection_id: str
    connection_spec: Spec
    state: Literal["enabled"] | None = None


class FlowBody(Flow):
    """A dataflow."""

    name: Name
    flow_spec: Spec
    source_connection_ids: list[str]
    target_connection_ids: list[str]
    state: Literal["enabled", "disabled"] | None = None


class Operation(BaseModel):
    """An operation of a JSON Patch (RFC 6902)."""

    model_config = ConfigDict(extra="allow", strict=True)
    op: Literal["add", "remove", "replace", "move", "copy", "test"]
    path: str
    value: JsonValue = None
    from_: str | None = Field(None, alias="from")


class Answered(BaseModel):
    """A form of answers."""

    model_config = ConfigDict(extra="allow", alias_generator=to_camel)


class Report(Answered):
    """What is to be known of a change that was made: what governance removes, and what is kept without effect."""

    violations: list[dict[str, JsonValue]] = []
    without_effect: list[dict[str, JsonValue]] = []


class Changed(Answered):
    """The id of what was made or changed, and its etag now."""

    id: str
    etag: str
    report: Report | None = None


class Shown(Answered):
    """An object with the books that are kept on it; times are in ms since the epoch."""

    id: str
    created_at: int
    updated_at: int
    created_by: str
    updated_by: str
    etag: str
    version: str


class ShownSpec(Answered):
    """What can be connected, or how."""

    id: str
    name: str
    version: str


class One(Answered):
    """A list of the one object that was asked for."""

    items: list[Shown]


class Page(Answered):
    """A page of a list: `_links.next.href` leads to the next where there is one. With `count=true` it has `count` alone."""

    items: list[Shown] | None = None
    count: int | None = None


class Specs(Answered):
    """A list of specs."""

    items: list[ShownSpec] | None = None
    count: int | None = None
