"""Writes docs/configuration.md from the code: `python -m processor.reference.configuration`."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Union, get_args, get_origin

from pydantic import JsonValue, SecretStr
from pydantic_core import PydanticUndefined

from processor.configuration.destination_file import DestinationForm
from processor.configuration.governance_file import GovernanceForm
from processor.configuration.located import Form
from processor.errors import EXIT_BAD_CONFIGURATION
from processor.settings import GROUPS, SECRETS
from processor.settings.group import TECHNICAL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

_OPENING = f"""\
# Configuration

What is exported, and where to, stands in two YAML files. Everything about the deployment is an environment
variable. All that is wrong with either is reported at once, before anything is connected, with file, line, member and
remedy; the exit code is then {EXIT_BAD_CONFIGURATION}.

This page is generated from the code: `make docs`.

## Environment variables

An empty variable counts as unset; one that begins with `PROCESSOR_` and is not listed here is an error. Each of
{", ".join(f"`{name}`" for name in SECRETS[:-1])} and `{SECRETS[-1]}` may be given by a file instead: `{SECRETS[0]}_FILE` names it.
"""

_FILES = """
In a text of either file `${NAME}` is the environment variable NAME, an error where it is unset, and `$$` is `$`.
Scalars mean what they mean in JSON: `y`, `no` and `2020-01-01` are texts. Unknown and repeated members are errors.
"""

_DESTINATION_EXAMPLE = """
```yaml
name: Loyalty exports
description: Loyalty segments for the data platform team
connection:
  accessKeyId: ${EXPORT_KEY_ID}
  secretKey: ${EXPORT_SECRET}
  region: eu-west-1
stream: profile-exports
marketingActions: [exportToThirdParty]
partitionKey: identity:ecid
includeSegmentNames: true
includeSegmentTimestamps: true
segments:
  - id: 7841ba61-23c1-4bb3-a495-00d3g5fe1e93
    name: High propensity to convert
    createdAt: 1648553325000
    mappingCreatedAt: 1649856570000
attributes: [person.email, person.name.lastName]
```
"""

_GOVERNANCE_EXAMPLE = """
```yaml
enforcement: filter
marketingActions: [{name: partnerSync, description: Share with the partner}]
labels:
  fields: {person.email: [I1], loyalty: [C2]}
  identities: {email_lc_sha256: [I2]}
  segments:
    - {id: 59bd2fkd-3c48-4b18-bf56-4f5c5e6967ae, labels: [C5]}
policies:
  - name: Third Party Export Restriction
    description: Contract data stays with us
    status: ENABLED
    marketingActionRefs: [exportToThirdParty]
    deny: {operator: OR, operands: [{label: C2}, {label: C5}]}
consentPolicies:
  - name: Marketing email opt-in
    status: ENABLED
    marketingActionRefs: [emailTargeting]
    requires: {path: consents.marketing.email.val, in: ["y"]}
```
"""


def configuration_reference() -> str:
    """The page's text."""
    parts = [_OPENING]
    for group in GROUPS:
        prefix = str(group.model_config["env_prefix"])
        parts.append(f"\n### {group.__name__.removesuffix('Settings')}\n\n{group.__doc__}\n\n")
        parts.append("| variable | form | default | meaning |\n|---|---|---|---|\n")
        parts += [_row(prefix + name.upper(), field) for name, field in group.model_fields.items()]
    parts += [
        "\n## destination.yaml\n",
        _FILES,
        _DESTINATION_EXAMPLE,
        "\n| member | form | default | meaning |\n|---|---|---|---|\n",
    ]
    parts += _members(DestinationForm, "")
    parts += [
        "\n## governance.yaml\n\nOptional: without it there are no labels and no policies; label `C12` is never exported all the same.\n"
    ]
    parts += [
        _GOVERNANCE_EXAMPLE,
        "\n| member | form | default | meaning |\n|---|---|---|---|\n",
        *_members(GovernanceForm, ""),
    ]
    return "".join(parts)


def _members(form: type[Form], prefix: str) -> Iterator[str]:
    for name, field in form.model_fields.items():
        path = prefix + (field.alias or name)
        yield _row(path, field)
        inner = _inner_form(field.annotation)
        if inner is not None and inner is not form:
            many = get_origin(field.annotation) is list
            yield from _members(inner, f"{path}[]." if many else f"{path}.")


def _inner_form(annotation: object) -> type[Form] | None:
    if isinstance(annotation, type) and issubclass(annotation, Form):
        return annotation
    return next(filter(None, map(_inner_form, get_args(annotation))), None)


def _row(name: str, field: FieldInfo) -> str:
    return f"| `{name}` | {_form(field.annotation)}{_bounds(field)} | {_default(field)} | {field.description} |\n"


_SCALARS = {
    int: "integer",
    float: "number",
    bool: "`true`, `false`",
    SecretStr: "secret",
    Path: "path",
    str: "text",
}


def _form(annotation: object) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(f"`{each}`" for each in arguments)
    if origin in {list, tuple}:
        return f"list of {_form(arguments[0])}"
    if origin in {types.UnionType, Union}:
        return _form(next(each for each in arguments if each is not type(None)))
    if origin is Annotated:
        return _form(arguments[0])
    if isinstance(annotation, type) and annotation in _SCALARS:
        return _SCALARS[annotation]
    return "JSON value" if annotation is JsonValue else "mapping"


def _bounds(field: FieldInfo) -> str:
    low = next((bound.ge for bound in field.metadata if hasattr(bound, "ge")), None)
    high = next((bound.le for bound in field.metadata if hasattr(bound, "le")), None)
    if high is not None and high not in TECHNICAL:
        return f", {low} to {high}"
    return "" if low is None else f", from {low}"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default is PydanticUndefined or field.default in {None, ""}:
        return ""
    return f"`{str(field.default).lower() if isinstance(field.default, bool) else field.default}`"


if __name__ == "__main__":
    sys.stdout.write(configuration_reference())
