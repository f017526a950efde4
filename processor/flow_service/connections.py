"""The Kinesis connection: a base and a target connection, and what the destination file has in their place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from processor.flow_service.file_text import Reference, reference_in
from processor.flow_service.members import AuthParams
from processor.flow_service.names import KINESIS_AUTHENTICATION, KINESIS_SPEC, SPEC_VERSION

if TYPE_CHECKING:
    from processor.configuration.destination_file import DestinationForm
    from processor.flow_service.documents import Json
    from processor.flow_service.file_text import Tree
    from processor.flow_service.findings import Findings
    from processor.flow_service.members import BaseConnection, TargetConnection
    from processor.flow_service.origins import Origins

KEY_VARIABLES: Final = {
    "accessKeyId": Reference("${EXPORT_KEY_ID}"),
    "secretKey": Reference("${EXPORT_SECRET}"),
}
"""What stands for keys that a document holds, or masks."""


def connection(
    base: tuple[BaseConnection, str, str] | None,
    target: tuple[TargetConnection, str, str] | None,
    found: Findings,
    origins: Origins,
) -> Tree:
    """The destination file's `connection`; each connection comes with its document's name and its place in it."""
    regions: list[tuple[str, str, str]] = []
    if target is not None:
        form, source, place = target
        origins.note("connection.region", source, f"{place}/params/region")
        _check_target(form, source, place, found)
        if form.params.region is not None:
            regions.append((form.params.region, source, f"{place}/params/region"))
    members: dict[str, Tree] = {}
    if base is not None:
        form_of_base, source, place = base
        origins.note("connection", source, f"{place}/auth/params")
        members = _authentication(form_of_base, source, place, found, origins)
        params = None if form_of_base.auth is None else form_of_base.auth.params
        if params is not None and params.region is not None:
            regions.append((params.region, source, f"{place}/auth/params/region"))
    if not regions:
        return members
    region, *from_there = regions[0]
    origins.note("connection.region", *from_there)
    for other, source, place in regions[1:]:
        if other != region:
            found.complain(
                source,
                place,
                f"it is {other}, and the target connection's is {region}",
                "Make the two the same",
            )
    return {"region": region, **members}


def base_connection_body(form: DestinationForm, source: str, found: Findings) -> Json:
    """The body of `POST /connections` for Amazon Kinesis; keys are `${…}` references, never the keys."""
    ours = form.connection
    params: dict[str, Json] = {}
    keys = (
        ("accessKeyId", ours.access_key_id, ours.access_key_id_file),
        ("secretKey", ours.secret_key, ours.secret_key_file),
    )
    for name, key, file in keys:
        if file is not None:
            found.leave_out(
                source, f"connection.{name}File", f"{KEY_VARIABLES[name]} stands for what is in it"
            )
        if key is not None or file is not None:
            reference = None if key is None else reference_in(key)
            params[name] = str(reference or KEY_VARIABLES[name])
            if key is not None and reference is None:
                found.put_aside(
                    source, f"connection.{name}", f"the key is never written: {params[name]} stands for it"
                )
    if not params:
        found.leave_out(
            source, "connection", "there are no keys, and the API takes AWS's default chain for none"
        )
    params["region"] = ours.region
    if ours.connection_url is not None and "@" in ours.connection_url:
        found.leave_out(source, "connection.connectionUrl", "it may hold a password, which is never written")
    elif ours.connection_url is not None:
        params["connectionUrl"] = ours.connection_url
    return {
        "name": form.name,
        "connectionSpec": {"id": KINESIS_SPEC, "version": SPEC_VERSION},
        "auth": {"specName": KINESIS_AUTHENTICATION, "params": params},
    }


def target_connection_body(form: DestinationForm, base_id: str, source: str, found: Findings) -> Json:
    """The body of `POST /targetConnections`; `base_id` stands for the base connection's id."""
    stream = form.stream.rpartition("/")[2]
    if stream != form.stream:
        found.leave_out(source, "stream", "the API takes a stream's name, not its ARN")
    return {
        "name": form.name,
        "baseConnectionId": base_id,
        "connectionSpec": {"id": KINESIS_SPEC, "version": SPEC_VERSION},
        "data": {"format": "json"},
        "params": {"stream": stream, "region": form.connection.region},
    }


def _check_target(form: TargetConnection, source: str, place: str, found: Findings) -> None:
    _check_spec(form, source, place, found)
    if form.data is not None and form.data.format not in {None, "json"}:
        found.leave_out(source, f"{place}/data/format", "exports are JSON")


def _authentication(
    form: BaseConnection, source: str, place: str, found: Findings, origins: Origins
) -> dict[str, Tree]:
    """The members of `connection` beside the region."""
    _check_spec(form, source, place, found)
    auth = form.auth
    if auth is not None and not _is_one_of(auth.spec_name, KINESIS_AUTHENTICATION):
        found.leave_out(
            source, f"{place}/auth/specName", f"{auth.spec_name!r} is not known here: keys are used"
        )
    params = AuthParams() if auth is None or auth.params is None else auth.params
    at = f"{place}/auth/params"
    members: dict[str, Tree] = {}
    for name, text in (("accessKeyId", params.access_key_id), ("secretKey", params.secret_key)):
        if text is not None:
            members[name] = reference_in(text) or KEY_VARIABLES[name]
            origins.note(f"connection.{name}", source, f"{at}/{name}")
            found.put_aside(
                source, f"{at}/{name}", f"keys are never written: {members[name]} stands for it, set that"
            )
    if not members:
        found.put_aside(source, place, "it has no keys: AWS's default credential chain is used")
    if params.connection_url is not None and "@" in params.connection_url:
        found.complain(
            source, f"{at}/connectionUrl", "it may hold a password", "Give it without a user's name"
        )
    elif params.connection_url is not None:
        members["connectionUrl"] = params.connection_url
        origins.note("connection.connectionUrl", source, f"{at}/connectionUrl")
    return members


def _check_spec(form: BaseConnection | TargetConnection, source: str, place: str, found: Findings) -> None:
    spec = form.connection_spec
    if spec is not None and not _is_one_of(spec.id, KINESIS_SPEC):
        found.leave_out(
            source, f"{place}/connectionSpec/id", f"{spec.id} is not Amazon Kinesis' and taken for it"
        )
    if form.state not in {None, "enabled"}:
        found.leave_out(source, f"{place}/state", f"it is {form.state}, and used here while the service runs")


def _is_one_of(text: str | None, known: str) -> bool:
    """Whether a text is as it is known, absent, or a placeholder of the published tutorial."""
    return text is None or text == known or text.startswith("{")
