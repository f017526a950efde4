"""`processor init`: the account, the credentials' variables, and the stream, looked at where these credentials let it."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import typer
from pydantic import SecretStr

from processor.cli.questions import item, say
from processor.errors import KinesisError, KinesisRefused
from processor.governance.destination import Connection, Destination
from processor.kinesis.connection import open_stream
from processor.kinesis.error_mapping import ACCESS_DENIED
from processor.kinesis.stream_list import STREAMS_MAX, list_streams
from processor.operations.destination_draft import Draft, problems_with
from processor.settings import PREFIX, KinesisSettings, find_settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from processor.cli.init_given import Given
    from processor.cli.questions import Questions

_REGION_DEFAULT: Final = "us-east-1"
_VARIABLE: Final = re.compile(r"[A-Z_][A-Z0-9_]*")
_KEY_ITSELF: Final = re.compile(r"A[A-Z]{3}[A-Z0-9]{12,}")
"""AWS's ids of keys begin with four letters, as AKIA, and have some twenty characters without an underscore."""
_ABSENT: Final = "ResourceNotFoundException"
_STREAMS_SHOWN: Final = 30


def ask_account(questions: Questions, given: Given, draft: Draft, environ: Mapping[str, str]) -> Draft:
    """Ask for the keys' variables, or AWS's chain, and for the region."""
    questions.heading("Account")
    by_keys = given.access_key_variable is not None or given.secret_key_variable is not None
    if not by_keys and questions.asks:
        by_keys = questions.answer(
            "Account: 1 AWS's default credential chain, 2 access key and secret key",
            _one_or_two,
            option="",
            default="1",
            help_="1: what AWS's own tools use on this machine or in this pod: environment, profile, web identity, SSO, "
            "container, instance metadata. It is the better one: nothing has to be kept. 2: an access key id and a secret key, "
            "which you set as environment variables; the file names these variables, and never holds the keys.",
        )
    if by_keys:
        draft = replace(
            draft,
            access_key_variable=_variable(
                questions, "access key id", "--access-key-variable", given.access_key_variable
            ),
            secret_key_variable=_variable(
                questions, "secret key", "--secret-key-variable", given.secret_key_variable
            ),
        )
        _say_unset(draft, environ)
    default = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or _REGION_DEFAULT
    draft = replace(draft, connection_url=given.connection_url)
    _refuse_option("connection", draft, environ, "--connection-url")
    if given.connection_url is not None and urlsplit(given.connection_url).username is not None:
        raise typer.BadParameter("--connection-url: it holds a user or a password: leave that out")

    def region(text: str) -> str:
        if not re.fullmatch(r"[a-z0-9-]{2,40}", text):
            raise typer.BadParameter("A region is written as eu-west-1: small letters, digits and `-`.")
        return text

    return replace(
        draft,
        region=questions.answer(
            "Region",
            region,
            option="--region",
            given=given.region,
            default=default,
            help_="The AWS region of the stream, such as eu-west-1.",
        ),
    )


def ask_stream(questions: Questions, given: Given, draft: Draft, environ: Mapping[str, str]) -> Draft:
    """Ask for the stream: listed where that is permitted, and looked at where nobody forbids it."""
    connection = _connection(draft, environ) if questions.asks else None
    names = [] if connection is None or given.stream is not None else _listed(connection)
    for number, name in enumerate(names[:_STREAMS_SHOWN], 1):
        item(number, name)
    if len(names) > _STREAMS_SHOWN:
        say(f"and {len(names) - _STREAMS_SHOWN} more, to be named.")

    def stream(text: str) -> str:
        if text.isdecimal() and 1 <= int(text) <= min(len(names), _STREAMS_SHOWN) and text not in names:
            text = names[int(text) - 1]
        refuse_member("stream", replace(draft, stream=text), environ)
        return text

    while True:
        chosen = questions.answer(
            "Stream",
            stream,
            option="--stream",
            given=given.stream,
            default=names[0] if len(names) == 1 else None,
            help_="The Kinesis stream that records are put to: its name or its ARN"
            + (", or its number in the list." if names else "."),
        )
        if connection is None or not _is_absent(replace(draft, stream=chosen), connection):
            return replace(draft, stream=chosen)
        if given.stream is not None or questions.confirmed(
            "Take it all the same?",
            default=False,
            help_="y: you will create the stream before the service is run. n: name another.",
        ):
            return replace(draft, stream=chosen)


def refuse_member(member: str, draft: Draft, environ: Mapping[str, str]) -> None:
    """Refuse an answer that the loader would not take.

    Raises:
        typer.BadParameter: it would not; with every reason.

    """
    problems = problems_with(member, draft, environ)
    if problems:
        raise typer.BadParameter("\n".join(f"{each.message}. {each.remedy}." for each in problems))


def _refuse_option(member: str, draft: Draft, environ: Mapping[str, str], option: str) -> None:
    try:
        refuse_member(member, draft, environ)
    except typer.BadParameter as error:
        raise typer.BadParameter(f"{option}: {error.message}") from error


def _one_or_two(text: str) -> bool:
    if text not in {"1", "2"}:
        raise typer.BadParameter("Answer 1 or 2.")
    return text == "2"


def _variable(questions: Questions, what: str, option: str, given: str | None) -> str:
    def check(text: str) -> str:
        # What was typed is in no message: it may be the key.
        if not _VARIABLE.fullmatch(text) or _KEY_ITSELF.fullmatch(text):
            raise typer.BadParameter(
                "That is no variable's name: it is written in capitals, digits and `_`. Do not give the key itself: it would "
                "stand in the terminal's history, and it is not kept here. If that was the key, AWS can make you a new one."
            )
        if text.startswith(PREFIX):
            raise typer.BadParameter(
                f"Names that begin with {PREFIX} are settings of the service: choose another."
            )
        return text

    return questions.answer(
        f"Variable that holds the {what}",
        check,
        option=option,
        given=given,
        default="EXPORT_" + what.upper().replace(" ", "_"),
        help_=f"The name of the environment variable in which the service will find the {what}; set it there, not here. The "
        "file will hold ${NAME}.",
    )


def _say_unset(draft: Draft, environ: Mapping[str, str]) -> None:
    unset = [each for each in draft.variables if not environ.get(each)]
    if unset:
        say(
            f"Not set here: {', '.join(unset)}. Streams are not looked at, then; set them before the service is run."
        )


def _connection(draft: Draft, environ: Mapping[str, str]) -> Connection | None:
    """How to look at streams; None where the keys are not at hand."""
    keys = [SecretStr(environ.get(each, "")) for each in draft.variables]
    if not all(each.get_secret_value() for each in keys):
        return None
    access_key_id, secret_key = keys or (None, None)
    return Connection(draft.region, access_key_id, secret_key, draft.connection_url)


def _settings() -> KinesisSettings:
    found = find_settings().settings
    return KinesisSettings.model_validate({}) if found is None else found.kinesis


def _listed(connection: Connection) -> Sequence[str]:
    say("Looking for streams …")
    try:
        found = asyncio.run(list_streams(connection, _settings()))
    except KinesisRefused as error:
        if error.code == ACCESS_DENIED:
            say(
                "These credentials may not list streams: the IAM action kinesis:ListStreams would let them. Name it."
            )
        else:
            say(f"Streams cannot be listed: {error}")
        return []
    except KinesisError as error:
        say(f"Streams cannot be listed: {error}")
        return []
    if not found:
        say(f"There is no stream in {connection.region} yet.")
    if len(found) == STREAMS_MAX:
        say(f"These are the first {STREAMS_MAX}.")
    return found


def _is_absent(draft: Draft, connection: Connection) -> bool:
    """Whether Kinesis says that there is no such stream; what else keeps it from being looked at is said."""
    destination = Destination("", connection, draft.stream, (), (), ())
    settings = _settings()

    async def look() -> None:
        async with open_stream(destination, settings) as stream:
            await stream.facts()

    try:
        asyncio.run(look())
    except KinesisRefused as error:
        if error.code == _ABSENT:
            say(f"There is no stream {draft.stream} in {draft.region}, in the account of these credentials.")
            return True
        if error.code == ACCESS_DENIED:
            say("It is not known whether it exists: the IAM action kinesis:DescribeStreamSummary would tell.")
        else:
            say(f"The stream cannot be looked at: {error}")
    except KinesisError as error:
        say(f"The stream cannot be looked at: {error}")
    else:
        say(f"The stream {draft.stream} is there.")
    return False
