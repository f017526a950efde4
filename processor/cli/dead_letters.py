"""The command line: `processor dead-letters list | show | replay`."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from processor.cli.console import errors_printed, print_error, settings_or_refuse
from processor.errors import Reason
from processor.operations.text_table import plain, show, time_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from processor.kafka.dead_letter_reader import DeadLetterRecord

dead_letter_app = typer.Typer(
    no_args_is_help=True,
    help="Read events that could not be exported, and send them to the source again after a fix.",
)

ReasonOption = Annotated[
    Reason | None, typer.Option("--reason", help="Only dead letters of this reason.", show_default=False)
]


@dead_letter_app.command("list")
def dead_letters_list(
    reason: ReasonOption = None,
    *,
    limit: Annotated[int, typer.Option("--limit", min=0, help="Rows to show, the newest.")] = 50,
) -> None:
    """How many dead letters there are by reason, and the newest of them; no profile's data."""
    from processor.operations.dead_letters import read_dead_letters

    settings = settings_or_refuse().kafka
    counts: Counter[str] = Counter()
    newest: list[DeadLetterRecord] = []

    async def collect() -> None:
        async with aclosing(read_dead_letters(settings, _of(reason))) as dead_letters:
            async for each in dead_letters:
                counts[each.reason] += 1
                newest.append(each)
                newest.sort(key=lambda found: found.timestamp_ms)
                del newest[: max(len(newest) - limit, 0)]

    with errors_printed():
        asyncio.run(collect())
    table = Table(title=plain(f"dead letters in {settings.dead_letter_topic}"), title_justify="left")
    for column in ("dead letter", "event's time", "from", "reason", "error"):
        table.add_column(column)
    for each in newest:
        error = f"{each.error} ({each.left_out} left out)" if each.left_out else each.error
        table.add_row(
            *map(plain, (each.place, time_text(each.timestamp_ms), _source(each), each.reason, error))
        )
    console = Console()
    show(table, console)
    by_reason = ", ".join(f"{name} {count}" for name, count in counts.most_common()) or "none"
    console.print(plain(f"in all: {by_reason}"), soft_wrap=True)


@dead_letter_app.command("show")
def dead_letters_show(
    place: Annotated[str, typer.Argument(metavar="PARTITION:OFFSET", help="As `list` names it.")],
) -> None:
    """One dead letter, whole: key, value and headers. It is a profile: treat the output as personal data."""
    from processor.operations.dead_letters import read_dead_letter

    partition, colon, offset = place.partition(":")
    if not (colon and partition.isdecimal() and offset.isdecimal()):
        raise typer.BadParameter(
            f"{place} is not PARTITION:OFFSET, as 3:18 is", param_hint="PARTITION:OFFSET"
        )
    settings = settings_or_refuse().kafka
    with errors_printed():
        found = asyncio.run(read_dead_letter(settings, int(partition), int(offset)))
    if found is None:
        print_error(f"there is no dead letter {place} in {settings.dead_letter_topic}")
        raise typer.Exit(1)
    answer = {
        "letter": found.place,
        "source": _source(found),
        "time": time_text(found.timestamp_ms),
        "reason": found.reason,
        "error": found.error,
        **({"leftOut": found.left_out} if found.left_out else {}),
        "key": _text(found.key),
        "headers": {name: _text(value) for name, value in found.headers},
        "value": _text(found.value),
    }
    typer.echo(json.dumps(answer, indent=2, ensure_ascii=False))


@dead_letter_app.command("replay")
def dead_letters_replay(
    reason: ReasonOption = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what would be sent.")] = False,
) -> None:
    """Send dead letters to the source topic again, but for those whose key has a later event there."""
    from processor.operations.dead_letters import replay

    settings = settings_or_refuse().kafka
    with errors_printed():
        outcome = asyncio.run(replay(settings, _of(reason), dry_run=dry_run))
    table = Table(title="skipped", title_justify="left")
    for column in ("dead letter", "from", "reason", "why"):
        table.add_column(column)
    for each, why in outcome.skipped:
        table.add_row(*map(plain, (each.place, _source(each), each.reason, why)))
    console = Console()
    if outcome.skipped:
        show(table, console)
    verb = "would be sent" if dry_run else "sent"
    console.print(f"{verb}: {outcome.sent}; skipped: {len(outcome.skipped)}", highlight=False)
    if outcome.appended_again:
        console.print(
            f"appended again behind them, for they came meanwhile: {outcome.appended_again}", highlight=False
        )


def _of(reason: Reason | None) -> Callable[[DeadLetterRecord], bool]:
    return lambda found: reason is None or found.reason == reason.value


def _source(each: DeadLetterRecord) -> str:
    return f"{each.source_topic} {each.source_partition}:{each.source_offset}"


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode(errors="backslashreplace")
