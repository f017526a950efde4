"""destination.yaml: what is exported, and where to."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, StringConstraints

from processor.configuration.located import Form, parse_yaml, written
from processor.configuration.paths import check_attribute_path
from processor.governance.destination import (
    PLATFORM_NAMESPACE,
    Connection,
    Destination,
    Segment,
    SegmentTimes,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from processor.configuration.located import LocatedFile, Place
    from processor.errors import Problem

Text = Annotated[str, StringConstraints(min_length=1)]

_STREAM_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,128}")
_STREAM_ARN = re.compile(r"arn:aws[a-z-]*:kinesis:([a-z0-9-]+):[0-9]{12}:stream/[a-zA-Z0-9_.-]{1,128}")
_IDENTITY_PREFIX: Final = "identity:"
_KEYS: Final = ("accessKeyId", "secretKey")


class ConnectionForm(Form):
    """How to reach Kinesis."""

    region: Text = Field(description="AWS region.")
    access_key_id: Text | None = Field(None, description="Without keys, AWS's default credential chain.")
    secret_key: Text | None = Field(None, description="Goes with accessKeyId.")
    access_key_id_file: Text | None = Field(
        None,
        description="A file that holds the access key id, in accessKeyId's place. It is read anew on SIGHUP, when AWS takes "
        "its key no more, and every ten seconds.",
    )
    secret_key_file: Text | None = Field(
        None, description="The same in secretKey's place; the two files may change one after the other."
    )
    connection_url: Text | None = Field(None, description="Another endpoint than AWS's.")


class SegmentForm(Form):
    """A mapped segment."""

    id: Text = Field(description="The segment's id.")
    namespace: Text = Field(PLATFORM_NAMESPACE, description="The segment's namespace.")
    name: Text | None = Field(None, description="Its name, for includeSegmentNames.")
    created_at: int | None = Field(
        None, ge=0, description="When it was made, in ms since the epoch, for includeSegmentTimestamps."
    )
    updated_at: int | None = Field(None, ge=0, description="When it last changed; as createdAt.")
    mapping_created_at: int | None = Field(
        None, ge=0, description="When it was mapped to this destination; as createdAt."
    )
    mapping_updated_at: int | None = Field(
        None, ge=0, description="When its mapping last changed; as createdAt."
    )


class DestinationForm(Form):
    """The file."""

    name: Text = Field(description="What people call this destination.")
    description: str | None = Field(None, description="What it is for.")
    connection: ConnectionForm = Field(description="How to reach Kinesis.")
    stream: Text = Field(description="The stream's name or ARN.")
    marketing_actions: list[Text] = Field(description="What the data will be used for.")
    partition_key: Text = Field("profile", description="`profile` or `identity:NAMESPACE`.")
    include_segment_names: bool = Field(default=False, description="Whether exports carry segment names.")
    include_segment_timestamps: bool = Field(
        default=False, description="Whether exports carry the segments' four times, those that are given."
    )
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
    # Of the tree, not of the form: what is wrong in one place must not hide what is wrong in another.
    _check(file)
    problems.extend(file.in_order())
    return None if form is None or file.problems else _converted(file, form)


def _check(file: LocatedFile) -> None:
    _check_connection(file)
    _check_stream(file)
    _check_partition_key(file)
    if file.at("segments") == []:
        file.complain(
            ("segments",), "nothing is mapped, so nothing would be exported", "Map at least one segment"
        )
    _check_distinct(file, ((place, (text,)) for place, text in file.texts("marketingActions")))
    _check_distinct(file, ((place, (text,)) for place, text in file.texts("attributes")))
    _check_distinct(file, _segments(file))
    for place, segment in _segments(file):
        if any("\0" in part for part in segment):
            file.complain(place, "an id or namespace holds a zero character", "Remove it")
    attributes = list(file.texts("attributes"))
    for place, path in attributes:
        check_attribute_path(file, place, path)
        for outer in {outer for _, outer in attributes if path.startswith(outer + ".")}:
            file.complain(place, f"{path} lies in {outer}, which is mapped", "Map one of the two")


def _segments(file: LocatedFile) -> Iterator[tuple[Place, tuple[str, str]]]:
    """Namespace and id of each: joined to one text, `a/b` and `c` would be `a` and `b/c`."""
    for place in file.places("segments"):
        id_, namespace = file.text(*place, "id"), file.text(*place, "namespace") or PLATFORM_NAMESPACE
        if id_ is not None:
            yield place, (namespace, id_)


def _check_partition_key(file: LocatedFile) -> None:
    key = file.text("partitionKey")
    if key == _IDENTITY_PREFIX:
        file.complain(("partitionKey",), "no namespace is named", "Write identity:NAMESPACE")
    elif key not in {None, "profile"} and not str(key).startswith(_IDENTITY_PREFIX):
        file.complain(
            ("partitionKey",), f"{key!r} is no partition key", "Write profile or identity:NAMESPACE"
        )


def _check_connection(file: LocatedFile) -> None:
    given = {name: file.at("connection", name) is not None for name in (*_KEYS, *map(_file_of, _KEYS))}
    for name in _KEYS:
        if given[name] and given[_file_of(name)]:
            file.complain(
                ("connection", _file_of(name)), f"{name} is given as well", "Give the key itself, or its file"
            )
    if len({given[name] or given[_file_of(name)] for name in _KEYS}) > 1:
        file.complain(
            ("connection",),
            "accessKeyId and secretKey go together",
            "Give both, each itself or by its file, or neither to use AWS's default credential chain",
        )
    url = file.text("connection", "connectionUrl")
    if url is not None and not _is_url(url):
        file.complain(
            ("connection", "connectionUrl"), "it is no http or https URL", "Write https://host:port"
        )


def _file_of(key: str) -> str:
    return f"{key}File"


def _is_url(text: str) -> bool:
    try:
        url = urlsplit(text)
        return url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0
    except ValueError:
        return False


def _check_stream(file: LocatedFile) -> None:
    stream, region = file.text("stream"), file.text("connection", "region")
    if stream is None:
        return
    arn = _STREAM_ARN.fullmatch(stream)
    if arn is None and not _STREAM_NAME.fullmatch(stream):
        file.complain(
            ("stream",), "it is neither a stream's name nor its ARN", "Use letters, digits, `_`, `.` and `-`"
        )
    elif arn is not None and region is not None and arn[1] != region:
        file.complain(("stream",), f"the ARN is of region {arn[1]}", "Make connection.region the same")


def _check_distinct(file: LocatedFile, names: Iterable[tuple[Place, tuple[str, ...]]]) -> None:
    first: dict[tuple[str, ...], Place] = {}
    for place, name in names:
        if name in first:
            at = written(first[name])
            file.complain(place, f"{'/'.join(name)} is given already, at {at}", "Keep one of them")
        first.setdefault(name, place)


def _segment(form: SegmentForm) -> Segment:
    times = SegmentTimes(form.created_at, form.updated_at, form.mapping_created_at, form.mapping_updated_at)
    return Segment(form.namespace, form.id, form.name, times)


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
            access_key_id_file=None
            if connection.access_key_id_file is None
            else Path(connection.access_key_id_file),
            secret_key_file=None if connection.secret_key_file is None else Path(connection.secret_key_file),
        ),
        stream=form.stream,
        marketing_actions=tuple(form.marketing_actions),
        segments=tuple(map(_segment, form.segments)),
        attributes=tuple(form.attributes),
        partition_key_namespace=(
            None if form.partition_key == "profile" else form.partition_key.removeprefix(_IDENTITY_PREFIX)
        ),
        include_segment_names=form.include_segment_names,
        include_segment_timestamps=form.include_segment_timestamps,
        source=file.source,
        lines={written(place): file.line(place) or 0 for place in file.lines},
    )
