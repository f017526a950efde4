"""Bodies of the service's own calls and of their answers."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from pydantic.alias_generators import to_camel

from processor.governance.destination import PLATFORM_NAMESPACE

CHOICES_MAX: Final = 5_000
"""So many segments, and so many attributes, are looked at in one call: many times what a sample suggests."""

Text = Annotated[str, Field(min_length=1)]


class Form(BaseModel):
    """A body, or a part of one, that has the members that are named and no other."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, alias_generator=to_camel)


class OwnToken(Form):
    """Whose the token is that was sent: its name, which the log and `createdBy` have, and whether it may change anything."""

    name: str
    may_change: bool


class MarketingAction(Form):
    """A marketing action, and what data is used for by it; a custom one's is its description."""

    name: str
    meaning: str
    is_core: bool


class MarketingActions(Form):
    """All that a target connection may name, the platform's own first."""

    items: list[MarketingAction]


class SegmentChoice(Form):
    """A segment that might be mapped."""

    namespace: Text = PLATFORM_NAMESPACE
    id: Text


class Choices(Form):
    """Segments and attributes in the order in which they would be mapped."""

    segments: Annotated[list[SegmentChoice], Field(max_length=CHOICES_MAX)] = []
    attributes: Annotated[list[Text], Field(max_length=CHOICES_MAX)] = []


class OutcomesBody(Choices):
    """What might be mapped, and for which marketing actions; absent: those of the target connection."""

    marketing_actions: list[Text] | None = Field(
        None, description="Names, or references; absent: those in force."
    )
    beside: Choices | None = Field(
        None,
        description="With it each item is looked at as if it alone were added to these; without, all as mapped together, in their order.",
    )


class RemovedBy(Form):
    """Why an item may not leave: the policy, the marketing action that it applies by, and the item's labels."""

    policy: str
    action: str
    labels: list[str]


class Outcome(Form):
    """An item, all labels that hold for it, and why it would be removed; `removedBy` is null where it may leave.

    `name` is a segment's id, beside its `namespace`, or an attribute's path, or an identity's namespace.
    """

    kind: Literal["segment", "attribute", "identity"]
    name: str
    namespace: str | None = Field(None, description="Of a segment alone.")
    labels: list[str]
    removed_by: RemovedBy | None


class Outcomes(Form):
    """What would become of each item, segments first; with `block` a removal keeps the change from being made."""

    enforcement: Literal["filter", "block"]
    marketing_actions: list[str]
    items: list[Outcome]


class SegmentSeen(Form):
    """A segment that profiles of the sample have an entry for: so many `entries`, of which `members` are in it."""

    namespace: str
    id: str
    name: str | None
    members: int
    entries: int


class AttributeSeen(Form):
    """An attribute that `present` profiles of the sample have; `kinds` are its JSON types in words, `example` a masked value."""

    path: str
    kinds: str
    present: int
    example: str


class SampleShown(Form):
    """What the profiles' latest events in the source suggest to map, the most frequent first; values are masked.

    `partitionsRead` of `partitions` were read to the end of what is looked at. `invalid` counts events that cannot be used, by
    reason. Of segments and of attributes 500 are here at most; `unnameable` attributes have no path.
    """

    sampled_at_ms: int
    topic: str
    partitions: int
    partitions_read: int
    events: int
    profiles: int
    invalid: dict[str, int]
    segments: list[SegmentSeen]
    attributes: list[AttributeSeen]
    further_segments: int
    further_attributes: int
    unnameable: int


class AccountParams(Form):
    """What Amazon Kinesis is reached with, as in `POST` of a connection; without keys by AWS's default chain."""

    access_key_id: str | None = Field(None, description="A key, or `${EXPORT_…}`.")
    secret_key: str | None = Field(None, description="A key, or `${EXPORT_…}`.")
    region: str | None = None
    connection_url: str | None = None


class Account(Form):
    """Credentials that are not kept."""

    params: AccountParams


class StreamsBody(Form):
    """By whose credentials streams are looked at: `connectionId` or `auth`, one of them; and which stream, if one."""

    connection_id: Text | None = None
    auth: Account | None = None
    region: Text | None = Field(None, description="Of a connection that names none itself.")
    stream: Text | None = None


class StreamList(Form):
    """The names of the region's streams; `isWhole` says that there are no others. Or why they cannot be listed."""

    names: list[str] | None = None
    is_whole: bool | None = None
    problem: str | None = None
    permission: str | None = Field(None, description="The IAM action that is missing, where that is why.")


class StreamShown(Form):
    """A stream: `exists` is null where that cannot be told, `problem` and `permission` say why."""

    name: str
    exists: bool | None
    status: str | None = None
    mode: str | None = None
    shards: int | None = None
    problem: str | None = None
    permission: str | None = None


class AccountProblem(Form):
    """What is wrong with the account or with the way to it: `member` is a JSON pointer into the body."""

    member: str
    message: str
    remedy: str


class StreamsShown(Form):
    """What the credentials show."""

    region: str
    listed: StreamList = Field(alias="list")
    stream: StreamShown | None
    missing_permissions: list[str] = Field(
        description="IAM actions that exports need, or that these checks do."
    )
    problems: list[AccountProblem]


class PreviewBody(Form):
    """A change of this API that is not to be made: its method, its path with its parameters, its body, and its If-Match."""

    method: Literal["POST", "PUT", "PATCH", "DELETE"]
    path: Text
    body: JsonValue = None
    if_match: str | None = None


class SegmentPreview(Form):
    """How many profiles of the sample a backfill would export with each status of a segment."""

    namespace: str
    id: str
    name: str | None
    realized: int
    existing: int
    exited: int


class ProfilesOfPolicy(Form):
    """Of how many profiles a policy would keep something back."""

    policy: str
    action: str
    profiles: int


class BackfillPreview(Form):
    """What a backfill would come to for `profiles` of the sample, were each one's latest event exported already.

    They are all of it, or, where very much is mapped, some from all over it.
    `isDue` is null where it depends on what was exported before the dataflow was idle. `mode` `off`: it begins when it is asked for.
    """

    is_due: bool | None
    mode: Literal["auto", "off"]
    profiles: int
    exported: int
    unchanged: int
    refused: int = Field(description="Their latest event is invalid, and would be a dead letter.")
    segments: list[SegmentPreview]
    removed_by: list[ProfilesOfPolicy]


class ExportPreview(Form):
    """A record as it will look, values masked; `isOfBackfill`: a backfill exports it, else a profile that comes anew."""

    profile: str
    record: dict[str, JsonValue]
    is_of_backfill: bool


class SampleLooked(Form):
    """The sample that it was worked out on."""

    sampled_at_ms: int
    profiles: int
    events: int


class Preview(Form):
    """What a change would do. `report` is that of the change's own answer; `idle` is why nothing is exported under it, if nothing is."""

    is_change: bool
    report: dict[str, JsonValue]
    idle: str | None
    items: list[Outcome]
    sample: SampleLooked
    backfill: BackfillPreview
    exports: list[ExportPreview]
