"""The command line: `processor flow-service import | export`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer
from rich.text import Text

from processor.cli.console import errors, print_error
from processor.cli.files import DestinationOption, GovernanceOption, files_of
from processor.errors import EXIT_BAD_CONFIGURATION, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from processor.errors import Problem
    from processor.flow_service.documents import Document
    from processor.flow_service.findings import Findings

flow_service_app = typer.Typer(
    no_args_is_help=True,
    help="Turn what the Flow Service API and the Policy Service answer into the two files, and back; nothing is called.",
)

_STANDARD_OUTPUT: Final = Path("-")
_PROBLEMS_SHOWN: Final = 100

ForceOption = Annotated[bool, typer.Option("--force", help="Write over files that are there.")]
StrictOption = Annotated[
    bool,
    typer.Option(
        "--strict", help="Exit with 78, and write nothing, if something that may matter is left out."
    ),
]


@flow_service_app.command("import")
def flow_service_import(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILES…",
            help="Answers or request bodies as JSON: connections, target connections, flows, policies, marketing "
            "actions, single or in lists; - for standard input.",
        ),
    ],
    destination_out: Annotated[
        Path | None,
        typer.Option(
            "--destination-out",
            help="Where the destination file is written; standard output without it, or where it is -.",
        ),
    ] = None,
    governance_out: Annotated[
        Path | None,
        typer.Option(
            "--governance-out", help="Where the governance file is written; standard output without it."
        ),
    ] = None,
    marketing_action: Annotated[
        list[str] | None,
        typer.Option(
            "--marketing-action",
            help="A marketing action of the destination, which no document has; several times.",
        ),
    ] = None,
    flow: Annotated[
        str | None, typer.Option("--flow", help="The id of the flow that is meant, of several.")
    ] = None,
    *,
    force: ForceOption = False,
    strict: StrictOption = False,
) -> None:
    """Write the two files that documents of the API amount to; what has no counterpart is listed by name."""
    from processor.flow_service.findings import Findings
    from processor.flow_service.importing import import_documents

    destination_out, governance_out = (
        None if out == _STANDARD_OUTPUT else out for out in (destination_out, governance_out)
    )
    found = Findings()
    documents = _documents(files, found)
    made = import_documents(documents, marketing_action or (), flow, found)
    if found.problems:
        _refuse(found.problems)
    _print_unmatched(found)
    _refuse_if_strict(found, strict=strict)
    texts = {
        out: text
        for out, text in ((destination_out, made.destination), (governance_out, made.governance))
        if out is not None and text is not None
    }
    if destination_out == governance_out and None not in {destination_out, made.destination, made.governance}:
        raise typer.BadParameter("--destination-out and --governance-out are the same file")
    for out, text, what in (
        (destination_out, made.destination, "flow"),
        (governance_out, made.governance, "policy or marketing action"),
    ):
        if out is not None and text is None:
            _print_note(f"{out}: not written, for there is no {what}")
    _write(texts, force=force)
    printed = [
        text
        for out, text in ((destination_out, made.destination), (governance_out, made.governance))
        if out is None and text is not None
    ]
    if printed:
        _print_data("---\n".join(printed))


@flow_service_app.command("export")
def flow_service_export(
    destination: DestinationOption = None,
    governance: GovernanceOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="A folder for the bodies, a file a call; one object on standard output without it."
        ),
    ] = None,
    *,
    force: ForceOption = False,
    strict: StrictOption = False,
) -> None:
    """Write the bodies of the calls that would make a dataflow and policies of the two files, in their order."""
    from processor.flow_service.exporting import calls
    from processor.flow_service.findings import Findings

    found = Findings()
    try:
        made = calls(files_of(destination, governance), os.environ, found)
    except ConfigurationError as error:
        _refuse(error.problems)
    _print_unmatched(found)
    _refuse_if_strict(found, strict=strict)
    if out is None:
        _print_data(_json({call.name: call.body for call in made}))
    else:
        _write({out / f"{call.name}.json": _json(call.body) for call in made}, force=force)


def _documents(files: Sequence[str], found: Findings) -> list[Document]:
    from processor.flow_service.documents import read_documents

    documents: list[Document] = []
    for name in files:
        try:
            content = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            found.complain(name, "", f"it cannot be read: {reason}", "Name a file that can")
            continue
        documents.extend(read_documents(content, "standard input" if name == "-" else name, found))
    return documents


def _print_unmatched(found: Findings) -> None:
    for style, head, unmatched in (
        ("yellow", "left out ", found.left_out),
        ("dim", "set aside ", found.set_aside),
    ):
        for each in unmatched:
            errors.print(Text.assemble((head, style), _shown(str(each))))


def _shown(text: str) -> str:
    """The text with what no terminal should be sent, and what is no character, written as escapes."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def _print_note(text: str) -> None:
    errors.print(Text.assemble(("note ", "dim"), _shown(text)))


def _refuse_if_strict(found: Findings, *, strict: bool) -> None:
    count = len(found.left_out)
    if strict and count:
        print_error(f"{count} {'member is' if count == 1 else 'members are'} left out; nothing was written.")
        raise typer.Exit(EXIT_BAD_CONFIGURATION)


def _refuse(problems: Sequence[Problem]) -> NoReturn:
    for problem in problems[:_PROBLEMS_SHOWN]:
        print_error(_shown(str(problem)))
    count = len(problems)
    if count > _PROBLEMS_SHOWN:
        errors.print(f"… and {count - _PROBLEMS_SHOWN} more", highlight=False)
    errors.print(f"{count} {'problem' if count == 1 else 'problems'}; nothing was written.", highlight=False)
    raise typer.Exit(EXIT_BAD_CONFIGURATION)


def _write(texts: Mapping[Path, str], *, force: bool) -> None:
    """Write all files, or none where one is there already."""
    present = [] if force else [path for path in texts if path.exists()]
    for path in present:
        print_error(f"{path}: it is there already. Name another, or write over it with --force")
    if present:
        raise typer.Exit(2)
    for path, text in texts.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("w" if force else "x", encoding="utf-8") as file:
                file.write(text)
        except (OSError, ValueError) as error:
            print_error(f"{path}: it cannot be written: {getattr(error, 'strerror', None) or error}")
            raise typer.Exit(2) from error
        _print_note(f"{path}: written")


def _print_data(text: str) -> None:
    try:
        sys.stdout.buffer.write(text.encode())
        sys.stdout.buffer.flush()
    except OSError as error:
        # What is left in the buffer must not fail at the exit, too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise typer.Exit(0) from None
        print_error(f"standard output: it cannot be written: {error.strerror}")
        raise typer.Exit(2) from error


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
