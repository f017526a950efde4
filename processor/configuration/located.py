"""YAML read with the line of every member.

Scalars mean what JSON's and YAML 1.2's core schema say: `y`, `no` and `2020-01-01` are texts. `${NAME}` in a text is
the environment variable NAME, and `$$` is `$`.
"""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from processor.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

Place: TypeAlias = tuple[str | int, ...]
_Value: TypeAlias = "bool | int | float | str | list[_Value] | dict[str, _Value] | None"

_NODES_MAX: Final = 200_000
"""Aliases may multiply a small file into a huge one."""

_DEPTH_MAX: Final = 64
_REFERENCE = re.compile(r"\$\$|\$\{([^}]*)\}|\$\{")
_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Form(BaseModel):
    """The form of one mapping of a file: members in camelCase, none unknown, none of another type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, alias_generator=to_camel)


AnyForm = TypeVar("AnyForm", bound=Form)


@dataclass(slots=True)
class LocatedFile:
    """A file's tree, and where its members stand; problems are collected as they are met."""

    source: str
    tree: _Value = None
    lines: dict[Place, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def complain(self, place: Place, message: str, remedy: str) -> None:
        """Note a problem with the member at `place`."""
        self.problems.append(Problem(self.source, self.line(place), written(place), message, remedy))

    def line(self, place: Place) -> int | None:
        """The line of a member, or of the nearest one around it."""
        for length in range(len(place), -1, -1):
            if place[:length] in self.lines:
                return self.lines[place[:length]]
        return None

    def in_order(self) -> list[Problem]:
        """All problems, by line."""
        return sorted(self.problems, key=lambda problem: problem.line or 0)

    def at(self, *place: str | int) -> _Value:
        """What stands at a place; None where nothing does. For checks that must not depend on the whole form."""
        value = self.tree
        for step in place:
            if isinstance(value, dict) and isinstance(step, str):
                value = value.get(step)
            elif isinstance(value, list) and isinstance(step, int) and step < len(value):
                value = value[step]
            else:
                return None
        return value

    def text(self, *place: str | int) -> str | None:
        """The text at a place; None where there is none, or something else."""
        value = self.at(*place)
        return value if isinstance(value, str) and value else None

    def places(self, *place: str | int) -> Iterator[Place]:
        """The places right below an array's or a mapping's."""
        value = self.at(*place)
        if isinstance(value, list):
            yield from ((*place, index) for index in range(len(value)))
        elif isinstance(value, dict):
            yield from ((*place, name) for name in value)

    def texts(self, *place: str | int) -> Iterator[tuple[Place, str]]:
        """The texts of an array, each with its place."""
        for inner in self.places(*place):
            text = self.text(*inner)
            if text is not None:
                yield inner, text

    def fit(self, form: type[AnyForm]) -> AnyForm | None:
        """The tree in its form; None, with problems noted, where it does not fit."""
        if self.tree is None and not self.problems:
            self.complain((), "the file is empty", "See docs/configuration.md for an example")
        if self.tree is None:
            return None
        try:
            return form.model_validate(self.tree)
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                self._note(form, detail["loc"], str(detail["type"]), str(detail["msg"]))
            return None

    def _note(self, form: type[Form], place: Place, kind: str, message: str) -> None:
        if kind == "extra_forbidden":
            self.complain(place, "there is no such member here", self._meant(form, place))
        elif kind == "missing":
            self.complain(place, "it is missing", "Add it, see docs/configuration.md")
        elif kind == "string_type":
            self.complain(place, "it must be a text", "Put it in quotes")
        else:
            self.complain(
                place, message.removeprefix("Value error, "), "See docs/configuration.md for its form"
            )

    def _meant(self, form: type[Form], place: Place) -> str:
        """The remedy for a member that is not known at its place."""
        name = str(place[-1])
        around = self.at(*place[:-1])
        here = members_at(form, place[:-1])
        close = difflib.get_close_matches(name, here, n=1)
        # One that is there already cannot be what was meant, too.
        if close and isinstance(around, dict) and close[0] not in around:
            return f"Did you mean {close[0]}?"
        elsewhere = [path for path in _member_paths(form) if path.rpartition(".")[2] == name]
        if elsewhere:
            return f"It belongs elsewhere: {' or '.join(elsewhere[:3])}"
        return "Remove it, or see docs/configuration.md"


def written(place: Place) -> str:
    """A place as people write it: `segments[1].id`."""
    text = ""
    for step in place:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text or "(the file)"


def read_text(path: Path, problems: list[Problem]) -> str | None:
    """A file's text; None, with a problem noted, where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        message, remedy = "there is no such file", "Create it, or name another with the command's option"
    except IsADirectoryError:
        message, remedy = "it is a directory", "Name the file in it"
    except UnicodeDecodeError as error:
        message, remedy = f"it is not UTF-8 at byte {error.start}", "Save it as UTF-8"
    except ValueError:
        message, remedy = "its name holds a zero character", "Remove it"
    except OSError as error:
        message, remedy = error.strerror or "it cannot be read", "Make it readable for this user"
    problems.append(Problem(str(path), None, "(the file)", message, remedy))
    return None


def parse_yaml(text: str, source: str, environ: Mapping[str, str]) -> LocatedFile:
    """A YAML text's tree with its lines; what is wrong is in the result's `problems`.

    JSON on one line, as a definition in Kafka comes to (`file_text.json_text`), is read by JSON's own reader, in a tenth of the
    time: its members' lines are known without a look.
    """
    file = LocatedFile(source)
    if text.startswith("{") and "\n" not in text:
        try:
            value = json.loads(text, object_pairs_hook=_distinct, parse_constant=_no_number)
        except (ValueError, RecursionError):
            pass  # it is YAML yet, or the other reader says what is wrong
        else:
            file.tree = _Reader(file, environ).of_json(value, ())
            return file
    try:
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        file.problems.append(
            Problem(
                source,
                None if mark is None else mark.line + 1,
                "(the file)",
                f"it is not YAML: {error.problem or error.context}",
                "Mend the syntax there",
            )
        )
        return file
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        file.complain((), f"it is not YAML: {str(error).splitlines()[0]}", "Mend the syntax")
        return file
    if root is not None:
        file.tree = _Reader(file, environ).value(root, ())
    return file


def _distinct(members: list[tuple[str, _Value]]) -> dict[str, _Value]:
    found = dict(members)
    if len(found) != len(members):
        raise ValueError("a member is given twice")
    return found


def _no_number(name: str) -> _Value:
    raise ValueError(f"{name} is no number of JSON's")


class _Loader(yaml.SafeLoader):
    """PyYAML's syntax with the scalars of the JSON schema."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  PyYAML's own form


_SCALARS: Final = (
    ("tag:yaml.org,2002:null", r"null|Null|NULL|~|", ["n", "N", "~", ""]),
    ("tag:yaml.org,2002:bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("tag:yaml.org,2002:int", r"-?(?:0|[1-9][0-9]*)", list("-0123456789")),
    (
        "tag:yaml.org,2002:float",
        r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?",
        list("-0123456789"),
    ),
)
for _tag, _pattern, _first in _SCALARS:
    _Loader.add_implicit_resolver(_tag, re.compile(f"^(?:{_pattern})$"), _first)


_CONVERSIONS: Final[Mapping[str, Callable[[str], _Value]]] = {
    "null": lambda _: None,
    "bool": lambda text: text.lower() == "true",
    "int": int,
    "float": float,
}


class _Reader:
    """Turns YAML nodes into values, noting lines, duplicates and references on the way."""

    def __init__(self, file: LocatedFile, environ: Mapping[str, str]) -> None:
        self._file = file
        self._environ = environ
        self._nodes = 0

    def value(self, node: yaml.Node, place: Place) -> _Value:
        self._file.lines.setdefault(place, node.start_mark.line + 1)
        if self._is_too_much(place):
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, place)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(child, (*place, index)) for index, child in enumerate(node.value)]
        return self._scalar(node, place)

    def of_json(self, value: _Value, place: Place) -> _Value:
        """A value of JSON on one line; its texts mean what they mean in YAML."""
        self._file.lines[place] = 1
        if self._is_too_much(place):
            return None
        if isinstance(value, dict):
            members: dict[str, _Value] = {}
            for given, inner in value.items():
                name = self._characters(given, place)
                if name in members:
                    self._file.complain((*place, name), "it is given twice", "Keep one of them")
                else:
                    members[name] = self.of_json(inner, (*place, name))
            return members
        if isinstance(value, list):
            return [self.of_json(inner, (*place, index)) for index, inner in enumerate(value)]
        return self._text(value, place) if isinstance(value, str) else value

    def _is_too_much(self, place: Place) -> bool:
        self._nodes += 1
        if len(place) <= _DEPTH_MAX and self._nodes <= _NODES_MAX:
            return False
        if len(self._file.problems) == 0 or self._nodes <= _NODES_MAX:
            self._file.complain(place, "it is nested too deeply, or repeats itself", "Write it out plainly")
        return True

    def _mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, _Value]:
        members: dict[str, _Value] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._file.complain(place, "a member's name is not a text", "Write `name: value`")
                continue
            name = self._characters(str(key_node.value), place)
            inner = (*place, name)
            if name in members:
                self._file.problems.append(
                    Problem(
                        self._file.source,
                        key_node.start_mark.line + 1,
                        written(inner),
                        "it is given twice",
                        "Keep one of them",
                    )
                )
                continue
            self._file.lines[inner] = key_node.start_mark.line + 1
            members[name] = self.value(value_node, inner)
        return members

    def _scalar(self, node: yaml.Node, place: Place) -> _Value:
        tag, text = node.tag.rpartition(":")[2], str(node.value)
        if tag == "str":
            return self._text(text, place)
        convert = _CONVERSIONS.get(tag)
        try:
            if convert is not None:
                return convert(text)
        except ValueError:
            self._file.complain(place, "it is a number too long to read", "Put it in quotes if it is a text")
            return None
        self._file.complain(place, f"the tag {node.tag} is not known here", "Remove the tag")
        return None

    def _text(self, text: str, place: Place) -> str:
        characters = self._characters(text, place)
        return _REFERENCE.sub(lambda match: self._resolved(match, place), characters)

    def _characters(self, text: str, place: Place) -> str:
        """A text whose escaped surrogates, which PyYAML takes for characters, are joined as JSON joins them."""
        try:
            return text.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            self._file.complain(place, "an escaped surrogate stands alone", "Write the character itself")
            return text.encode("utf-8", "replace").decode()

    def _resolved(self, match: re.Match[str], place: Place) -> str:
        if match[0] == "$$":
            return "$"
        name = match[1]
        if name is None or not _VARIABLE_NAME.fullmatch(name):
            self._file.complain(
                place, "`${` is not followed by a variable's name and `}`", "Write $$ for a $"
            )
            return ""
        if name not in self._environ:
            self._file.complain(
                place, f"the environment variable {name} is not set", f"Set {name}, or write $${{{name}}}"
            )
            return ""
        return self._environ[name]


def members_at(form: type[Form], place: Place) -> list[str]:
    """The names that a mapping at `place` may have as members; none where any may be, or it is no mapping."""
    inner: type[Form] | None = form
    for step in place:
        if isinstance(step, str):
            members = (
                {}
                if inner is None
                else {info.alias or name: info for name, info in inner.model_fields.items()}
            )
            found = _forms_in(members[step].annotation) if step in members else []
            inner = found[0] if found else None
    return [] if inner is None else [info.alias or name for name, info in inner.model_fields.items()]


def _member_paths(form: type[Form], prefix: str = "", around: tuple[type[Form], ...] = ()) -> Iterator[str]:
    """All members of a form and of the forms within it, as docs/configuration.md writes them: `segments[].id`."""
    for name, info in form.model_fields.items():
        path = f"{prefix}{info.alias or name}"
        yield path
        for inner in _forms_in(info.annotation):
            if inner is not form and inner not in around:
                many = get_origin(info.annotation) is list
                yield from _member_paths(inner, f"{path}[]." if many else f"{path}.", (*around, form))


def _forms_in(annotation: object) -> list[type[Form]]:
    if isinstance(annotation, type) and issubclass(annotation, Form):
        return [annotation]
    return [form for inner in getattr(annotation, "__args__", ()) for form in _forms_in(inner)]
