"""destination.yaml: what is exported, and where to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, StringConstraints

from processor.configuration.located import Form, LocatedFile, parse_yaml
from processor.configuration.paths import check_attribute_path
from processor.destination import PLATFORM_NAMESPACE, Connection, Destination, Segment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from processor.errors import Problem

Text = Annotated[str, StringConstraints(min_length=1)]

_STREAM_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,128}")
_STREAM_ARN = re.compile(r"arn:aws[a-z-]*:kinesis:([a-z0-9-]+):[0-9]{12}:stream/[a-zA-Z0-9_.-]{1,128}")
_IDENTITY_PREFIX: Final = "identity:"


class ConnectionForm(Form):
    """How to reach Kinesis."""

    region: Text = Field(description="AWS region.")
    access_key_id: Text | None = Field(None, description="Without keys, AWS's default credential chain.")
    secret_key: Text | None = Field(None, description="Goes with accessKeyId.")
    connection_url: Text | None = Field(None, description="Another endpoint than AWS's.")


class SegmentForm(Form):
    """A mapped segment."""

    id: Text = Field(description="The segment's id.")
    namespace: Text = Field(PLATFORM_NAMESPACE, description="The segment's namespace.")
    name: Text | None = Field(None, description="Its name, for includeSegmentNames.")


class DestinationForm(Form):
    """The file."""

    name: Text = Field(description="What people call this destination.")
    description: str | None = Field(None, description="What it is for.")
    connection: ConnectionForm = Field(description="How to reach Kinesis.")
    stream: Text = Field(description="The stream's name or ARN.")
    marketing_actions: list[Text] = Field(description="What the data will be used for.")
    partition_key: Text = Field("profile", description="`profile` or `identity:NAMESPACE`.")
    include_segment_names: bool = Field(default=False, description="Whether exports carry segment names.")
    segments: list[SegmentForm] = Field(description="The mapped segments, in the order of the export.")
    attributes: list[Text] = Field(
        default_factory=list, description="Paths of the mapped attributes, in the order of the export."
    )


def parse_destination(
    text: str, source: str, environ: Mapping[str, str], problems: list[Problem]
) -> Destination | None:
    """The destination in a file's text; None, with problems added, where there is something wrong with it."""
    file = parse_yaml(text, source, environ)
    form = file.fit(DestinationForm)
    if form is not None:
        _check(file, form)
    problems.extend(sorted(file.problems, key=lambda problem: problem.line or 0))
    return None if form is None or file.problems else _converted(file, form)


def _check(file: LocatedFile, form: DestinationForm) -> None:
    _check_connection(file, form)
    if form.partition_key != "profile" and not form.partition_key.removeprefix(_IDENTITY_PREFIX):
        file.complain(("partitionKey",), "no namespace is named", "Write identity:NAMESPACE")
    elif form.partition_key != "profile" and not form.partition_key.startswith(_IDENTITY_PREFIX):
        file.complain(
            ("partitionKey",),
            f"{form.partition_key!r} is no partition key",
            "Write profile or identity:NAMESPACE",
        )
    if not form.segments:
        file.complain(
            ("segments",), "nothing is mapped, so nothing would be exported", "Map at least one segment"
        )
    _check_distinct(file, "marketingActions", form.marketing_actions)
    _check_distinct(file, "attributes", form.attributes)
    _check_distinct(file, "segments", [f"{s.namespace}/{s.id}" for s in form.segments])
    for index, segment in enumerate(form.segments):
        if "\0" in segment.id or "\0" in segment.namespace:
            file.complain(("segments", index), "an id or namespace holds a zero character", "Remove it")
    for index, path in enumerate(form.attributes):
        check_attribute_path(file, ("attributes", index), path)
        for outer in form.attributes:
            if path.startswith(outer + "."):
                file.complain(
                    ("attributes", index), f"{path} lies in {outer}, which is mapped", "Map one of the two"
                )


def _check_connection(file: LocatedFile, form: DestinationForm) -> None:
    connection = form.connection
    if (connection.access_key_id is None) != (connection.secret_key is None):
        file.complain(
            ("connection",),
            "accessKeyId and secretKey go together",
            "Give both, or neither to use AWS's default credential chain",
        )
    if connection.connection_url is not None:
        try:
            url = urlsplit(connection.connection_url)
            usable = url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0
        except ValueError:
            usable = False
        if not usable:
            file.complain(
                ("connection", "connectionUrl"), "it is no http or https URL", "Write https://host:port"
            )
    arn = _STREAM_ARN.fullmatch(form.stream)
    if arn is None and not _STREAM_NAME.fullmatch(form.stream):
        file.complain(
            ("stream",), "it is neither a stream's name nor its ARN", "Use letters, digits, `_`, `.` and `-`"
        )
    elif arn is not None and arn[1] != connection.region:
        file.complain(("stream",), f"the ARN is of region {arn[1]}", "Make connection.region the same")


def _check_distinct(file: LocatedFile, member: str, names: list[str]) -> None:
    first: dict[str, int] = {}
    for index, name in enumerate(names):
        if name in first:
            file.complain(
                (member, index), f"{name} is given already, at {member}[{first[name]}]", "Keep one of them"
            )
        first.setdefault(name, index)


def _converted(file: LocatedFile, form: DestinationForm) -> Destination:
    connection = form.connection
    return Destination(
        name=form.name,
        description=form.description,
        connection=Connection(
            region=connection.region,
            access_key_id=None if connection.access_key_id is None else SecretStr(connection.access_key_id),
            secret_key=None if connection.secret_key is None else SecretStr(connection.secret_key),
            connection_url=connection.connection_url,
        ),
        stream=form.stream,
        marketing_actions=tuple(form.marketing_actions),
        segments=tuple(Segment(s.namespace, s.id, s.name) for s in form.segments),
        attributes=tuple(form.attributes),
        partition_key_namespace=(
            None if form.partition_key == "profile" else form.partition_key.removeprefix(_IDENTITY_PREFIX)
        ),
        include_segment_names=form.include_segment_names,
        action_lines=tuple(
            file.line(("marketingActions", i)) or 0 for i in range(len(form.marketing_actions))
        ),
    )
